"""COMET, CometKiwi and xCOMET (Rei et al. 2020, 2022; Guerreiro et al. 2023), scored by a worker process in an environment of its own.

`comet_install.py` builds the environment; `comet_process.py` holds this end of the pipe, `comet_worker.py` is the other.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..mt.errors import CorpusError
from ..mt.languages import Language
from .comet_install import INSTALL_COMMAND, comet_folder, comet_python
from .comet_process import WorkerProcess
from .corpus_metrics import MetricUnavailable

__all__ = ["DEFAULT_MODEL", "CometScores", "CometWorker", "MetricUnavailable", "covers", "mean_over_references"]

DEFAULT_MODEL = "Unbabel/wmt22-comet-da"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CometScores:
    """One system's scores by one model.

    Attributes:
        system: the mean of `segments`.
        segments: (N,) scores, about 0 to 1 for models of 2022 and later.
        spans: (N,) the errors xCOMET marks in each hypothesis, as {text, start, end, severity, confidence}; empty for other models.
        truncated: segments (from 0) of which the encoder saw only the beginning.
        signature: everything needed to compute the scores again.
        references: how many were read for each segment; 0 by a model that reads none.
    """

    system: float
    segments: tuple[float, ...]
    spans: tuple[tuple[Mapping[str, Any], ...], ...]
    truncated: tuple[int, ...]
    signature: str
    references: int


def mean_over_references(scores: Sequence[CometScores]) -> CometScores:
    """One system's scores with several references, a model run each: the mean of each segment's scores, as COMET's authors advise.

    Error spans are those found with the first reference.
    """
    first = scores[0]
    if len(scores) == 1:
        return first
    segments = tuple(sum(of_segment) / len(scores) for of_segment in zip(*(one.segments for one in scores), strict=False))
    return replace(
        first,
        system=sum(segments) / len(segments),
        segments=segments,
        truncated=tuple(sorted({at for one in scores for at in one.truncated})),
        signature=f"{first.signature.removesuffix('|r1')}|r{len(scores)}:mean",
        references=len(scores),
    )


@cache
def _seen() -> frozenset[str]:
    rows = files(__package__).joinpath("comet_languages.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return frozenset(code for row in rows for code in row.split("\t")[1].split("|"))


def covers(language: Language) -> bool:
    """Whether XLM-R, which COMET's models are built on, was trained on the language in this script (its 100 of Conneau et al. 2020).

    Of a language it never saw COMET still gives a number, but nobody knows what the number means: put chrF++ first and say so.
    """
    return f"{language.iso639_3}_{language.script}" in _seen()


class CometWorker:
    """COMET's process: started by the first call, and again after it died. Use it with `with`; one call at a time.

    Args:
        python: of an environment with unbabel-comet, instead of the one `install_comet` builds.
        gpus: 0 or 1; None for one if there is one.
        timeout: seconds for one call, loading (and at first use fetching) the model included; then the process is stopped.
        start_timeout: seconds for the process to come up.
    """

    def __init__(
        self, python: Path | None = None, *, gpus: int | None = None, timeout: float = 4 * 3600.0, start_timeout: float = 300.0
    ) -> None:
        self._python = python
        self._gpus = gpus
        self._timeout = timeout
        self._start_timeout = start_timeout
        self._process: WorkerProcess | None = None
        self._calls = 0
        self._used: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the process; a later call starts another."""
        process, self._process = self._process, None
        self._used.clear()
        if process is not None:
            process.close()

    def score(
        self, model: str, sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str] | None, *, batch_size: int = 16
    ) -> CometScores:
        """Score one system.

        Args:
            model: a name on the Hub (`DEFAULT_MODEL` is the usual one), a folder in COMET's layout or a checkpoint in one.
            sources, hypotheses, references: (N,) segments each; None for models that work without references.
            batch_size: segments at a time. It changes scores by rounding alone (about 1e-6).

        Raises:
            CorpusError: no segments, or sides of different lengths.
            MetricUnavailable: COMET is not installed, the model cannot be had or loaded, the process died (of memory, most often) or took
                too long, or a score is not a number.
        """
        samples = _samples(sources, hypotheses, references)
        if Path(model).expanduser().exists():
            model = str(Path(model).expanduser().absolute())
        process = self._running()
        if model not in self._used:
            _log.info("COMET: loading %s", model)
        self._calls += 1
        request = {"id": self._calls, "model": model, "gpus": self._gpus, "batch_size": batch_size, "samples": samples}
        answer = process.ask(request, self._timeout)
        if answer.get("id") != self._calls:
            self.close()
            raise MetricUnavailable(f"COMET's worker answered out of turn: {str(answer)[:200]}", hint="run it again")
        if "error" in answer:
            raise MetricUnavailable(f"COMET could not score with {model}: {answer['error']}")
        self._used.add(model)
        return _scores(answer, f"{process.signature}|{Path(model).name if Path(model).exists() else model}|r{answer['references']}")

    def _running(self) -> WorkerProcess:
        if self._process is not None and self._process.alive:
            return self._process
        self.close()
        python = self._python or comet_python()
        if python is None:
            raise MetricUnavailable(f"COMET is not installed in {comet_folder()}", hint=INSTALL_COMMAND)
        self._process = WorkerProcess(python, self._start_timeout)
        return self._process


def _samples(sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str] | None) -> list[dict[str, str]]:
    columns = {"src": sources, "mt": hypotheses, **({"ref": references} if references is not None else {})}
    names = {"src": "source", "mt": "hypothesis", "ref": "reference"}
    if len({len(column) for column in columns.values()}) > 1:
        counts = ", ".join(f"{len(column)} {names[key]} lines" for key, column in columns.items())
        raise CorpusError(f"COMET compares line by line, but there are {counts}", allowed="files aligned line by line")
    if not hypotheses:
        raise CorpusError("there are no segments to score")
    return [dict(zip(columns, texts, strict=True)) for texts in zip(*columns.values(), strict=True)]


def _scores(answer: Mapping[str, Any], signature: str) -> CometScores:
    return CometScores(
        system=answer["system"],
        segments=tuple(answer["segments"]),
        spans=tuple(tuple(of_segment) for of_segment in answer["spans"]),
        truncated=tuple(answer["truncated"]),
        signature=signature,
        references=answer["references"],
    )
