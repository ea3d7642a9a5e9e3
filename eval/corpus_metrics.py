"""The registry of corpus metrics: how sacrebleu builds each, and its formula over many sums of statistics at once.

The formulas do for all resamples of a bootstrap what sacrebleu's `_compute_score_from_stats` does for one row of sums; the tests hold
the two equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..mt.errors import ConfigError, nearest
from .bootstrap import Array
from .statistics_readers import BleuReader, ChrfReader, SegmentReader, StatisticsReader

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric as SacrebleuMetric

_BLEU_ORDER = 4
_CHRF_BETA = 2
_EXTRAS = {"ja-mecab": "ja", "ko-mecab": "ko"}  # tokenizer -> the extra of sacrebleu that brings its dictionary


class MetricUnavailable(ConfigError):  # noqa: N818 - named for what a reader of the results must know
    """A metric that cannot be computed here for want of a package or a model file; the others can."""


@dataclass(frozen=True)
class Tokenization:
    """How words are found: the name of BLEU's tokenizer, and a SentencePiece model file for spBLEU (None: the one at hand)."""

    bleu: str
    pieces: Path | None = None


@dataclass(frozen=True)
class CorpusMetric:
    """One metric.

    Attributes:
        name: as users write it.
        build: makes sacrebleu's metric; only BLEU and spBLEU read the tokenization.
        reader: what `build` made and a list of lines per reference stream -> what reads statistics off hypotheses.
        from_sums: (samples, k) sums of sacrebleu's statistics -> (samples,) scores.
        of_segments: (segments, k) statistics -> (segments,) sentence-level scores, as sacrebleu's `sentence_score` gives them.
        higher_is_better: false for error rates.
    """

    name: str
    build: Callable[[Tokenization], SacrebleuMetric]
    reader: Callable[[Any, Sequence[Sequence[str]]], StatisticsReader]
    from_sums: Callable[[Array], Array]
    of_segments: Callable[[Array], Array]
    higher_is_better: bool = True


def _divide(numerator: Array, denominator: Array) -> Array:
    """Elementwise, 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _bleu_from_sums(sums: Array, *, effective_order: bool = False) -> Array:
    """BLEU-4 (Papineni et al. 2002) with `exp` smoothing. Columns: hypothesis length, reference length, 4 matches, 4 totals.

    With the effective order, only the orders that the hypothesis is long enough for are averaged, which sentences need.
    """
    hypothesis, reference = sums[:, 0], sums[:, 1]
    matches, totals = sums[:, 2 : 2 + _BLEU_ORDER], sums[:, 2 + _BLEU_ORDER :]
    # NIST smoothing: the k-th order without a match counts as half, a quarter, ... of a match.
    smoothed = np.where(matches > 0, matches, 0.5 ** np.cumsum(matches == 0, axis=1))
    precisions = _divide(smoothed, totals)
    counted = totals > 0 if effective_order else np.ones_like(totals, dtype=bool)
    with np.errstate(divide="ignore"):
        logarithms = np.where(counted, np.log(precisions), 0.0)
    geometric_mean = np.exp(logarithms.sum(axis=1) / np.maximum(counted.sum(axis=1), 1))
    penalty = np.where(hypothesis > 0, np.exp(np.minimum(0.0, 1.0 - reference / np.maximum(hypothesis, 1.0))), 0.0)
    return 100.0 * np.where(matches.any(axis=1), penalty * geometric_mean, 0.0)


def _chrf_from_sums(sums: Array) -> Array:
    """chrF and chrF++ (Popović 2015, 2017): F2 of averaged precision and recall. Columns: hypothesis, reference, matches of each order."""
    hypothesis, reference, matches = np.moveaxis(sums.reshape(len(sums), -1, 3), 2, 0)
    present = (hypothesis > 0) & (reference > 0)  # sacrebleu's effective order: only orders both sides are long enough for
    orders = np.maximum(present.sum(axis=1), 1)
    precision = (_divide(matches, hypothesis) * present).sum(axis=1) / orders
    recall = (_divide(matches, reference) * present).sum(axis=1) / orders
    factor = float(_CHRF_BETA**2)
    return 100.0 * _divide((1 + factor) * precision * recall, factor * precision + recall)


def _ter_from_sums(sums: Array) -> Array:
    """TER (Snover et al. 2006). Columns: edits, average reference length. Edits against empty references count as 100."""
    edits, length = sums[:, 0], sums[:, 1]
    return 100.0 * np.where(length > 0, _divide(edits, length), (edits > 0).astype(np.float64))


def _sentence_bleu(rows: Array) -> Array:
    return _bleu_from_sums(rows, effective_order=True)


def _build_bleu(tokenization: Tokenization) -> SacrebleuMetric:
    from sacrebleu.metrics.bleu import BLEU

    tokenizer = tokenization.bleu
    if tokenizer not in BLEU.TOKENIZERS:
        raise ConfigError(f"unknown BLEU tokenizer {tokenizer!r}", allowed=nearest(tokenizer, BLEU.TOKENIZERS))
    try:
        return BLEU(tokenize=tokenizer)
    except (RuntimeError, ImportError) as error:
        extra = _EXTRAS.get(tokenizer)
        package = f"'sacrebleu[{extra}]'" if extra else "sentencepiece"
        raise MetricUnavailable(
            f"the BLEU tokenizer {tokenizer!r} needs a package that is not installed", hint=f"pip install {package}"
        ) from error
    except OSError as error:
        raise MetricUnavailable(
            f"the model of the BLEU tokenizer {tokenizer!r} could not be fetched: {error}",
            hint="run once with network access (SACREBLEU names the cache folder), or choose another tokenizer, e.g. '13a' or 'char'",
        ) from error


def _build_spbleu(tokenization: Tokenization) -> SacrebleuMetric:
    from .spm import cached_model, local_bleu

    model = tokenization.pieces or cached_model()
    if model is not None:
        return local_bleu(model)
    try:
        return _build_bleu(Tokenization("flores200"))
    except MetricUnavailable as error:
        raise MetricUnavailable(
            error.problem.replace("the BLEU tokenizer 'flores200'", "spBLEU's tokenizer"),
            allowed="the SentencePiece model of FLORES-200, kept locally",
            hint="--spm-model FILE, or put it into the cache as spm/flores200.model (dragoman doctor names the cache folder)",
        ) from error


def _build_chrf(word_order: int) -> Callable[[Tokenization], SacrebleuMetric]:
    def build(_tokenization: Tokenization) -> SacrebleuMetric:
        from sacrebleu.metrics.chrf import CHRF

        return CHRF(word_order=word_order, beta=_CHRF_BETA)

    return build


def _build_ter(_tokenization: Tokenization) -> SacrebleuMetric:
    from sacrebleu.metrics.ter import TER

    return TER()


METRICS: dict[str, CorpusMetric] = {
    metric.name: metric
    for metric in (
        CorpusMetric("BLEU", _build_bleu, BleuReader, _bleu_from_sums, _sentence_bleu),
        CorpusMetric("spBLEU", _build_spbleu, BleuReader, _bleu_from_sums, _sentence_bleu),
        CorpusMetric("chrF", _build_chrf(0), ChrfReader, _chrf_from_sums, _chrf_from_sums),
        CorpusMetric("chrF++", _build_chrf(2), ChrfReader, _chrf_from_sums, _chrf_from_sums),
        CorpusMetric("TER", _build_ter, SegmentReader, _ter_from_sums, _ter_from_sums, higher_is_better=False),
    )
}


def find_metric(name: str) -> CorpusMetric:
    """The metric of that name (case does not matter).

    Raises:
        ConfigError: nobody knows it; names the nearest ones.
    """
    by_spelling = {known.casefold(): metric for known, metric in METRICS.items()}
    found = by_spelling.get(name.casefold())
    if found is None:
        raise ConfigError(f"unknown metric {name!r}", allowed=nearest(name, METRICS))
    return found
