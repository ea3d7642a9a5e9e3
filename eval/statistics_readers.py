"""Sufficient statistics read off texts: (segments, k) tables whose sums give a corpus score, column for column those of sacrebleu.

Tokenisation stays sacrebleu's; counting is `ngram_statistics` for BLEU and chrF, and sacrebleu's own for TER.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .bootstrap import Array
from .ngram_statistics import Integers, ReferenceNgrams, closest_lengths, ngram_totals, segment_lengths

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

Lines = Sequence[str]


class StatisticsReader(Protocol):
    """One metric over one set of references, which are worked out once for any number of systems."""

    def table(self, hypotheses: Lines) -> Array:
        """(segments, k) statistics of a system's output, as many lines as the references have."""
        ...


class BleuReader:
    """BLEU: hypothesis length, closest reference length, clipped matches of each order, n-grams of each order."""

    def __init__(self, metric: BLEU, references: Sequence[Lines]) -> None:
        metric.num_refs = len(references)  # for the signature
        self._metric = metric
        self._references = ReferenceNgrams([self._words(stream) for stream in references], metric.max_ngram_order)

    def table(self, hypotheses: Lines) -> Array:
        """(segments, 2 + 2 * order)."""
        words = self._words(hypotheses)
        lengths = segment_lengths(words)
        closest = closest_lengths(lengths, self._references.lengths)
        matches = self._references.best_matches(words)
        totals = ngram_totals(lengths, self._metric.max_ngram_order)
        return np.column_stack([lengths, closest, matches, totals]).astype(np.float64)

    def _words(self, lines: Lines) -> list[list[str]]:
        return [self._metric._preprocess_segment(line).split() for line in lines]


class ChrfReader:
    """chrF and chrF++: n-grams of the hypothesis, of the reference, and matches, for each order of characters and then of words.

    Of several references each segment counts the one that it has the best score with, the first of equals.
    """

    def __init__(self, metric: CHRF, references: Sequence[Lines]) -> None:
        metric.num_refs = len(references)  # for the signature
        self._metric = metric
        self._characters = ReferenceNgrams([_characters(stream) for stream in references], metric.char_order)
        self._words = ReferenceNgrams([self._split(stream) for stream in references], metric.word_order) if metric.word_order else None

    def table(self, hypotheses: Lines) -> Array:
        """(segments, 3 * orders)."""
        streams = _match_statistics(self._characters, _characters(hypotheses), self._metric.char_order)
        if self._words is not None:
            words = _match_statistics(self._words, self._split(hypotheses), self._metric.word_order)
            streams = np.concatenate([streams, words], axis=2)
        best = np.stack([self._scores(stream) for stream in streams]).argmax(axis=0)
        chosen: Array = streams[best, np.arange(len(best))].reshape(len(best), -1).astype(np.float64)
        return chosen

    def _split(self, lines: Lines) -> list[list[str]]:
        return [self._metric._remove_punctuation(line) for line in lines]

    def _scores(self, stream: Integers) -> Array:
        """(segments,) F scores of (segments, orders, 3) statistics, by the same operations in the same order as sacrebleu's.

        Which of two references is nearer may hang on the last bit.
        """
        hypothesis, reference, matches = np.moveaxis(stream, 2, 0)
        present = (hypothesis > 0) & (reference > 0)
        orders = np.maximum(present.sum(axis=1), 1)
        precision, recall = (
            np.cumsum(np.where(present, matches / np.maximum(count, 1), 0.0), axis=1)[:, -1] / orders for count in (hypothesis, reference)
        )
        factor = self._metric.beta**2
        denominator = factor * precision + recall
        scores: Array = (1 + factor) * precision * recall / np.where(denominator > 0, denominator, 1.0)
        return scores


class SegmentReader:
    """Any metric of sacrebleu's, counted by sacrebleu segment by segment: TER, whose edits have no shorter way."""

    def __init__(self, metric: Metric, references: Sequence[Lines]) -> None:
        metric._ref_cache = metric._cache_references(references)
        self._metric = metric

    def table(self, hypotheses: Lines) -> Array:
        """(segments, k)."""
        return np.asarray(self._metric._extract_corpus_statistics(hypotheses, None), dtype=np.float64)


def _characters(lines: Lines) -> list[str]:
    return ["".join(line.split()) for line in lines]


def _match_statistics(references: ReferenceNgrams, segments: Sequence[Sequence[str]], order: int) -> Integers:
    """(streams, segments, order, 3): n-grams of the hypothesis, of the reference, and matches.

    Where a reference is too short for an order, sacrebleu does not count the hypothesis's n-grams either.
    """
    totals = ngram_totals(segment_lengths(segments), order)
    found = []
    for lengths, matches in zip(references.lengths, references.matches(segments), strict=True):
        expected = ngram_totals(lengths, order)
        found.append(np.stack([np.where(expected > 0, totals, 0), expected, matches], axis=2))
    return np.stack(found)
