"""The loop that all of stage 2 trains with: some parameters, a loss of some rows, a linear schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

Report = Callable[[str], None]


@dataclass(frozen=True)
class TuningSettings:
    """How the teacher and the student are trained; the defaults are the paper's for NusaX.

    Attributes:
        epochs: passes over the training text.
        batch: texts a step, or items of several texts.
        rate: peak learning rate of AdamW.
        warmup: share of the steps in which the rate rises; then it falls to 0 in a straight line.
        clip: largest norm of the gradient.
    """

    epochs: int = 20
    batch: int = 32
    rate: float = 1e-4
    warmup: float = 0.1
    clip: float = 1.0


def tune(
    parameters: Sequence[Parameter],
    loss_of: Callable[[Sequence[int]], Tensor],
    lengths: Sequence[int],
    settings: TuningSettings,
    *,
    seed: int,
    report: Report = lambda _: None,
    cut: Callable[[list[int]], list[list[int]]] = lambda batch: [batch],
    size: Callable[[list[int]], int] = len,
) -> list[float]:
    """Minimise `loss_of` (the mean over the rows it is given) over all rows; the mean loss of each epoch is returned.

    The order of the rows, and torch's random state for dropout, come from the seed.

    Args:
        parameters: what moves; everything else must not require gradients, or is left as it is.
        loss_of: a scalar for some rows, by number.
        lengths: a number a row; rows of like length share a batch, which saves padding.
        settings: how long and how fast.
        seed: of everything random.
        report: gets a line an epoch.
        cut: a batch into forward passes, which add up to the gradient of the whole.
        size: of how many things the loss of some rows is the mean.
    """
    import torch

    optimizer = torch.optim.AdamW(list(parameters), lr=settings.rate, weight_decay=0.0)
    steps = settings.epochs * -(-len(lengths) // settings.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _triangle(steps, settings.warmup))
    torch.manual_seed(seed)
    means = []
    for epoch in range(settings.epochs):
        total = 0.0
        for batch in _batches(lengths, settings.batch, f"{seed} {epoch}"):
            optimizer.zero_grad()
            loss = sum(_added(loss_of(part) * (size(part) / size(batch))) for part in cut(batch))
            torch.nn.utils.clip_grad_norm_(parameters, settings.clip)
            optimizer.step()
            schedule.step()
            total += loss * len(batch)
        means.append(total / len(lengths))
        report(f"epoch {epoch + 1}/{settings.epochs}  loss {means[-1]:.4g}")
    return means


def _added(loss: Tensor) -> float:
    """The loss, whose gradient is added to what there is."""
    loss.backward()
    return float(loss.detach())


def _triangle(steps: int, warmup: float) -> Callable[[int], float]:
    rising = max(1, round(steps * warmup))
    return lambda step: (step + 1) / rising if step < rising else max(0.0, (steps - step) / max(1, steps - rising))


def _batches(lengths: Sequence[int], size: int, seed: str) -> Iterator[list[int]]:
    """Every row once: shuffled, sorted by length within groups of eight batches, the batches shuffled again."""
    import random

    chance = random.Random(seed)
    order = list(range(len(lengths)))
    chance.shuffle(order)
    batches = []
    for start in range(0, len(order), 8 * size):
        group = sorted(order[start : start + 8 * size], key=lambda row: lengths[row])
        batches += [group[first : first + size] for first in range(0, len(group), size)]
    chance.shuffle(batches)
    yield from batches
