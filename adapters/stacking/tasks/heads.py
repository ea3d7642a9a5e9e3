"""Linear heads over pooled vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .grouping import by_item

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Head:
    """A linear head. `weight`: (outputs, d); `bias`: (outputs,), or None as in a teacher's head."""

    weight: Tensor
    bias: Tensor | None = None

    def logits(self, vectors: Tensor) -> Tensor:
        """(N, outputs) of vectors (N, d)."""
        import torch

        return torch.nn.functional.linear(vectors.to(self.weight), self.weight, self.bias)

    def labels(self, vectors: Tensor, sizes: Sequence[int] | None = None) -> list[int]:
        """The class of each of the vectors (N, d); or with `sizes`, how many vectors each item has, the answer to each item."""
        logits = self.logits(vectors)
        return [int(each) for each in by_item(logits, sizes or [1] * len(logits)).argmax(dim=1)]


def fit_head(vectors: Tensor, labels: Sequence[int], classes: int, *, sizes: Sequence[int] | None = None, penalty: float = 1e-3) -> Head:
    """Multinomial logistic regression on fixed vectors (N, d), each dimension scaled to unit variance; a convex problem, so without a seed.

    With one output and several vectors an item, the softmax goes over the item's; the bias, which all of them share, then changes nothing.

    Args:
        vectors: (N, d).
        labels: the class of each; or of each item which of its vectors is right.
        classes: how many there are; or 1.
        sizes: how many vectors each item has; None for one each.
        penalty: of the squared norm of the scaled weights.
    """
    import torch

    vectors = vectors.detach().float().cpu()
    mean, spread = vectors.mean(dim=0), vectors.std(dim=0, correction=0).clamp_min(1e-6)
    scaled, wanted = (vectors - mean) / spread, torch.tensor(labels)
    weight = torch.zeros(classes, vectors.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    search = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        search.zero_grad()
        logits = by_item(scaled @ weight.T + bias, sizes or [1] * len(scaled))
        loss = torch.nn.functional.cross_entropy(logits, wanted) + penalty * weight.square().sum()
        loss.backward()
        return loss

    search.step(closure)
    unscaled = (weight / spread).detach()
    return Head(unscaled, (bias - (weight * (mean / spread)).sum(dim=1)).detach())
