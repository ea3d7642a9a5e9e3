"""A second output head that learns the token after the next one (multi-token prediction: Gloeckle et al. 2024), for training only.

Yamaguchi et al. (2024) found that it helps a new vocabulary to settle. It starts as a copy of the first head and is dropped afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "ahead_head"


def attach_ahead(model: PreTrainedModel) -> None:
    """Give the model a second head, a copy of the first; it is saved in checkpoints as any weight is."""
    head = model.get_output_embeddings()
    weight: torch.Tensor = head.weight.detach()
    ahead = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device=weight.device, dtype=weight.dtype)
    with torch.no_grad():
        ahead.weight.copy_(weight)
    model.add_module(NAME, ahead)


def detach_ahead(model: PreTrainedModel) -> None:
    """Drop the second head, if there is one."""
    if has_ahead(model):
        delattr(model, NAME)


def has_ahead(model: nn.Module) -> bool:
    """Whether a second head is attached."""
    return NAME in dict(model.named_children())


class HeadInput:
    """What went into the model's head in the last forward pass, (B, K, d): kept while used as a context manager."""

    states: torch.Tensor

    def __init__(self, model: PreTrainedModel) -> None:
        self._head = model.get_output_embeddings()

    def __enter__(self) -> HeadInput:
        self._hook = self._head.register_forward_pre_hook(self._keep)
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()

    def _keep(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        self.states = inputs[0]
