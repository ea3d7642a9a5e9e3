"""One metric over one system, whatever computes it: a score, a signature, statistics to resample, and scores of the segments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..mt.errors import ConfigError, DragomanError
from .bootstrap import Array
from .corpus_metrics import MetricUnavailable, find_metric
from .metrics import CorpusScorer, Statistics, check_metrics
from .records import SystemOutput, TestSet
from .significance import segment_mean

if TYPE_CHECKING:
    from pathlib import Path

    from ..mt.languages import Language
    from .comet import CometScores

_SHOWN = 5


@dataclass(frozen=True)
class Measure:
    """One metric over one system.

    Attributes:
        name: the metric's.
        value: corpus score.
        signature: how to compute it again.
        table: (segments, k) statistics whose sums give the score.
        from_sums: (n, k) sums -> (n,) scores.
        segments: (segments,) scores.
        spans: error spans a segment, for a metric that marks them.
    """

    name: str
    value: float
    signature: str
    table: Array
    from_sums: Callable[[Array], Array]
    segments: tuple[float, ...]
    spans: tuple[tuple[Mapping[str, Any], ...], ...] = ()


@dataclass
class Remarks:
    """Warnings in the order they came up, each once."""

    lines: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        """Note it unless it is there already."""
        if line not in self.lines:
            self.lines.append(line)


class NeuralScorer(Protocol):
    """What scores with a COMET model: `comet.CometWorker`, or another with the same method."""

    def score(self, model: str, sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str] | None, /) -> CometScores:
        """One system's scores."""
        ...


def usable_metrics(
    metrics: Sequence[str], target: Language | None, tokenizer: str | None, spm_model: Path | None, remarks: Remarks
) -> list[str]:
    """The metrics that can be computed here; those that want a package or a model are left out with a remark.

    Raises:
        ConfigError: an unknown metric or tokenizer, or nothing left.
    """
    found = []
    missing: ConfigError | None = None
    for name in dict.fromkeys(find_metric(name).name for name in metrics):
        try:
            check_metrics([name], target=target, tokenizer=tokenizer, spm_model=spm_model)
            found.append(name)
        except MetricUnavailable as error:
            missing = error
            remarks.add(f"{name} is left out: {error.problem}" + (f" ({error.hint})" if error.hint else ""))
    if missing and not found:
        raise missing
    return found


def corpus_measures(scorer: CorpusScorer, system: SystemOutput, remarks: Remarks) -> list[Measure]:
    """Every corpus metric of one system; one that gives no number is left out with a remark."""
    statistics = scorer.statistics(system.hypotheses)
    for one in statistics:
        if one.metric.name in ("BLEU", "spBLEU") and one.table[:, 0].any() and not one.table[:, -1].any():
            remarks.add(f"{one.metric.name} counts sequences of 4 words and no line of {system.name} has so many: its 0 says nothing")
    found = [_of_statistics(one) for one in statistics]
    return [one for one in found if _is_number(one.name, [one.value, *one.segments], system, remarks)]


def _of_statistics(one: Statistics) -> Measure:
    return Measure(one.metric.name, one.value, one.signature, one.table, one.metric.from_sums, tuple(one.segments.tolist()))


def comet_measures(
    worker: NeuralScorer, models: Sequence[str], test_set: TestSet, systems: Sequence[SystemOutput], remarks: Remarks
) -> list[list[Measure]]:
    """Every COMET model over every system, by system. What fails becomes a remark, and the other metrics stand."""
    found: list[list[Measure]] = [[] for _ in systems]
    if test_set.sources is None:
        remarks.add("COMET is left out: it reads the source, and none was given (--source FILE)")
        return found
    for model in models:
        failed: dict[str, list[str]] = {}
        for measures, system in zip(found, systems, strict=True):
            try:
                scores = _with_every_reference(worker, model, test_set, system)
            except DragomanError as error:
                failed.setdefault(error.problem + (f" ({error.hint})" if error.hint else ""), []).append(system.name)
                continue
            if len(scores.segments) != len(test_set):
                remarks.add(f"{model} is left out for {system.name}: {len(scores.segments)} scores for {len(test_set)} segments")
            elif _is_number(model, scores.segments, system, remarks):
                paired = segment_mean(model, [scores.segments])
                value = float(np.mean(scores.segments))
                if scores.references > 1:
                    remarks.add(f"{model} reads one reference at a time: its scores are means over the {scores.references} of each segment")
                measures.append(Measure(model, value, scores.signature, paired.tables[0], paired.from_sums, scores.segments, scores.spans))
                if scores.truncated:
                    remarks.add(f"{model} saw only the beginning of {len(scores.truncated):,} segments of {system.name}: too long for it")
        for cause, names in failed.items():
            remarks.add(f"{model} is left out for {', '.join(names)}: {cause}")
    return found


def _with_every_reference(worker: NeuralScorer, model: str, test_set: TestSet, system: SystemOutput) -> CometScores:
    """A model's scores, the mean over all references where it reads any."""
    from .comet import mean_over_references

    assert test_set.sources is not None
    found: list[CometScores] = []
    for references in test_set.references:
        found.append(worker.score(model, test_set.sources, system.hypotheses, references))
        if not found[0].references:
            break
    return mean_over_references(found)


def _is_number(name: str, scores: Sequence[float], system: SystemOutput, remarks: Remarks) -> bool:
    """Whether all scores are numbers; a NaN or an infinity is counted, placed, and costs the metric."""
    wrong = np.flatnonzero(~np.isfinite(np.asarray(scores, dtype=np.float64)))
    if not len(wrong):
        return True
    offset = len(scores) - len(system.hypotheses)  # the corpus score, where there is one, stands before the segments'
    places = ", ".join("the corpus" if at < offset else f"line {at - offset + 1}" for at in wrong[:_SHOWN].tolist())
    remarks.add(f"{name} is left out for {system.name}: {len(wrong):,} of its scores are not numbers ({places})")
    return False
