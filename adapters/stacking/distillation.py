"""What a stack learns from: the language model's own states, averaged (Schmidt et al. 2024) or by token; or targets behind its states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy

from ...mt.losses import chunked_loss, may_chunk
from .data import StackExample
from .token_targets import token_targets

if TYPE_CHECKING:
    from .model import StackedModel


def state_distances(student: Tensor, teacher: Tensor, kind: Literal["mse", "cosine"]) -> Tensor:
    """(N,) how far the student's states (N, d) are from the teacher's: mean squared difference, or 1 - cosine."""
    if kind == "cosine":
        return 1 - cosine_similarity(student, teacher, dim=1)
    return (student - teacher).square().mean(dim=1)


def distillation_loss(stack: StackedModel, examples: Sequence[StackExample], kind: Literal["mse", "cosine"]) -> Tensor:
    """Of averaged states, summed over the examples; divide by their number. The teacher goes first: its pass keeps nothing."""
    teacher = stack.teacher_pooled(*text_batch(examples, stack.end.device))
    student = stack.pooled(*stack.encoder.batch([example.source for example in examples]))
    return state_distances(student, teacher, kind).sum()


def token_distillation_loss(stack: StackedModel, examples: Sequence[StackExample], kind: Literal["mse", "cosine"]) -> Tensor:
    """Of each example the mean over the encoder's positions that have a target, summed over the examples; divide by their number.

    The target of a position is the mean of the teacher's states at the tokens that stand for some of its characters, each counted as often
    as characters are shared. The encoder's own tokens (language, `</s>`) have none.
    """
    goal = token_targets(examples).to(stack.end.device)
    wanted = goal.states(stack.teacher_states(*text_batch(examples, stack.end.device)))
    states = stack.states(*stack.encoder.batch([example.source for example in examples]))
    return (state_distances(states[goal.rows, goal.columns].float(), wanted, kind) * goal.weights).sum()


def text_batch(examples: Sequence[StackExample], device: torch.device) -> tuple[Tensor, Tensor]:
    """The language model's ids (B, T) padded on the right, and their mask (B, T)."""
    width = max(len(example.text) for example in examples)
    ids = torch.tensor([[*one.text, *[0] * (width - len(one.text))] for one in examples], device=device)
    mask = torch.tensor([[1] * len(one.text) + [0] * (width - len(one.text)) for one in examples], device=device)
    return ids, mask


def generation_loss(stack: StackedModel, examples: Sequence[StackExample], opening: int) -> Tensor:
    """Negative log-likelihood (nats) of the target tokens behind `[BOS][states][end]`, summed; divide by the step's `targets`."""
    by_chunks = may_chunk(stack.language_model)
    rows, texts = [one.source for one in examples], [one.text for one in examples]
    states, starts = stack.target_states(rows, texts, opening, logits=not by_chunks)
    places: list[int] = []
    columns: list[int] = []
    labels: list[int] = []
    for number, (one, start) in enumerate(zip(examples, starts.tolist(), strict=True)):
        wanted = one.text[one.target_start :]
        first = start + one.target_start - opening - 1  # what stands before the first target token predicts it
        places += [number] * len(wanted)
        columns += range(first, first + len(wanted))
        labels += wanted
    gold, chosen = torch.tensor(labels, device=states.device), states[places, columns]  # (N,), (N, d) or (N, V)
    if by_chunks:
        return chunked_loss(stack.language_model.get_output_embeddings(), chosen, gold)
    return cross_entropy(chosen.float(), gold, reduction="sum")


def targets(examples: Sequence[StackExample]) -> int:
    """Tokens that carry loss."""
    return sum(len(example.text) - example.target_start for example in examples)
