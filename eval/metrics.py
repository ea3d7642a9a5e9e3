"""Corpus scores that carry their recipe: sacrebleu's value and signature, and a bootstrap interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..mt.errors import ConfigError, CorpusError
from .bootstrap import Array, interval, resampled_sums
from .corpus_metrics import find_metric

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric as SacrebleuMetric

    from ..mt.languages import Language

DEFAULT_TOKENIZER = "13a"


@dataclass(frozen=True)
class Score:
    """One metric on one corpus.

    Attributes:
        name: the metric, e.g. `chrF++`.
        value: sacrebleu's corpus score.
        low, high: the percentile interval over segments.
        signature: sacrebleu's, which says how to compute the value again.
        samples, seed: of the bootstrap.
    """

    name: str
    value: float
    low: float
    high: float
    signature: str
    samples: int
    seed: int

    def to_json(self) -> dict[str, str | float | int]:
        """A plain mapping, for `metrics.jsonl` and model cards."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, object]) -> Score:
        """The inverse of `to_json`.

        Raises:
            KeyError, TypeError, ValueError: a field is missing or of another kind.
        """
        return cls(
            name=str(record["name"]),
            value=float(str(record["value"])),
            low=float(str(record["low"])),
            high=float(str(record["high"])),
            signature=str(record["signature"]),
            samples=int(str(record["samples"])),
            seed=int(str(record["seed"])),
        )

    def __str__(self) -> str:
        return f"{self.name} {self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


def score(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    metrics: Sequence[str] = ("chrF++", "BLEU"),
    target: Language | None = None,
    tokenizer: str | None = None,
    samples: int = 1000,
    seed: int = 12345,
    confidence: float = 0.95,
) -> list[Score]:
    """Score a corpus with every metric asked for, in that order.

    Args:
        hypotheses: one translation per segment.
        references: one list per reference stream, each as long as `hypotheses`.
        metrics: names out of `corpus_metrics.METRICS`.
        target: the target language; decides BLEU's tokenizer.
        tokenizer: BLEU's tokenizer by sacrebleu's name, instead of the language's.
        samples: resamples of the bootstrap (Koehn 2004).
        seed: of the bootstrap.
        confidence: share of the resamples inside the interval.

    Raises:
        ConfigError: unknown metric or tokenizer, a tokenizer whose package is missing, impossible bootstrap settings.
        CorpusError: no segments, or sides of different lengths.
    """
    _check_bootstrap(samples, confidence)
    _check_lengths(hypotheses, references)
    chosen = [find_metric(name) for name in metrics]
    built = check_metrics(metrics, target=target, tokenizer=tokenizer)
    if not built:
        return []
    statistics = [metric._extract_corpus_statistics(hypotheses, references) for metric in built]
    tables: list[Array] = [np.asarray(rows, dtype=np.float64) for rows in statistics]
    scores = []
    for metric, sacrebleu, rows, sums in zip(chosen, built, statistics, resampled_sums(tables, samples, seed), strict=True):
        low, high = interval(metric.from_sums(sums), confidence)
        value = float(sacrebleu._aggregate_and_compute(rows).score)
        scores.append(Score(metric.name, value, low, high, str(sacrebleu.get_signature()), samples, seed))
    return scores


def check_metrics(metrics: Sequence[str], *, target: Language | None = None, tokenizer: str | None = None) -> list[SacrebleuMetric]:
    """Build sacrebleu's metrics, so that a name or a tokenizer that cannot work is known before anything is translated.

    Raises:
        ConfigError: unknown metric or tokenizer, or a tokenizer whose package or model is missing.
    """
    name = tokenizer or (target.bleu_tokenizer if target else DEFAULT_TOKENIZER)
    return [find_metric(metric).build(name) for metric in metrics]


def _check_bootstrap(samples: int, confidence: float) -> None:
    if samples < 1:
        raise ConfigError(f"a bootstrap of {samples} samples has no interval", allowed="1 or more; 1000 is usual")
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence {confidence} is not a share", allowed="between 0 and 1, e.g. 0.95")


def _check_lengths(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    if not references:
        raise CorpusError("there is no reference to score against", allowed="one list of lines per reference stream")
    if any(isinstance(stream, str) for stream in references):
        raise CorpusError("the references are one flat list of lines", allowed="one list of lines per reference stream, e.g. [lines]")
    for number, stream in enumerate(references, 1):
        if len(stream) != len(hypotheses):
            raise CorpusError(
                f"{len(hypotheses)} hypothesis lines but {len(stream)} lines in reference {number}",
                allowed="files aligned line by line",
                hint="look for blank lines dropped from, or line breaks inside, one of the two",
            )
    if not hypotheses:
        raise CorpusError("there are no segments to score")
