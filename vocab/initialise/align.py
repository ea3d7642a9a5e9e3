"""Align: what the base tokenizer makes of the very places where a new piece stands in a corpus (Yamaguchi et al. 2024).

Both tokenizers split the corpus. For each occurrence of a new piece, the base pieces that share a byte with it form a sequence, and the row
is the mean of mean(E[sequence]) over all occurrences. As every occurrence counts 1 / length for each of its base pieces, this is one sparse
matrix, built without ever holding the sequences. Places are told by bytes, which both tokenizers share, so parts of characters align too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..rows import RowPlan
from ..segmentation import segment
from .context import InitContext, PieceTable
from .fallbacks import Weights, plan_with_fallbacks
from .mean import mean_weights
from .merge import merge_weights

_BATCH = 512  # texts

Ints = NDArray[np.int64]


def plan(context: InitContext) -> RowPlan:
    """Pieces that do not occur get their merge tree, else their mean, else a random row."""
    counter = AlignmentCounter(context)
    for start in range(0, len(context.texts), _BATCH):
        counter.add(context.texts[start : start + _BATCH])
    fallbacks = {"merge": merge_weights, "mean": mean_weights}
    return plan_with_fallbacks(context, {"align": counter.weights()}, fallbacks, facts=counter.facts())


class AlignmentCounter:
    """Sums, over all occurrences of new pieces, of 1 / length for each base piece of the sequence under them."""

    def __init__(self, context: InitContext) -> None:
        self._context = context
        self._lengths = PieceLengths(context.bytes_of, len(context.extended))
        self._unknown = context.base.unk_token_id
        self._stride = context.first_id  # key = row * stride + base id
        self._keys: Ints = np.empty(0, np.int64)
        self._sums: NDArray[np.float64] = np.empty(0)
        self._lines = self._unaligned = self._occurrences = 0

    def add(self, texts: Sequence[str]) -> None:
        """Count a batch of texts; those that the two tokenizers do not spell with the same bytes are left out and counted."""
        base, new = [], []
        for old_ids, new_ids in zip(segment(self._context.base, texts), segment(self._context.extended, texts), strict=True):
            self._lines += 1
            if max(new_ids, default=0) < self._context.first_id:
                continue
            old, extended = np.asarray(old_ids, np.int64), np.asarray(new_ids, np.int64)
            same = self._lengths.of(old).sum() == self._lengths.of(extended).sum()
            if not same or (self._unknown is not None and (old == self._unknown).any()):
                self._unaligned += 1
                continue
            base.append(old)
            new.append(extended)
        if base:
            # Texts spelled with equally many bytes stay aligned when they are put one after the other.
            self._count(np.concatenate(base), np.concatenate(new))

    def _count(self, base: Ints, new: Ints) -> None:
        first = self._context.first_id
        base_ends, new_ends = self._lengths.of(base).cumsum(), self._lengths.of(new).cumsum()
        places = np.flatnonzero((new >= first) & (new < first + self._context.count))
        low = np.searchsorted(base_ends, new_ends[places] - self._lengths.of(new[places]), side="right")
        high = np.searchsorted(base_ends - self._lengths.of(base), new_ends[places], side="left")
        sizes = high - low
        entries = np.repeat(low - (sizes.cumsum() - sizes), sizes) + np.arange(sizes.sum())
        keys = np.repeat((new[places] - first) * self._stride, sizes) + base[entries]
        self._occurrences += len(places)
        self._merge(keys, np.repeat(1 / np.maximum(sizes, 1), sizes))

    def _merge(self, keys: Ints, sums: NDArray[np.float64]) -> None:
        self._keys, inverse = np.unique(np.concatenate([self._keys, keys]), return_inverse=True)
        self._sums = np.bincount(inverse, np.concatenate([self._sums, sums]), minlength=len(self._keys)).astype(np.float64, copy=False)

    def weights(self) -> Weights:
        """For each new piece that occurred: base ids and weights that sum to one."""
        found: defaultdict[int, dict[int, float]] = defaultdict(dict)
        for key, total in zip(self._keys.tolist(), self._sums.tolist(), strict=True):
            row, old = divmod(key, self._stride)
            if old not in self._context.special_ids:
                found[row][old] = total
        return {row: {old: each / sum(counts.values()) for old, each in counts.items()} for row, counts in found.items()}

    def facts(self) -> dict[str, int]:
        """Texts read, occurrences of new pieces, and texts the two tokenizers spell differently."""
        return {"lines": self._lines, "occurrences": self._occurrences, "unaligned_lines": self._unaligned}


class PieceLengths:
    """Bytes of each id, looked up for an array of ids at once."""

    def __init__(self, bytes_of: PieceTable, size: int) -> None:
        self._bytes_of = bytes_of
        self._known = np.full(size, -1, np.int64)

    def of(self, ids: Ints) -> Ints:
        """The lengths in bytes, in the shape of `ids`."""
        lengths = self._known[ids]
        if (lengths < 0).any():
            for one in np.unique(ids[lengths < 0]).tolist():
                self._known[one] = len(self._bytes_of[one])
            lengths = self._known[ids]
        return lengths
