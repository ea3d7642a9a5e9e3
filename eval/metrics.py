"""Corpus scores that carry their recipe: sacrebleu's value and signature, and a bootstrap interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..mt.errors import ConfigError, CorpusError
from .bootstrap import Array, interval, resampled_sums
from .corpus_metrics import CorpusMetric, Tokenization, find_metric

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
    check_bootstrap(samples, confidence)
    _check_lengths(hypotheses, references)
    scorer = CorpusScorer(references, metrics=metrics, target=target, tokenizer=tokenizer)
    measured = scorer.statistics(hypotheses)
    if not measured:
        return []
    scores = []
    for one, sums in zip(measured, resampled_sums([one.table for one in measured], samples, seed), strict=True):
        low, high = interval(one.metric.from_sums(sums), confidence)
        scores.append(Score(one.metric.name, one.value, low, high, one.signature, samples, seed))
    return scores


@dataclass(frozen=True)
class Statistics:
    """One metric over one system's output.

    Attributes:
        metric: which.
        value: sacrebleu's corpus score.
        signature: sacrebleu's.
        table: (segments, k) sufficient statistics; the corpus score is a function of their sums.
    """

    metric: CorpusMetric
    value: float
    signature: str
    table: Array

    @property
    def segments(self) -> Array:
        """(segments,) sentence-level scores."""
        return self.metric.of_segments(self.table)


class CorpusScorer:
    """Metrics over one set of references, whose side is worked out once for any number of systems.

    Args:
        references: one list per reference stream.
        metrics, target, tokenizer, spm_model: as in `check_metrics`.

    Raises:
        ConfigError: unknown metric or tokenizer, or a tokenizer whose package or model is missing.
        CorpusError: no references, or streams of different lengths.
    """

    def __init__(
        self,
        references: Sequence[Sequence[str]],
        *,
        metrics: Sequence[str],
        target: Language | None = None,
        tokenizer: str | None = None,
        spm_model: Path | None = None,
    ) -> None:
        _check_references(references)
        self._references = references
        self._chosen = [find_metric(name) for name in metrics]
        self._built = check_metrics(metrics, target=target, tokenizer=tokenizer, spm_model=spm_model)
        self._readers = [metric.reader(built, references) for metric, built in zip(self._chosen, self._built, strict=True)]

    def statistics(self, hypotheses: Sequence[str]) -> list[Statistics]:
        """Every metric of one system, in the order asked for.

        Raises:
            CorpusError: more or fewer hypotheses than references, or none.
        """
        _check_lengths(hypotheses, self._references)
        found = []
        for metric, sacrebleu, reader in zip(self._chosen, self._built, self._readers, strict=True):
            table = reader.table(hypotheses)
            value = float(sacrebleu._compute_score_from_stats(table.sum(axis=0).tolist()).score)
            found.append(Statistics(metric, value, str(sacrebleu.get_signature()), table))
        return found


def check_metrics(
    metrics: Sequence[str], *, target: Language | None = None, tokenizer: str | None = None, spm_model: Path | None = None
) -> list[SacrebleuMetric]:
    """Build sacrebleu's metrics, so that a name or a tokenizer that cannot work is known before anything is translated.

    Args:
        metrics: names out of `corpus_metrics.METRICS`.
        target: the target language; decides BLEU's tokenizer.
        tokenizer: BLEU's tokenizer by sacrebleu's name, instead of the language's.
        spm_model: spBLEU's SentencePiece model, instead of the one in the cache or in sacrebleu's folder.

    Raises:
        ConfigError: unknown metric or tokenizer, or a tokenizer whose package or model is missing.
    """
    tokenization = Tokenization(tokenizer or (target.bleu_tokenizer if target else DEFAULT_TOKENIZER), spm_model)
    return [find_metric(metric).build(tokenization) for metric in metrics]


def check_bootstrap(samples: int, confidence: float) -> None:
    """Refuse settings that give no interval.

    Raises:
        ConfigError: fewer than one sample, or a confidence that is not a share.
    """
    if samples < 1:
        raise ConfigError(f"a bootstrap of {samples} samples has no interval", allowed="1 or more; 1000 is usual")
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence {confidence} is not a share", allowed="between 0 and 1, e.g. 0.95")


def _check_references(references: Sequence[Sequence[str]]) -> None:
    if not references:
        raise CorpusError("there is no reference to score against", allowed="one list of lines per reference stream")
    if any(isinstance(stream, str) for stream in references):
        raise CorpusError("the references are one flat list of lines", allowed="one list of lines per reference stream, e.g. [lines]")
    for number, stream in enumerate(references[1:], 2):
        if len(stream) != len(references[0]):
            raise CorpusError(
                f"{len(references[0])} lines in reference 1 but {len(stream)} in reference {number}", allowed="files aligned line by line"
            )


def _check_lengths(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    for number, stream in enumerate(references, 1):
        if len(stream) != len(hypotheses):
            raise CorpusError(
                f"{len(hypotheses)} hypothesis lines but {len(stream)} lines in reference {number}",
                allowed="files aligned line by line",
                hint="look for blank lines dropped from, or line breaks inside, one of the two",
            )
    if not hypotheses:
        raise CorpusError("there are no segments to score")
