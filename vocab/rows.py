"""New embedding rows as weighted sums of old ones, computed in float32 chunk by chunk and cast once.

A method says *which* old rows and how much of each (a `RowPlan`); the same plan then fills the input embeddings, the output head and its
bias. Memory beside the matrix stays at a few chunks of `_CHUNK` numbers, whatever the number of new rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

_CHUNK = 1 << 22  # numbers held at once in float32: 16 MB


class Combination(Protocol):
    """Some new rows as weighted sums of old rows."""

    def write(self, matrix: Tensor, out: Tensor) -> None:
        """Fill its rows of `out` (new, d) from `matrix` (old, d); both on one device."""


@dataclass(frozen=True)
class SparseRows:
    """New rows that are sums of a few old ones each.

    Attributes:
        rows: (r,) which rows of the output these are.
        offsets: (r + 1,) where each row's part of `ids` begins and ends.
        ids: (entries,) old rows.
        weights: (entries,) float32, how much of each.
    """

    rows: Tensor
    offsets: Tensor
    ids: Tensor
    weights: Tensor

    @classmethod
    def of(cls, weights: Mapping[int, Mapping[int, float]]) -> SparseRows:
        """From `{new row: {old row: weight}}`."""
        sizes = torch.tensor([0, *(len(each) for each in weights.values())], dtype=torch.long)
        return cls(
            torch.tensor(list(weights), dtype=torch.long),
            sizes.cumsum(0),
            torch.tensor([old for each in weights.values() for old in each], dtype=torch.long),
            torch.tensor([one for each in weights.values() for one in each.values()], dtype=torch.float32),
        )

    def write(self, matrix: Tensor, out: Tensor) -> None:
        """See `Combination`."""
        entries = max(1, _CHUNK // matrix.shape[1])
        place = matrix.device
        start = 0
        while start < len(self.rows):
            # As many rows as have `entries` summands together, one at least; a single row may have more and is then summed in parts.
            limit = int(self.offsets[start]) + entries
            stop = max(start + 1, int(torch.searchsorted(self.offsets, limit, right=True)) - 1)
            out[self.rows[start:stop].to(place)] = self._sums(matrix, start, stop, entries).to(out.dtype)
            start = stop

    def _sums(self, matrix: Tensor, start: int, stop: int, entries: int) -> Tensor:
        """(stop - start, d) in float32."""
        place, first = matrix.device, int(self.offsets[start])
        last = int(self.offsets[stop])
        if stop == start + 1 and last - first > entries:
            total = torch.zeros(1, matrix.shape[1], device=place)
            for low in range(first, last, entries):
                high = min(low + entries, last)
                total += self.weights[low:high].to(place) @ matrix[self.ids[low:high].to(place)].float()
            return total
        old, local = torch.unique(self.ids[first:last], return_inverse=True)
        return embedding_bag(
            local.to(place),
            matrix[old.to(place)].float(),
            (self.offsets[start : stop + 1] - first).to(place),
            mode="sum",
            per_sample_weights=self.weights[first:last].to(place),
            include_last_offset=True,
        )


@dataclass(frozen=True)
class SimilarRows:
    """New rows as averages of all shared old rows, weighted by their cosine in another space: cos / sum(cos).

    With unit vectors V of the new pieces and S of the shared ones this is V (S^T E) / (V S^T 1): the weights themselves, one for every pair
    of a new and a shared piece, are never written down.

    Attributes:
        rows: (r,) which rows of the output these are.
        vectors: (r, k) unit vectors of the new pieces in the other space; their cosines must not sum to zero.
        shared: (m, k) unit vectors of the pieces both have.
        ids: (m,) the shared pieces' rows here.
    """

    rows: Tensor
    vectors: Tensor
    shared: Tensor
    ids: Tensor

    def write(self, matrix: Tensor, out: Tensor) -> None:
        """See `Combination`."""
        place, step = matrix.device, max(1, _CHUNK // matrix.shape[1])
        vectors, shared = self.vectors.to(place), self.shared.to(place)
        projected = torch.zeros(shared.shape[1], matrix.shape[1], device=place)
        for start in range(0, len(self.ids), step):
            old = matrix[self.ids[start : start + step].to(place)].float()
            projected.addmm_(shared[start : start + step].T, old)
        sums = (vectors @ shared.sum(0)).unsqueeze(1)
        for start in range(0, len(self.rows), step):
            chosen = slice(start, start + step)
            out[self.rows[chosen].to(place)] = (vectors[chosen] @ projected / sums[chosen]).to(out.dtype)


@dataclass(frozen=True)
class RowPlan:
    """Where every new row gets its first values.

    Attributes:
        origins: one a row, what gave it: a method's name, or that of its fallback. Rows that say `random` are in no part.
        parts: the weighted sums of all other rows.
        facts: figures of the method for people, such as lines read.
    """

    origins: tuple[str, ...]
    parts: tuple[Combination, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """Rows by origin, the most frequent first."""
        return dict(Counter(self.origins).most_common())


def fill_rows(plan: RowPlan, matrix: Tensor, out: Tensor, seed: int) -> None:
    """Write the first values of all new rows into `out` (new, d), from the old rows `matrix` (old, d).

    Random rows are drawn on the CPU, so that a seed gives the same rows on every device.
    """
    with torch.no_grad():
        for part in plan.parts:
            part.write(matrix, out)
        drawn = [row for row, origin in enumerate(plan.origins) if origin == "random"]
        if drawn:
            _draw(matrix, out, drawn, seed)


def _draw(matrix: Tensor, out: Tensor, rows: Sequence[int], seed: int) -> None:
    """Independent draws from N(mean, std) of each dimension of `matrix`."""
    mean, deviation = column_statistics(matrix)
    generator = torch.Generator().manual_seed(seed)
    step = max(1, _CHUNK // matrix.shape[1])
    for start in range(0, len(rows), step):
        chosen = torch.tensor(rows[start : start + step], device=out.device)
        noise = torch.randn(len(chosen), matrix.shape[1], generator=generator).to(out.device)
        out[chosen] = noise.mul_(deviation).add_(mean).to(out.dtype)


def column_statistics(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (d,) of each dimension over all rows, float32; chunks are added in float64 where the device has it."""
    exact = torch.float32 if matrix.device.type == "mps" else torch.float64
    total = torch.zeros(matrix.shape[1], dtype=exact, device=matrix.device)
    squares = torch.zeros_like(total)
    step = max(1, _CHUNK // matrix.shape[1])
    for start in range(0, len(matrix), step):
        chunk = matrix[start : start + step].float()
        total += chunk.sum(0)
        squares += torch.linalg.vecdot(chunk, chunk, dim=0)
    mean = total / len(matrix)
    return mean.float(), (squares / len(matrix) - mean.square()).clamp(min=0).sqrt().float()
