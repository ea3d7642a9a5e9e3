"""The training loss: cross-entropy on target tokens, and only those; with a second head also on the token after each."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy

from ..adapters.ahead import HeadInput, has_ahead
from .batches import IGNORED, MicroBatch


def target_loss(model: torch.nn.Module, batch: MicroBatch) -> torch.Tensor:
    """Sum of the negative log-likelihood (nats) over a micro-batch's target tokens; divide by the step's target count.

    The output head (V x d, a quarter of a small model's work) is computed for columns that hold a label only, and the float32
    log-softmax for target positions only; both are exact, since the other positions carry no loss.

    A model with a second head (`adapters.ahead`) adds that head's loss, for every position whose next two tokens both are targets.
    """
    if has_ahead(model):
        with HeadInput(model) as head:
            return _next_loss(model, batch) + _ahead_loss(model, head.states, batch)
    return _next_loss(model, batch)


def _next_loss(model: torch.nn.Module, batch: MicroBatch) -> torch.Tensor:
    device = next(model.parameters()).device
    inputs: dict[str, Any] = {"input_ids": batch.input_ids.to(device), "position_ids": batch.position_ids.to(device)}
    if batch.attention_mask is not None:
        inputs["attention_mask"] = batch.attention_mask.to(device)
    # use_cache=False matters: with a cache, packed examples would not be told apart by their position ids.
    logits = model(**inputs, use_cache=False, logits_to_keep=batch.columns.to(device)).logits  # (B, K, V)
    labels = batch.labels[:, batch.columns].to(device)  # (B, K)
    wanted = labels != IGNORED
    return cross_entropy(logits[wanted].float(), labels[wanted], reduction="sum")


def _ahead_loss(model: torch.nn.Module, states: torch.Tensor, batch: MicroBatch) -> torch.Tensor:
    """(B, K, d) states at the batch's columns -> nats. A label's own next label is the token two steps on, within one example."""
    following = torch.full_like(batch.labels, IGNORED)
    following[:, :-1] = batch.labels[:, 1:]
    following[batch.labels == IGNORED] = IGNORED  # also where the next column belongs to another packed example
    wanted = following[:, batch.columns].to(states.device)
    chosen = wanted != IGNORED
    return cross_entropy(model.ahead_head(states[chosen]).float(), wanted[chosen], reduction="sum")  # type: ignore[operator]
