"""The training loss: cross-entropy on target tokens, and only those; with a second head also on the token after each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from ..adapters.ahead import has_ahead
from .batches import IGNORED, MicroBatch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CHUNK_BYTES = {"cpu": 2**27, "cuda": 2**29}  # float32 logits held at once
# Settings of a model that changes its logits after the head (Gemma 2, Granite, Cohere): its own forward pass must then make them.
_AFTER_HEAD = ("final_logit_softcapping", "logits_scaling", "logit_scale")
Head = Callable[[torch.Tensor], torch.Tensor]


def target_loss(model: nn.Module, batch: MicroBatch) -> torch.Tensor:
    """Sum of the negative log-likelihood (nats) over a micro-batch's target tokens; divide by the step's target count.

    The output head (V x d, a quarter of a small model's work) is computed at target positions only, a chunk of them at a time; exact, since
    the other positions carry no loss.

    A model with a second head (`adapters.ahead`) adds that head's loss, for every position whose next two tokens both are targets.
    """
    bare = _bare(model)
    labels = batch.labels.to(next(model.parameters()).device)
    wanted = labels != IGNORED
    head, logits = _up_to_head(model, batch, wanted)
    if head.inside:
        loss = cross_entropy(logits[0].float(), labels[wanted], reduction="sum")
    else:
        loss = chunked_loss(bare.get_output_embeddings(), head.states[wanted], labels[wanted])
    if has_ahead(bare):
        loss = loss + _ahead_loss(bare, head.states, labels)
    return loss


def target_token_losses(model: nn.Module, batch: MicroBatch) -> torch.Tensor:
    """(N,) negative log-likelihood (nats) of each of a micro-batch's target tokens, example after example.

    The head's work is done at target positions only, as in `target_loss`. Where all of them would take more than a chunk, each chunk's
    logits are computed once more in the backward pass instead of being kept: what a token's loss weighs is known only then.
    """
    labels = batch.labels.to(next(model.parameters()).device)
    wanted = labels != IGNORED
    head, logits = _up_to_head(model, batch, wanted)
    if head.inside:
        return cross_entropy(logits[0].float(), labels[wanted], reduction="none")
    return chunked_token_losses(_bare(model).get_output_embeddings(), head.states[wanted], labels[wanted])


def chunked_token_losses(head: nn.Module, states: torch.Tensor, labels: torch.Tensor, positions: int | None = None) -> torch.Tensor:
    """(N,) cross-entropy of each row of `head(states)`; arguments as in `chunked_loss`."""
    size = positions or _chunk_positions(head, states)
    if len(labels) <= size:
        return _piece(head, states, labels, "none")
    pieces = [checkpoint(_piece, head, *piece, "none", use_reentrant=False) for piece in _pieces(states, labels, size)]
    return torch.cat(pieces)


def _bare(model: nn.Module) -> Any:
    return model.module if isinstance(model, DistributedDataParallel) else model


def _up_to_head(model: nn.Module, batch: MicroBatch, wanted: torch.Tensor) -> tuple[_HeadInput, torch.Tensor]:
    """The states (B, T, d) that go into the head, and its logits (1, N, V) at `wanted` positions where they must be made `inside`."""
    bare = _bare(model)
    with _HeadInput(bare, wanted, inside=not may_chunk(bare)) as head:
        logits = model(**_inputs(batch, wanted.device), use_cache=False).logits
    return head, logits


def _inputs(batch: MicroBatch, device: torch.device) -> dict[str, Any]:
    inputs: dict[str, Any] = {"input_ids": batch.input_ids.to(device), "position_ids": batch.position_ids.to(device)}
    if batch.attention_mask is not None:
        inputs["attention_mask"] = batch.attention_mask.to(device)
    # use_cache=False (given by the caller) matters: with a cache, packed examples would not be told apart by their position ids.
    return inputs


def may_chunk(model: PreTrainedModel) -> bool:
    """Whether the head can be called outside the model's forward pass: not where its weights are gathered for that pass only (FSDP,
    ZeRO-3), nor where the model changes the logits afterwards."""
    config = model.config.get_text_config()
    if any(getattr(config, name, None) not in (None, 1, 1.0) for name in _AFTER_HEAD):
        return False
    return not any(hasattr(weight, "full_tensor") or hasattr(weight, "ds_id") for weight in model.get_output_embeddings().parameters())


def _ahead_loss(model: Any, states: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(B, T, d) states -> nats. A label's own next label is the token two steps on, within one example."""
    following = torch.full_like(labels, IGNORED)
    following[:, :-1] = labels[:, 1:]
    following[labels == IGNORED] = IGNORED  # also where the next column belongs to another packed example
    chosen = following != IGNORED
    return chunked_loss(model.ahead_head, states[chosen], following[chosen])


class _HeadInput:
    """Keeps what goes into the head, `states` (B, T, d), and gives the head less: nothing, or the wanted positions (1, N, d) (`inside`)."""

    states: torch.Tensor

    def __init__(self, model: PreTrainedModel, wanted: torch.Tensor, *, inside: bool) -> None:
        self._head, self._wanted, self.inside = model.get_output_embeddings(), wanted, inside

    def __enter__(self) -> _HeadInput:
        self._hook = self._head.register_forward_pre_hook(self._keep)
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()

    def _keep(self, _: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        self.states = inputs[0]
        return (self.states[self._wanted][None] if self.inside else self.states[:, :0], *inputs[1:])


def chunked_loss(head: nn.Module, states: torch.Tensor, labels: torch.Tensor, positions: int | None = None) -> torch.Tensor:
    """Summed cross-entropy of `head(states)`, whose logits exist for `positions` rows at a time only.

    Each chunk's gradient is taken as soon as its logits are there, so that nothing is kept for the backward pass nor computed twice.

    Args:
        head: maps (n, d) to (n, V).
        states: (N, d).
        labels: (N,) ids.
        positions: rows of a chunk; by default so many that their float32 logits fill `CHUNK_BYTES`.
    """
    size = positions or _chunk_positions(head, states)
    if len(labels) <= size:
        return _piece(head, states, labels)
    if not torch.is_grad_enabled():
        return torch.stack([_piece(head, *piece) for piece in _pieces(states, labels, size)]).sum()
    trained = [weight for weight in head.parameters() if weight.requires_grad]
    loss: torch.Tensor = _ChunkedLoss.apply(head, labels, size, states, *trained)  # type: ignore[no-untyped-call]
    return loss


def _chunk_positions(head: nn.Module, states: torch.Tensor) -> int:
    return max(1, CHUNK_BYTES.get(states.device.type, 2**27) // (4 * _rows(head)))


def _rows(head: Any) -> int:
    """The vocabulary's size, through whatever wraps the head; a 4-bit weight has another shape."""
    return getattr(head, "out_features", None) or int(max(weight.shape[0] for weight in head.parameters() if weight.ndim == 2))


def _pieces(states: torch.Tensor, labels: torch.Tensor, size: int) -> Sequence[tuple[torch.Tensor, torch.Tensor]]:
    return list(zip(states.split(size), labels.split(size), strict=True))


def _piece(head: nn.Module, states: torch.Tensor, labels: torch.Tensor, reduction: str = "sum") -> torch.Tensor:
    return cross_entropy(head(states).float(), labels, reduction=reduction)


class _ChunkedLoss(torch.autograd.Function):
    """Loss and gradients chunk by chunk in the forward pass; the backward pass scales them."""

    @staticmethod
    def forward(ctx: Any, head: nn.Module, labels: torch.Tensor, size: int, states: torch.Tensor, *trained: torch.Tensor) -> torch.Tensor:
        """The summed loss."""
        total = torch.zeros((), device=states.device)
        at_states = torch.empty_like(states)
        at_weights = [torch.zeros_like(weight) for weight in trained]
        for number, (piece, wanted) in enumerate(_pieces(states, labels, size)):
            with torch.enable_grad():
                leaf = piece.detach().requires_grad_()
                loss = _piece(head, leaf, wanted)
                first, *others = torch.autograd.grad(loss, [leaf, *trained])
            at_states[number * size : number * size + len(piece)] = first
            for kept, gradient in zip(at_weights, others, strict=True):
                kept += gradient
            total += loss.detach()
        ctx.save_for_backward(at_states, *at_weights)
        return total

    @staticmethod
    def backward(ctx: Any, *outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of states and trained weights."""
        (scale,) = outputs
        return (None, None, None, *(kept * scale.to(kept.dtype) for kept in ctx.saved_tensors))
