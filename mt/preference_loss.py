"""The loss of a preference stage: the chosen translation is made likely, and likelier than the rejected one. No reference model.

CPO: Xu et al. 2024, arXiv 2401.08417. ARPO: X-ALMA, arXiv 2410.03115.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import logsigmoid

from .batches import MicroBatch
from .config import PreferenceConfig
from .losses import target_token_losses

MEANS = ("margin", "accuracy")  # what a `train` event of such a stage carries


@dataclass(frozen=True)
class Sides:
    """What the model makes of the P preferences of a micro-batch.

    Attributes:
        chosen, rejected: (P,) log-probability of the whole translation, nats: the sum over its target tokens, EOS included.
        chosen_tokens, rejected_tokens: (P,) target tokens, EOS included.
    """

    chosen: torch.Tensor
    rejected: torch.Tensor
    chosen_tokens: torch.Tensor
    rejected_tokens: torch.Tensor


@dataclass(frozen=True)
class StepSize:
    """What a step's loss is averaged over: its preferences, and the target tokens of their chosen side (EOS included)."""

    preferences: int
    chosen_tokens: int

    @classmethod
    def of(cls, batches: Sequence[MicroBatch]) -> StepSize:
        """Of all micro-batches of a step together."""
        counts = [batch.targets_of_each() for batch in batches]
        return cls(sum(len(each) // 2 for each in counts), sum(sum(each[::2]) for each in counts))


@dataclass
class Preferred:
    """Running sums over the preferences trained on since they were last reported."""

    preferences: int = 0
    margin: float = 0.0
    correct: int = 0

    def add(self, sides: Sides, beta: float) -> None:
        """Count a micro-batch."""
        margins = (sides.chosen - sides.rejected).detach()
        self.preferences += len(margins)
        self.margin += beta * float(margins.sum())
        self.correct += int((margins > 0).sum())

    def report(self) -> dict[str, float]:
        """`margin`: mean of beta * (log p(chosen) - log p(rejected)); `accuracy`: share with the chosen side likelier. Starts anew."""
        if not self.preferences:
            return {}
        means = dict(zip(MEANS, (self.margin / self.preferences, self.correct / self.preferences), strict=True))
        self.preferences, self.margin, self.correct = 0, 0.0, 0
        return means


def preference_loss(
    model: nn.Module, batch: MicroBatch, settings: PreferenceConfig, step: StepSize, seen: Preferred | None = None
) -> torch.Tensor:
    """A micro-batch's share of the step's loss; the shares of a step add up to the same however it is cut.

    The loss of a step is the mean of `contrast` over its preferences, plus `nll_weight` times the negative log-likelihood of the chosen
    translations, averaged over all their target tokens (EOS included, prompts not) in the step. CPO's public code averages over the
    tokens of one forward pass instead, which depends on how a step is cut.

    Args:
        batch: chosen and rejected examples in turn.
        settings: the stage's.
        step: of the step that the batch is part of.
        seen: counts the batch's margins, where given.
    """
    sides = score_sides(model, batch)
    if seen is not None:
        seen.add(sides, settings.beta)
    contrasts, likelihood = contrast(sides, settings).sum(), sides.chosen.sum()
    return contrasts / step.preferences - settings.nll_weight * likelihood / step.chosen_tokens


def contrast(sides: Sides, settings: PreferenceConfig) -> torch.Tensor:
    """(P,) -log sigmoid(beta * (log p(chosen) - tau * log p(rejected))), nats.

    CPO has tau = 1. ARPO has tau = min(1, scale * exp(rate * |mean log p(chosen) - mean log p(rejected)|) - 1), with means over target
    tokens: two translations that are about as likely hardly reject one another. No gradient flows through tau.
    """
    rejected = sides.rejected
    if settings.loss == "arpo":
        rejected = rejected * rejection(sides, settings)
    return -logsigmoid(settings.beta * (sides.chosen - rejected))


def rejection(sides: Sides, settings: PreferenceConfig) -> torch.Tensor:
    """(P,) ARPO's tau, detached."""
    distance = (sides.chosen / sides.chosen_tokens - sides.rejected / sides.rejected_tokens).detach().abs()
    return (settings.arpo_scale * torch.exp(settings.arpo_rate * distance) - 1).clamp(max=1.0)


def score_sides(model: nn.Module, batch: MicroBatch) -> Sides:
    """Log-probabilities of a micro-batch whose examples are chosen and rejected side in turn."""
    counts = batch.targets_of_each()
    assert len(counts) % 2 == 0, "both sides of a preference are in one forward pass"
    losses = target_token_losses(model, batch)
    sums = -torch.stack([each.sum() for each in losses.split(counts)])
    tokens = torch.tensor(counts, device=sums.device)
    return Sides(sums[::2], sums[1::2], tokens[::2], tokens[1::2])
