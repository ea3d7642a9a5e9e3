"""The real COMET, in its own environment (installed at first use: minutes, 1.6 GB), with tiny models that it trained and saved itself."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dragoman.eval.comet import CometScores, CometWorker, MetricUnavailable
from dragoman.eval.comet_install import install_comet
from dragoman.eval.measures import Remarks, comet_measures
from dragoman.eval.records import SystemOutput, TestSet
from dragoman.mt.errors import SourceError
from dragoman.mt.languages import find_language

pytestmark = pytest.mark.slow

_TRIPLES = [
    ("Guten Morgen, wie geht es Ihnen heute?", "Good morning, how are you today?", "Good morning, how are you doing today?"),
    ("Der schnelle braune Fuchs springt über den Hund.", "The fast brown fox jump over dog.", "The quick brown fox jumps over the dog."),
    ("Bonjour à tous, le train est en retard.", "Hello everyone, the train is late.", "Good day to all, the train is delayed."),
    ("Добрый день, как у вас дела?", "Good day, what are your affairs?", "Good afternoon, how are you?"),
    ("你好，世界。今天天气很好。", "Hello, world. The weather are nice.", "Hello, world. The weather is fine today."),
    ("مرحبا بالعالم، كيف حالك؟", "Hello world, how are you?", "Hello world, how are you?"),
    ("Habari za asubuhi, dunia.", "News of the morning, earth.", "Good morning, world."),
    ("Save 3 files to “Desktop”? 🙂", "Speichere 3 Dateien auf dem „Schreibtisch“? 🙂", "3 Dateien auf dem „Schreibtisch“ speichern? 🙂"),
]  # fmt: skip
_SAMPLES = [
    {"src": source, "mt": " ".join(hypothesis.split()[cut:]), "ref": reference}
    for cut in range(3)
    for source, hypothesis, reference in _TRIPLES
] + [{"src": "Nichts.", "mt": "", "ref": "Nothing."}, {"src": "Lang. " * 90, "mt": "Long. " * 90, "ref": "Long. " * 90}]
_LONG = len(_SAMPLES) - 1


@dataclass(frozen=True)
class Laboratory:
    """The folder of tiny models, and what unbabel-comet itself scored."""

    python: Path
    folder: Path
    direct: dict[str, Any]

    def score(self, worker: CometWorker, name: str, *, references: bool, batch_size: int = 8) -> CometScores:
        columns = {key: [sample[key] for sample in _SAMPLES] for key in ("src", "mt", "ref")}
        model = str(self.folder / name)
        return worker.score(model, columns["src"], columns["mt"], columns["ref"] if references else None, batch_size=batch_size)


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    try:
        python = install_comet(print)
    except SourceError as error:
        pytest.skip(f"COMET's environment is not there and cannot be built: {error}")
    folder = tmp_path_factory.mktemp("tiny-comet")
    (folder / "samples.json").write_text(json.dumps(_SAMPLES), encoding="utf-8")
    script = Path(__file__).with_name("tiny_comet.py")
    trained = subprocess.run([python, "-I", script, folder], capture_output=True, text=True, errors="replace", check=False)
    assert trained.returncode == 0, trained.stderr[-3000:]
    return Laboratory(python, folder, json.loads((folder / "direct.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def worker(laboratory: Laboratory) -> Iterator[CometWorker]:
    with CometWorker(laboratory.python, gpus=0) as worker:
        yield worker


@pytest.mark.parametrize(
    ("name", "references", "direct"),
    [
        ("regression", True, "regression"),
        ("referenceless", False, "referenceless"),
        ("xcomet", True, "xcomet"),
        ("xcomet", False, "xcomet-free"),
    ],
)
def test_scores_are_those_of_unbabel_comet_itself(
    laboratory: Laboratory, worker: CometWorker, name: str, references: bool, direct: str
) -> None:
    scores = laboratory.score(worker, name, references=references)
    assert list(scores.segments) == pytest.approx(laboratory.direct[direct]["segments"], abs=1e-6)
    assert scores.system == pytest.approx(laboratory.direct[direct]["system"], abs=1e-6)
    assert len({round(score, 4) for score in scores.segments}) > 5  # the model tells segments apart, so equality means something
    assert _LONG in scores.truncated and 0 not in scores.truncated
    assert scores.references == int(references)


def test_the_checkpoint_was_really_trained(laboratory: Laboratory) -> None:
    assert laboratory.direct["moved"] > 1e-4


@pytest.mark.parametrize(("name", "references"), [("regression", True), ("referenceless", False), ("xcomet", True)])
def test_a_batch_scores_as_its_segments_one_by_one(laboratory: Laboratory, worker: CometWorker, name: str, references: bool) -> None:
    together = laboratory.score(worker, name, references=references, batch_size=16)
    alone = laboratory.score(worker, name, references=references, batch_size=1)
    assert together.segments == pytest.approx(alone.segments, abs=1e-5)


def test_error_spans_come_through_as_xcomet_marks_them(laboratory: Laboratory, worker: CometWorker) -> None:
    scores = laboratory.score(worker, "xcomet", references=True)
    assert [list(spans) for spans in scores.spans] == laboratory.direct["xcomet"]["spans"]
    marked = [(sample["mt"], span) for sample, spans in zip(_SAMPLES, scores.spans, strict=True) for span in spans]
    assert marked and all(0 <= span["start"] < span["end"] <= len(text) for text, span in marked if text)
    assert {span["severity"] for _, span in marked} <= {"minor", "major", "critical"}


def test_with_two_references_scores_are_the_means_of_unbabel_comets_own(laboratory: Laboratory, worker: CometWorker) -> None:
    sources, hypotheses, references = ([sample[key] for sample in _SAMPLES] for key in ("src", "mt", "ref"))
    languages = (find_language("deu"), find_language("eng"))
    both = TestSet("two", *languages, tuple(sources), (tuple(references), tuple(sources)))
    model = str(laboratory.folder / "regression")
    remarks = Remarks()
    [[found]] = comet_measures(worker, [model], both, [SystemOutput("mine", tuple(hypotheses), "mine.txt")], remarks)
    other = worker.score(model, sources, hypotheses, sources).segments
    expected = [(one + two) / 2 for one, two in zip(laboratory.direct["regression"]["segments"], other, strict=True)]
    assert list(found.segments) == pytest.approx(expected, abs=1e-6)
    assert found.signature.endswith("|regression|r2:mean") and any("one reference at a time" in line for line in remarks.lines)
    alone = worker.score(str(laboratory.folder / "referenceless"), sources, hypotheses, references)
    assert alone.references == 0
    assert list(alone.segments) == pytest.approx(laboratory.direct["referenceless"]["segments"], abs=1e-6)


def test_a_model_trained_with_references_refuses_to_do_without(laboratory: Laboratory, worker: CometWorker) -> None:
    with pytest.raises(MetricUnavailable, match="compares with references"):
        laboratory.score(worker, "regression", references=False)


def test_one_segment_is_enough(laboratory: Laboratory, worker: CometWorker) -> None:
    sample = _SAMPLES[0]
    scores = worker.score(str(laboratory.folder / "regression"), [sample["src"]], [sample["mt"]], [sample["ref"]])
    assert scores.segments == (scores.system,) == pytest.approx((laboratory.direct["regression"]["segments"][0],), abs=1e-5)


class _Trap:
    """Touches a file when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_checkpoint_cannot_run_code(laboratory: Laboratory, worker: CometWorker, tmp_path: Path) -> None:
    import torch

    shutil.copytree(laboratory.folder / "regression", tmp_path / "model")
    checkpoint = next((tmp_path / "model" / "checkpoints").glob("*.ckpt"))
    torch.save({"state_dict": {}, "payload": _Trap(tmp_path / "sprung")}, checkpoint)
    with pytest.raises(MetricUnavailable, match="Weights only load failed"):
        worker.score(str(tmp_path / "model"), ["a"], ["b"], ["c"])
    assert not (tmp_path / "sprung").exists()
    pickle.loads(pickle.dumps(_Trap(tmp_path / "sprung")))
    assert (tmp_path / "sprung").exists()  # the trap does work


def test_offline_a_model_that_was_never_fetched_is_reported_and_another_scores_as_in_any_process(
    laboratory: Laboratory, worker: CometWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    online = laboratory.score(worker, "regression", references=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with CometWorker(laboratory.python, gpus=0) as other:
        with pytest.raises(MetricUnavailable, match="fetch the model once online"):
            other.score("Unbabel/wmt22-comet-da", ["a"], ["b"], ["c"])
        assert laboratory.score(other, "regression", references=True) == online
    assert online.signature.split("|")[1:] == ["Comet2.2.7", "fp32", "regression", "r1"]
