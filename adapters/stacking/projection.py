"""From the encoder's states to what stands where the language model expects its token embeddings."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

ProjectionKind = Literal["linear", "mlp"]


class Projection(nn.Module):
    """`linear`: one matrix with bias (Schmidt et al. 2024). `mlp`: d_in -> 2 * d_in -> d_out, ReLU between (MindMerger, Huang et al. 2024).

    Args:
        kind: which of the two.
        d_in: width of the encoder's states.
        d_out: width of the language model's embeddings.
        size: root mean square of those embeddings; outputs begin at about this size for inputs of unit variance.
    """

    factor: Tensor

    def __init__(self, kind: ProjectionKind, d_in: int, d_out: int, size: float | None = None) -> None:
        super().__init__()
        self.kind, self.d_in, self.d_out = kind, d_in, d_out
        self.layers = (
            nn.Sequential(nn.Linear(d_in, d_out))
            if kind == "linear"
            else nn.Sequential(nn.Linear(d_in, 2 * d_in), nn.ReLU(), nn.Linear(2 * d_in, d_out))
        )
        # A fixed factor rather than smaller weights: a rate then moves outputs by the same share of their size whatever that size is.
        self.register_buffer("factor", torch.tensor(1.0 if size is None else size / self._size()))

    def forward(self, states: Tensor) -> Tensor:
        """(..., d_in) -> (..., d_out)."""
        projected: Tensor = self.layers(states) * self.factor
        return projected

    @torch.no_grad()
    def _size(self) -> float:
        """Root mean square of the outputs for inputs of unit variance."""
        probe = torch.randn(256, self.d_in, generator=torch.Generator().manual_seed(0))
        return float(self.layers(probe).square().mean().sqrt())
