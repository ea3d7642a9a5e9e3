"""Token Distillation (Dobler et al. 2025): new rows learn to give the hidden states that the base pieces give.

The rows start as means. The frozen model reads a text in the base segmentation (teacher) and in the new one (student); the loss is the
mean squared error of the last hidden states wherever both have read the same text: at pieces that stayed, and at the last base piece of
those that became one. Only the new rows of the input embeddings get gradients. An untied head keeps its means; a tied one changes with
them.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from .context import InitContext
from .snippets import DistillationSettings, Snippet, choose_snippets

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_log = logging.getLogger("dragoman.vocab")
_EDGE = 10  # the first and the last so many steps, half of all at most, give the losses that are reported
_SAID_EVERY = 50  # steps


@dataclass(frozen=True)
class Refined:
    """What training did: `rows` that got gradients, and figures for people."""

    rows: frozenset[int]
    facts: dict[str, Any] = field(default_factory=dict)


Refine = Callable[[InitContext, "PreTrainedModel", DistillationSettings], Refined]


def refine(context: InitContext, model: PreTrainedModel, settings: DistillationSettings) -> Refined:
    """Train the new rows of an expanded model, in place; every other weight stays as it is, and rows no text reached stay too."""
    snippets = choose_snippets(context, settings)
    weight = model.get_input_embeddings().weight
    new = slice(context.first_id, context.first_id + context.count)
    master = weight.detach()[new].float().clone().requires_grad_(True)
    optimiser = torch.optim.AdamW([master], lr=settings.learning_rate, weight_decay=0.0)
    losses: list[float] = []
    batches = _batches(snippets, settings.batch_tokens, context.seed)
    with _only_new_rows(model, master, context.first_id):
        for step, batch in enumerate(batches, 1):
            loss = _loss(model, batch)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            with torch.no_grad():
                weight[new] = master.to(weight.dtype)
            losses.append(loss.item())
            if step % _SAID_EVERY == 0:
                _log.info("distillation: step %d of %d, loss %.4f", step, len(batches), losses[-1])
    rows = {one - context.first_id for each in snippets for one in each.student if one >= context.first_id}
    edge = min(_EDGE, -(-len(losses) // 2))
    facts = {
        "snippets": len(snippets),
        "tokens": sum(len(each.teacher) for each in snippets),
        "steps": len(losses),
        "first_loss": sum(losses[:edge]) / edge if edge else None,
        "last_loss": sum(losses[-edge:]) / edge if edge else None,
    }
    return Refined(frozenset(rows), facts)


@contextmanager
def _only_new_rows(model: PreTrainedModel, master: Tensor, first_id: int) -> Iterator[None]:
    """Let gradients of the embedding layer's output flow into `master` (new, d) and into nothing else.

    The layer's values are untouched: what is added to them is zero, but depends on `master`.
    """
    layer = model.get_input_embeddings()
    scale = getattr(layer, "embed_scale", 1.0)  # Gemma's layer multiplies what it looks up

    def add_gradient(_layer: torch.nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
        places = arguments[0] >= first_id
        chosen = master[arguments[0][places] - first_id]
        nothing = torch.zeros_like(output)
        nothing[places] = ((chosen - chosen.detach()) * scale).to(output.dtype)
        return output + nothing

    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    was_training = model.training
    model.eval()
    for parameter in trained:
        parameter.requires_grad_(False)
    handle = layer.register_forward_hook(add_gradient)
    try:
        yield
    finally:
        handle.remove()
        for parameter in trained:
            parameter.requires_grad_(True)
        model.train(was_training)


def _batches(snippets: Sequence[Snippet], tokens: int, seed: int) -> list[list[Snippet]]:
    """Snippets of similar length together, `tokens` with padding at most, in an order drawn from the seed."""
    batches: list[list[Snippet]] = []
    for snippet in sorted(snippets, key=lambda each: len(each.teacher)):
        if not batches or len(snippet.teacher) * (len(batches[-1]) + 1) > tokens:
            batches.append([])
        batches[-1].append(snippet)
    random.Random(seed).shuffle(batches)
    return batches


def _loss(model: PreTrainedModel, batch: Sequence[Snippet]) -> Tensor:
    """Mean squared error over all common positions of a batch and all dimensions."""
    with torch.no_grad():
        wanted = _hidden(model, [each.teacher for each in batch])
    given = _hidden(model, [each.student for each in batch])
    rows = torch.tensor([row for row, each in enumerate(batch) for _ in each.pairs], device=given.device)
    old = torch.tensor([pair[0] for each in batch for pair in each.pairs], device=given.device)
    new = torch.tensor([pair[1] for each in batch for pair in each.pairs], device=given.device)
    return mse_loss(given[rows, new].float(), wanted[rows, old].float())


def _hidden(model: PreTrainedModel, texts: Sequence[Sequence[int]]) -> Tensor:
    """Last hidden states (texts, longest, d); padding on the right, which a causal model never looks at from the left."""
    longest = max(map(len, texts))
    place = model.get_input_embeddings().weight.device
    ids = torch.tensor([[*each, *[each[0]] * (longest - len(each))] for each in texts], device=place)
    mask = torch.tensor([[1] * len(each) + [0] * (longest - len(each)) for each in texts], device=place)
    states: Tensor = model.base_model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    return states
