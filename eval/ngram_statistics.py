"""N-gram statistics of BLEU and chrF for whole corpora at once: the same numbers as sacrebleu counts segment by segment.

Only what a reference holds can match. So the references' n-grams are numbered once, each segment's apart from the others', and a
hypothesis is read as those numbers: a dictionary look-up a symbol for the first order, and for each longer order array look-ups only
where the shorter n-gram was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Symbols = Sequence[str]  # a segment's words, or its characters


@dataclass(frozen=True)
class _Order:
    """The n-grams of one order that occur in references.

    Attributes:
        keys: (types,) sorted; each is the number of the first n - 1 symbols and the number of the last one.
        segments: (types,) the segment that each belongs to.
        counts: (streams, types) how often it occurs in its segment of each reference stream.
    """

    keys: Integers
    segments: Integers
    counts: Integers


class ReferenceNgrams:
    """The n-grams of all references, ready to be looked for in any number of hypotheses.

    Args:
        streams: one list of segments per reference stream, all equally long.
        order: the longest n-gram.
    """

    def __init__(self, streams: Sequence[Sequence[Symbols]], order: int) -> None:
        self.lengths = np.stack([segment_lengths(stream) for stream in streams])
        self._size = len(streams[0])
        self._numbers: list[dict[str, int]] = []  # a segment's symbols -> their numbers from 1 on, no number used in two segments
        owners = []
        number = 1
        for at, segments in enumerate(zip(*streams, strict=True)):
            symbols = dict.fromkeys(symbol for segment in segments for symbol in segment)
            self._numbers.append(dict(zip(symbols, range(number, number + len(symbols)), strict=False)))
            owners += [at] * len(symbols)
            number += len(symbols)
        self._base = number
        self._owners = np.asarray(owners, dtype=np.int64)
        self._orders = self._numbered([self._read(stream) for stream in streams], order)

    def matches(self, segments: Sequence[Symbols]) -> list[Integers]:
        """Clipped matches of a system's output with each reference stream: one (segments, order) array a stream."""
        found = self._occurrences(segments)
        return [self._clipped(found, [order.counts[at] for order in self._orders]) for at in range(len(self.lengths))]

    def best_matches(self, segments: Sequence[Symbols]) -> Integers:
        """(segments, order) matches clipped by the most that any one reference has of each n-gram."""
        return self._clipped(self._occurrences(segments), [order.counts.max(axis=0) for order in self._orders])

    def _clipped(self, found: Sequence[Integers], limits: Sequence[Integers]) -> Integers:
        columns = [
            np.bincount(order.segments, np.minimum(counts, limit), minlength=self._size)
            for order, counts, limit in zip(self._orders, found, limits, strict=True)
        ]
        return np.stack(columns, axis=1).astype(np.int64)

    def _read(self, segments: Sequence[Symbols]) -> Integers:
        """All symbols of a text as numbers, 0 for one that no reference of its segment has."""
        numbers: list[int] = []
        for known, symbols in zip(self._numbers, segments, strict=True):
            numbers += map(known.get, symbols, repeat(0))
        return np.asarray(numbers, dtype=np.int64)

    def _numbered(self, texts: Sequence[Integers], longest: int) -> list[_Order]:
        """Every order's n-grams, each order built on the one before."""
        orders = []
        grams = [np.flatnonzero(text) for text in texts], [text - 1 for text in texts]  # where each n-gram begins, and which it is
        keys, owners = np.arange(1, self._base, dtype=np.int64), self._owners
        for length in range(1, longest + 1):
            if length > 1:
                extended = [self._extended(text, at, which, length, owners) for text, at, which in zip(texts, *grams, strict=True)]
                keys, which = np.unique(np.concatenate([key for _, key in extended]), return_inverse=True)
                owners = owners[keys // self._base]
                edges = np.cumsum([len(at) for at, _ in extended])[:-1]
                grams = [at for at, _ in extended], np.split(which, edges)
            counts = np.stack([np.bincount(which, minlength=len(keys)) for which in grams[1]])
            orders.append(_Order(keys, owners, counts))
        return orders

    def _extended(self, text: Integers, at: Integers, which: Integers, length: int, owners: Integers) -> tuple[Integers, Integers]:
        """Where n-grams can be one symbol longer without leaving their segment, and the keys of what they become."""
        inside = at + length - 1 < len(text)
        at, which = at[inside], which[inside]
        last = text[at + length - 1]
        same = owners[which] == self._owners[last - 1]
        return at[same], which[same] * self._base + last[same]

    def _occurrences(self, segments: Sequence[Symbols]) -> list[Integers]:
        """How often each reference n-gram occurs in its segment of a hypothesis, by order."""
        text = self._read(segments)
        at = np.flatnonzero(text)
        which = text[at] - 1
        found = [np.bincount(which, minlength=self._base - 1)]
        text = np.append(text, np.zeros(len(self._orders), dtype=np.int64))
        for length, order in enumerate(self._orders[1:], 2):
            last = text[at + length - 1]
            going_on = np.flatnonzero(last)
            at, wanted = at[going_on], which[going_on] * self._base + last[going_on]
            which = np.searchsorted(order.keys, wanted)
            hits = np.flatnonzero(order.keys[np.minimum(which, len(order.keys) - 1)] == wanted) if len(order.keys) else which[:0]
            at, which = at[hits], which[hits]
            found.append(np.bincount(which, minlength=len(order.keys)))
        return found


def segment_lengths(segments: Sequence[Symbols]) -> Integers:
    """(segments,) symbols in each."""
    return np.fromiter(map(len, segments), dtype=np.int64, count=len(segments))


def ngram_totals(lengths: Integers, order: int) -> Integers:
    """(segments, order) n-grams in segments of so many symbols."""
    totals: Integers = np.maximum(lengths[:, None] - np.arange(order), 0)
    return totals


def closest_lengths(lengths: Integers, references: Integers) -> Integers:
    """The reference length nearest to each hypothesis length, the shorter of two as near.

    Args:
        lengths: (segments,) of the hypotheses.
        references: (streams, segments).
    """
    shortest_first = np.sort(references, axis=0)
    nearest = np.abs(shortest_first - lengths).argmin(axis=0)
    closest: Integers = np.take_along_axis(shortest_first, nearest[None], axis=0)[0]
    return closest
