"""Where a batch has token-level targets, as tensors: which of the encoder's positions, and which of the language model's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .data import StackExample

Array = NDArray[Any]


@dataclass(frozen=True)
class TokenTargets:
    """P positions of the encoder's ids (B, S) that have a target, and the M pairs of a position and one of the language model's tokens.

    Attributes:
        rows, columns: (P,) where a position is.
        weights: (P,) float32; those of a row add up to 1.
        places: (M,) which position a pair belongs to.
        tokens: (M,) column of the language model's ids (B, T), in the position's row.
        shares: (M,) float32; those of a position add up to 1.
    """

    rows: Tensor
    columns: Tensor
    weights: Tensor
    places: Tensor
    tokens: Tensor
    shares: Tensor

    def to(self, device: torch.device) -> TokenTargets:
        """The same there."""
        return TokenTargets(*(getattr(self, one.name).to(device) for one in fields(self)))

    def states(self, teacher: Tensor) -> Tensor:
        """(P, d) float32: for each position the mean of the teacher's states (B, T, d) by the characters shared."""
        shared = teacher[self.rows[self.places], self.tokens].float() * self.shares[:, None]  # (M, d)
        # No product of matrices: those are rounded to bfloat16 where training is mixed.
        return torch.zeros(len(self.rows), shared.shape[1], device=shared.device).index_add_(0, self.places, shared)


def token_targets(examples: Sequence[StackExample]) -> TokenTargets:
    """The targets of a batch, whose examples were aligned and have one at least."""
    columns: list[Array] = []
    weights: list[Array] = []
    places: list[Array] = []
    tokens: list[Array] = []
    shares: list[Array] = []
    sizes: list[int] = []
    for example in examples:
        assert example.aligned is not None and len(example.aligned), "an example that was not aligned"
        positions, place = np.unique(example.aligned[:, 0], return_inverse=True)
        characters = example.aligned[:, 2].astype(np.float32)
        columns.append(positions)
        weights.append(np.full(len(positions), 1 / len(positions)))
        places.append(place + sum(sizes))
        tokens.append(example.aligned[:, 1])
        shares.append(characters / np.bincount(place, weights=characters)[place])
        sizes.append(len(positions))
    rows = [np.repeat(np.arange(len(examples)), sizes)]
    return TokenTargets(_whole(rows), _whole(columns), _real(weights), _whole(places), _whole(tokens), _real(shares))


def _whole(parts: Sequence[Array]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts).astype(np.int64))


def _real(parts: Sequence[Array]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts).astype(np.float32))
