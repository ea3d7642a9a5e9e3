"""The real worker script and the real client, over real pipes, in a real environment apart; only COMET in it is a stand-in that scores by
checksum and misbehaves on demand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.eval import comet_worker
from dragoman.eval.comet import CometWorker, MetricUnavailable
from dragoman.mt.errors import CorpusError

_COMET = """
import os, time, zlib
print("a banner on import")

class Thing:
    def __init__(self, **fields):
        self.__dict__.update(fields)

class Model:
    def __init__(self, path):
        with open(path) as file:
            self.kind = file.read().strip()
        with open(path + ".loads", "a") as file:
            file.write("x")
        self.hparams = Thing()
        self.encoder = Thing(max_positions=12, tokenizer=lambda texts: {"input_ids": [text.split(" ") for text in texts]})

    def requires_references(self):
        return self.kind == "reference"

    def predict(self, samples, batch_size, gpus, progress_bar):
        for sample in samples:
            act(sample["mt"])
        scores = [zlib.crc32(repr(sorted(sample.items())).encode("ascii", "backslashreplace")) / 2**32 for sample in samples]
        if any(sample["mt"] == "not a number" for sample in samples):
            scores[-1] = float("nan")
        prediction = {"scores": scores, "system_score": sum(scores) / len(scores)}
        if self.kind == "spans":
            mark = {"start": 0, "end": 1, "severity": "minor", "confidence": 0.5}
            prediction["metadata"] = {"error_spans": [[{"text": sample["mt"], **mark}] for sample in samples]}
        return prediction

def act(text):
    if text == "print":
        print('{"id": 1, "forged": true}')
        os.write(1, b"below Python\\n")
        os.system("echo from a child")
    elif text == "die":
        os.write(2, "last words: \\u00e4 \\U0001f480\\n".encode())
        os.kill(os.getpid(), 9)
    elif text == "exit":
        os._exit(3)
    elif text == "hang":
        time.sleep(60)
    elif text == "raise":
        raise RuntimeError("out of\\nluck")

def load_from_checkpoint(path):
    return Model(path)
"""
_TORCH = "__version__ = '0'\nclass cuda:\n    is_available = staticmethod(lambda: False)\n"


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stand-in") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", folder], check=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "comet").mkdir()
    (packages / "comet" / "__init__.py").write_text(_COMET, encoding="utf-8")
    (packages / "torch.py").write_text(_TORCH, encoding="utf-8")
    (packages / "unbabel_comet-0.dist-info").mkdir()
    (packages / "unbabel_comet-0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: unbabel-comet\nVersion: 0\n")
    return folder / "bin" / "python"


def make_model(folder: Path, kind: str) -> str:
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "model.ckpt").write_text(kind)
    (folder / "hparams.yaml").write_text("{}")
    return str(folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: make_model(folder / kind, kind) for kind in ("reference", "free", "spans")}


@pytest.fixture(scope="module")
def worker(python: Path) -> Iterator[CometWorker]:
    with CometWorker(python) as worker:
        yield worker


def expected(source: str, hypothesis: str) -> float:
    return zlib.crc32(repr([("mt", hypothesis), ("src", source)]).encode("ascii", "backslashreplace")) / 2**32


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.text(), st.text(max_size=3).map(lambda text: text + "!")), min_size=1, max_size=5))
def test_every_text_arrives_as_it_is_and_scores_come_back_in_order(
    worker: CometWorker, models: dict[str, str], pairs: list[tuple[str, str]]
) -> None:
    scores = worker.score(models["free"], [source for source, _ in pairs], [hypothesis for _, hypothesis in pairs], None)
    assert list(scores.segments) == [expected(*pair) for pair in pairs]
    assert scores.system == pytest.approx(sum(scores.segments) / len(pairs))


@pytest.mark.parametrize("text", ["\ud800 alone", "a\u2028b\x85c\x0cd\r\ne", "שלום \u202e🏴‍☠️", '{"id": 1}\n{"id": 2}', "\x00", ""])
def test_line_breaks_surrogates_and_braces_in_a_text_do_not_break_the_lines(worker: CometWorker, models: dict[str, str], text: str) -> None:
    assert worker.score(models["free"], [text], ["x"], None).segments == (expected(text, "x"),)


def test_more_text_than_a_pipe_holds_goes_through(worker: CometWorker, models: dict[str, str]) -> None:
    scores = worker.score(models["free"], ["ü" * 1000] * 500, ["x"] * 500, None)
    assert scores.segments == (expected("ü" * 1000, "x"),) * 500


def test_what_libraries_print_never_reaches_the_answers(worker: CometWorker, models: dict[str, str]) -> None:
    assert worker.score(models["free"], ["a"], ["print"], None).segments == (expected("a", "print"),)
    assert worker.score(models["free"], ["a"], ["b"], None).segments == (expected("a", "b"),)


def test_a_model_is_loaded_once_for_all_calls(worker: CometWorker, models: dict[str, str]) -> None:
    for _ in range(3):
        worker.score(models["spans"], ["a"], ["b"], None)
    assert (Path(models["spans"]) / "checkpoints" / "model.ckpt.loads").read_text() == "x"


def test_spans_come_back_a_list_a_segment_and_cut_segments_are_numbered(worker: CometWorker, models: dict[str, str]) -> None:
    scores = worker.score(models["spans"], ["a", "b", "c"], ["x", "y " * 10, "z"], ["r", "s", "t " * 11])
    assert [[span["text"] for span in spans] for spans in scores.spans] == [["x"], ["y " * 10], ["z"]]
    assert scores.truncated == (1, 2)  # 11 and 12 tokens; 10 fit
    assert scores.signature.endswith("|Comet0|fp32|spans|r0")  # references were given, and the model reads none


def test_a_model_that_compares_with_references_says_so_when_there_are_none(worker: CometWorker, models: dict[str, str]) -> None:
    with pytest.raises(MetricUnavailable, match="compares with references, and none were given"):
        worker.score(models["reference"], ["a"], ["b"], None)
    scores = worker.score(models["reference"], ["a"], ["b"], ["c"])
    assert (scores.spans, scores.references) == ((), 1)
    assert scores.signature.endswith("|reference|r1")


def test_a_score_that_is_no_number_is_an_error_with_its_segment(worker: CometWorker, models: dict[str, str]) -> None:
    with pytest.raises(MetricUnavailable, match="no number for 1 of 2 segments, first for segment 2"):
        worker.score(models["free"], ["a", "b"], ["x", "not a number"], None)


def test_an_exception_in_comet_is_one_line_and_the_worker_lives_on(worker: CometWorker, models: dict[str, str]) -> None:
    with pytest.raises(MetricUnavailable, match="RuntimeError: out of luck"):
        worker.score(models["free"], ["a"], ["raise"], None)
    assert len(worker.score(models["free"], ["a"], ["b"], None).segments) == 1


def test_a_killed_worker_is_reported_with_its_last_words_and_the_next_call_starts_another(python: Path, models: dict[str, str]) -> None:
    with CometWorker(python) as worker:
        with pytest.raises(MetricUnavailable, match="SIGKILL") as caught:
            worker.score(models["free"], ["a"], ["die"], None)
        assert "last words: ä 💀" in caught.value.problem and "memory" in str(caught.value.hint)
        assert worker.score(models["free"], ["a"], ["b"], None).segments == (expected("a", "b"),)
        with pytest.raises(MetricUnavailable, match="ended with status 3"):
            worker.score(models["free"], ["a"], ["exit"], None)
        assert worker.score(models["free"], ["a"], ["b"], None).segments == (expected("a", "b"),)


def test_a_worker_killed_between_two_calls_is_started_again(python: Path, models: dict[str, str]) -> None:
    with CometWorker(python) as worker:
        worker.score(models["free"], ["a"], ["b"], None)
        assert worker._process is not None
        process = worker._process._popen
        process.kill()
        process.wait()
        assert worker.score(models["free"], ["a"], ["b"], None).segments == (expected("a", "b"),)


def test_a_worker_that_hangs_is_stopped_after_the_timeout(python: Path, models: dict[str, str]) -> None:
    with CometWorker(python) as worker:
        worker.score(models["free"], ["a"], ["b"], None)
        worker._timeout = 0.3
        with pytest.raises(MetricUnavailable, match=r"no answer in 0\.3 seconds"):
            worker.score(models["free"], ["a"], ["hang"], None)
        worker._timeout = 60
        assert worker.score(models["free"], ["a"], ["b"], None).segments == (expected("a", "b"),)


def test_an_interrupted_question_is_not_answered_to_the_next_one(python: Path, models: dict[str, str]) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with CometWorker(python) as worker:
        worker.score(models["free"], ["a"], ["b"], None)
        previous = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            with pytest.raises(KeyboardInterrupt):
                worker.score(models["free"], ["a"], ["hang"], None)
        finally:
            signal.signal(signal.SIGALRM, previous)
        assert worker.score(models["free"], ["c"], ["d"], None).segments == (expected("c", "d"),)


def test_leaving_the_block_ends_the_process(python: Path, models: dict[str, str]) -> None:
    with CometWorker(python) as worker:
        worker.score(models["free"], ["a"], ["b"], None)
        assert worker._process is not None
        process = worker._process._popen
    assert process.returncode == 0


def test_an_environment_without_comet_says_what_is_missing_and_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path))
    with CometWorker() as worker, pytest.raises(MetricUnavailable, match="not installed") as caught:
        worker.score("m", ["a"], ["b"], None)
    assert caught.value.hint == "dragoman evaluate --install-comet"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", tmp_path / "comet"], check=True)
    with CometWorker() as worker, pytest.raises(MetricUnavailable, match="No module named 'comet'"):
        worker.score("m", ["a"], ["b"], None)
    with CometWorker(tmp_path / "no-such-python") as worker, pytest.raises(MetricUnavailable, match="does not start: No such file"):
        worker.score("m", ["a"], ["b"], None)


def test_sides_of_different_lengths_or_none_are_refused_before_anything_starts() -> None:
    with CometWorker(Path("/no/such/python")) as worker:
        with pytest.raises(CorpusError, match="2 source lines, 1 hypothesis lines, 3 reference lines"):
            worker.score("m", ["a", "b"], ["x"], ["r", "s", "t"])
        with pytest.raises(CorpusError, match="no segments"):
            worker.score("m", [], [], None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no/such/folder", "neither a folder, a checkpoint nor a name on the Hub"),
        ("wmt20-comet-da", "neither a folder"),
        ("empty", r"no checkpoints/\*\.ckpt"),
        ("two", r"2 checkpoints/\*\.ckpt"),
        ("bare", "no hparams.yaml"),
    ],
)
def test_what_is_not_a_model_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    for folder, checkpoints in (("two", ["a.ckpt", "b.ckpt"]), ("bare", ["model.ckpt"])):
        (tmp_path / folder / "checkpoints").mkdir(parents=True)
        for checkpoint in checkpoints:
            (tmp_path / folder / "checkpoints" / checkpoint).touch()
    with pytest.raises(comet_worker.RequestError, match=message):
        comet_worker.find_checkpoint(name)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"not json\n", "not a line of JSON"),
        (b"\xff\xfe\n", "not a line of JSON"),
        (b"\n", "not a line of JSON"),
        (b"[1]\n", "not a JSON object"),
        (b'{"id": 7}\n', "`samples` must be a list"),
        (b'{"id": 7, "samples": []}\n', "at least one sample"),
        (b'{"id": 7, "samples": [{"mt": 1, "src": ""}]}\n', "sample 1 is not an object of strings"),
        (b'{"id": 7, "samples": [{"mt": "a", "src": "b"}, {"mt": "a"}]}\n', "sample 2 has mt"),
        (b'{"id": 7, "samples": [{"mt": "a", "src": "b", "sys": "c"}]}\n', "sample 1 has mt, src, sys"),
        (b'{"id": 7, "samples": [{"mt": "a", "src": "b"}]}\n', "`model` must be"),
        (b'{"id": 7, "model": "m", "batch_size": 0, "samples": [{"mt": "a", "src": "b"}]}\n', "`batch_size` must be 1 or more"),
        (b'{"id": 7, "model": "m", "gpus": 2, "samples": [{"mt": "a", "src": "b"}]}\n', "`gpus` must be 0, 1 or null"),
        (b"[" * 100_000 + b"\n", "Recursion"),
    ],
)
def test_a_malformed_request_gets_an_error_with_its_number_and_not_a_dead_worker(line: bytes, message: str) -> None:
    answer = comet_worker.Scorer(load=lambda name: pytest.fail(f"{name} was loaded")).answer(line)
    assert message in answer["error"] and answer["id"] == (7 if b"7" in line else None)


def test_the_script_speaks_json_lines_and_leaves_at_the_end_of_input(python: Path, models: dict[str, str]) -> None:
    request = {"id": 1, "model": models["free"], "gpus": 0, "samples": [{"mt": "print", "src": "é"}]}
    said = subprocess.run(
        [python, "-I", comet_worker.__file__], input=b"garbage\n" + json.dumps(request).encode() + b"\n", capture_output=True, timeout=60
    )
    hello, refused, answered = [json.loads(line) for line in said.stdout.splitlines()]
    assert (hello["ready"], hello["comet"], hello["gpus"]) == (True, "0", 0)
    assert refused["id"] is None and "not a line of JSON" in refused["error"]
    assert answered == {
        "id": 1,
        "system": expected("é", "print"),
        "segments": [expected("é", "print")],
        "spans": [],
        "truncated": [],
        "references": 0,
    }
    for stray in (b"a banner on import", b"forged", b"below Python", b"from a child"):
        assert stray in said.stderr
    assert said.returncode == 0


def test_ctrl_c_at_the_terminal_is_left_to_the_other_end(python: Path, models: dict[str, str]) -> None:
    with CometWorker(python) as worker:
        worker.score(models["free"], ["a"], ["b"], None)
        process = worker._process
        assert process is not None
        os.kill(process._popen.pid, signal.SIGINT)
        time.sleep(0.1)
        assert worker.score(models["free"], ["a"], ["b"], None).segments == (expected("a", "b"),)
        assert worker._process is process  # the same one: it was not killed and replaced
