"""Linear heads over pooled vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Head:
    """A linear head. `weight`: (classes, d); `bias`: (classes,), or None as in a teacher's head."""

    weight: Tensor
    bias: Tensor | None = None

    def logits(self, vectors: Tensor) -> Tensor:
        """(N, classes) of vectors (N, d)."""
        import torch

        return torch.nn.functional.linear(vectors.to(self.weight), self.weight, self.bias)

    def labels(self, vectors: Tensor) -> list[int]:
        """The class of each of the vectors (N, d)."""
        return [int(each) for each in self.logits(vectors).argmax(dim=1)]


def fit_head(vectors: Tensor, labels: Sequence[int], classes: int, *, penalty: float = 1e-3) -> Head:
    """Multinomial logistic regression on fixed vectors (N, d), each dimension scaled to unit variance; a convex problem, so without a seed.

    Args:
        vectors: (N, d).
        labels: the class of each.
        classes: how many there are.
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
        loss = torch.nn.functional.cross_entropy(scaled @ weight.T + bias, wanted) + penalty * weight.square().sum()
        loss.backward()
        return loss

    search.step(closure)
    unscaled = (weight / spread).detach()
    return Head(unscaled, (bias - (weight * (mean / spread)).sum(dim=1)).detach())
