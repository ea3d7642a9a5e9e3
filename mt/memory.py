"""Memory of a training step: what it will take, what is free, and so whether activations are kept or computed again.

The figures are added up from the architecture, for blocks of the Llama type (norm, attention, norm, gated MLP); docs/performance.md has the
formula, and tests hold it to what autograd keeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch

from .losses import CHUNK_BYTES
from .precision import mixed_precision
from .room import free_memory, spoken_bytes

if TYPE_CHECKING:
    from torch import nn

    from .batches import MicroBatch, StepDataset

SHARE = {"cpu": 0.5, "cuda": 0.8}  # of what is free; C libraries give freed blocks of a few megabytes back late: measured, up to half
_LARGEST_OF = 8  # steps with the most tokens, among which the largest micro-batch is looked for
_ADAM = 12  # bytes: gradient and two moments of a trained weight, in float32


@dataclass(frozen=True)
class Blocks:
    """The blocks of a model, as far as their activations need it.

    Attributes:
        layers: number of blocks.
        width: of the residual stream.
        attention: heads x head size.
        heads: of a layer.
        inner: width of the MLP.
        rank: of the adapters; 0 without any.
        plain: attention that keeps its scores (`eager`).
        mixed: products are bfloat16 under autocast, while residuals are float32.
        weights: float32 weights of the blocks, which autocast copies to bfloat16.
    """

    layers: int
    width: int
    attention: int
    heads: int
    inner: int
    rank: int
    plain: bool
    mixed: bool
    weights: int

    @classmethod
    def of(cls, model: Any, *, mixed: bool) -> Blocks:
        """Read off a transformers model, or a peft model around one."""
        config = model.config.get_text_config()
        heads = config.num_attention_heads
        ranks = [settings.r for settings in getattr(model, "peft_config", {}).values()]
        outside = {id(weight) for part in (model.get_input_embeddings(), model.get_output_embeddings()) for weight in part.parameters()}
        matrices = [weight for weight in model.parameters() if weight.ndim == 2 and id(weight) not in outside]
        return cls(
            layers=config.num_hidden_layers,
            width=config.hidden_size,
            attention=heads * (getattr(config, "head_dim", None) or config.hidden_size // heads),
            heads=heads,
            inner=getattr(config, "intermediate_size", None) or 4 * config.hidden_size,
            rank=max(ranks, default=0),
            plain=getattr(config, "_attn_implementation", "") == "eager",
            mixed=mixed,
            weights=sum(weight.numel() for weight in matrices if weight.dtype == torch.float32) if mixed else 0,
        )

    def kept(self, longest: int) -> int:
        """Bytes that one block keeps of one token for the backward pass.

        Args:
            longest: tokens in a row, for attention that keeps scores and for the mask of attention that does not.
        """
        size = 2 if self.mixed else 4
        residuals = 4 * 2 * self.width  # float32, what the two norms read
        norms = 0 if self.rank else 4 * 2 * self.width  # what a trained norm's weight is multiplied with
        # Under autocast every projection gets a copy of its input, else those that read the same share it.
        inputs = size * (5 * self.width + self.attention if self.mixed else 2 * self.width)
        inside = size * (4 * self.attention + 4 * self.inner)  # queries, keys, values, outputs; gate, its activation, up, their product
        adapters = size * 7 * self.rank
        scores = self.heads * longest * (4 + 2 if self.mixed else 4) if self.plain else 4 * longest
        return residuals + norms + inputs + inside + adapters + scores

    def activations(self, tokens: int, longest: int, *, recompute: bool) -> int:
        """Bytes of a forward and backward pass over so many tokens, padding included: what all blocks keep (with `recompute` what goes
        into them, and one block), and a block's share for what exists only while one is worked on."""
        block = self.kept(longest) * tokens
        copies = 2 * self.weights // (self.layers if recompute else 1)
        if recompute:
            return self.layers * tokens * 4 * self.width + 2 * block + copies
        return (self.layers + 1) * block + copies


@dataclass(frozen=True)
class StepMemory:
    """What one step adds to a model that is loaded already, in bytes.

    Attributes:
        optimizer: gradients and moments.
        kept: activations, when they are kept.
        recomputed: activations, when they are computed again.
        head: logits of a chunk, their logarithms and gradients; with `mixed` two copies in bfloat16 of a float32 head.
    """

    optimizer: int
    kept: int
    recomputed: int
    head: int

    def total(self, *, recompute: bool) -> int:
        """All of it."""
        return self.optimizer + self.head + (self.recomputed if recompute else self.kept)


def step_memory(model: nn.Module, batch: MicroBatch, *, mixed: bool) -> StepMemory:
    """What a step takes whose largest micro-batch is `batch`."""
    rows = cast("Any", model.config).get_text_config().vocab_size
    tokens, longest = batch.padded_tokens, batch.input_ids.shape[1]
    with mixed_precision(model, enabled=mixed, longest=longest):  # where another attention may be chosen
        blocks = Blocks.of(model, mixed=mixed)
    device = next(model.parameters()).device.type
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    return StepMemory(
        optimizer=_ADAM * trained,
        kept=blocks.activations(tokens, longest, recompute=False),
        recomputed=blocks.activations(tokens, longest, recompute=True),
        head=3 * min(batch.targets * 4 * rows, CHUNK_BYTES.get(device, 2**27)) + (4 * rows * blocks.width if blocks.weights else 0),
    )


def largest_batch(dataset: StepDataset) -> MicroBatch:
    """The micro-batch with the most tokens, padding included, of the steps with the most tokens."""
    order = dataset.plan.tokens.argsort()[-_LARGEST_OF:]
    return max((batch for step in order.tolist() for batch in dataset[step]), key=lambda batch: batch.padded_tokens)


@dataclass(frozen=True)
class Activations:
    """Whether activations are computed again in the backward pass, and why, for people."""

    recompute: bool
    reason: str

    @property
    def line(self) -> str:
        """A sentence."""
        return f"activations are {'recomputed' if self.recompute else 'kept'}: {self.reason}"


def choose_activations(wanted: bool | str, model: nn.Module, dataset: StepDataset, *, mixed: bool) -> Activations:
    """What `batch.recompute` comes to here: as it says, or with `auto` kept wherever they fit into `SHARE` of the free memory.

    Args:
        wanted: True, False or "auto".
        model: as it will be trained, on its device.
        dataset: the stage's steps.
        mixed: see `DeviceChoice.mixed`.
    """
    if wanted != "auto":
        return Activations(bool(wanted), "as the recipe says")
    need = step_memory(model, largest_batch(dataset), mixed=mixed)
    device = next(model.parameters()).device
    room = free_memory(device)
    kept, recomputed = spoken_bytes(need.total(recompute=False)), spoken_bytes(need.total(recompute=True))
    if room is None:
        return Activations(False, f"a step takes about {kept}, and how much is free is not known")
    usable = SHARE[device.type] * room.bytes
    if need.total(recompute=False) <= usable:
        return Activations(False, f"a step takes about {kept} of {room}")
    short = "" if need.total(recompute=True) <= usable else "; that may be too much too: lower batch.micro_tokens"
    return Activations(True, f"kept, a step would take about {kept} of {room}; so it takes {recomputed}{short}")


def set_recompute(model: Any, *, on: bool) -> None:
    """Switch activation checkpointing of a model's blocks on or off."""
    new = hasattr(model, "activation_checkpointing_enable")  # transformers before 5.20 know the older name only
    name = "activation_checkpointing" if new else "gradient_checkpointing"
    if on:
        getattr(model, f"{name}_enable")({"use_reentrant": False})
    elif any(getattr(module, "gradient_checkpointing", False) for module in model.modules()):
        getattr(model, f"{name}_disable")()
