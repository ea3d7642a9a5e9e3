"""Number format of a training pass: float32 weights, products in bfloat16 where the device multiplies it faster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import torch

from .shared_attention import SHARING, transformer_of

if TYPE_CHECKING:
    from torch import nn

_LONGEST_PLAIN = 512  # tokens of a row; its scores take rows x heads x length^2 numbers a layer


@contextmanager
def mixed_precision(model: nn.Module, *, enabled: bool, longest: int) -> Iterator[None]:
    """A block whose matrix products are bfloat16 (`enabled`), with the attention that is fast in it.

    Weights and their gradients keep their format.

    Args:
        model: a transformers or peft model, or one that holds it as `llm`.
        enabled: see `DeviceChoice.mixed`.
        longest: tokens in a row of the block's batches.
    """
    with ExitStack() as stack:
        if enabled:
            stack.enter_context(torch.autocast(next(model.parameters()).device.type, dtype=torch.bfloat16))
        stack.enter_context(fast_attention(model, longest=longest))
        yield


@contextmanager
def fast_attention(model: nn.Module, *, longest: int) -> Iterator[None]:
    """Plain attention for short rows under bfloat16 autocast on a CPU.

    The backward pass of the fused kernel takes a quarter of a step there (scripts/bench/precision.py). Nothing changes elsewhere. Longer
    rows keep the fused kernel, which holds no square of scores.
    """
    plain = torch.is_autocast_enabled("cpu") and next(model.parameters()).device.type == "cpu" and longest <= _LONGEST_PLAIN
    body = transformer_of(model)
    used = getattr(body.config, "_attn_implementation", None)
    if not plain or used not in ("sdpa", SHARING):
        yield
        return
    body.set_attn_implementation("eager")
    try:
        yield
    finally:
        body.set_attn_implementation(used)
