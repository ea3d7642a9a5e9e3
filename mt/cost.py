"""What training costs: operations a token, bytes moved, and what share of the device's measured ceiling a run reaches.

A multiplication with its addition counts as two operations. Only matrix products count, as torch's `FlopCounterMode` counts them: linear
layers, the head, and attention over whole squares of an example (twice what a causal mask leaves, by custom). The formulas are in
docs/performance.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from .batches import MicroBatch

_FIRST_INPUTS = ("q_proj", "k_proj", "v_proj", "qkv_proj")  # what reads the embeddings: nothing below them asks for a gradient
_CEILING_SIZE = {"cpu": 1024, "cuda": 8192}


@dataclass(frozen=True)
class Work:
    """What is computed on: tokens in the blocks, positions in the head, and the sum of squared example lengths in attention."""

    tokens: int = 0
    positions: int = 0
    squares: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.tokens + other.tokens, self.positions + other.positions, self.squares + other.squares)


def real_work(batches: Sequence[MicroBatch]) -> Work:
    """The work that the examples themselves ask for: no padding, no attention across examples, the head at targets only."""
    squares = sum(int(length) ** 2 for batch in batches if batch.real_tokens for length in batch.lengths().tolist())
    return Work(sum(batch.real_tokens for batch in batches), sum(batch.targets for batch in batches), squares)


@dataclass(frozen=True)
class CostModel:
    """Operations of one forward and backward pass, per unit of `Work`.

    Attributes:
        forward: per token, linear layers of the blocks (adapters included).
        backward: per token: gradients of inputs everywhere, of weights where they are trained.
        head: per position, forward and backward.
        attention: per square, forward: two products; backward is twice that.
        recompute: whether the blocks' forward is computed a second time in the backward pass.
        weight_bytes: of all weights as they lie in memory.
        trained: number of trained weights.
    """

    forward: int
    backward: int
    head: int
    attention: int
    recompute: bool
    weight_bytes: int
    trained: int

    def needed(self, work: Work) -> int:
        """Operations that the mathematics asks for; recomputation is not among them."""
        return work.tokens * (self.forward + self.backward) + work.positions * self.head + work.squares * 3 * self.attention

    def executed(self, work: Work) -> int:
        """Operations that are done, recomputation included."""
        again = work.tokens * self.forward + work.squares * self.attention if self.recompute else 0
        return self.needed(work) + again

    def moved(self, passes: int, steps: int = 1) -> int:
        """Bytes of weights moved, activations aside: read in each forward and backward pass (once more with recomputation); and at each
        step a float32 gradient read, two moments and the weight read and written, for every trained weight."""
        return passes * self.weight_bytes * (3 if self.recompute else 2) + steps * self.trained * 7 * 4


def cost_model(model: nn.Module, *, recompute: bool = False) -> CostModel:
    """Read the costs off a model as it stands: which layers there are, which weights train, which adapters are attached."""
    output = model.get_output_embeddings()  # type: ignore[operator]
    head = {id(module) for module in output.modules()} if output is not None else set()
    # Recomputed blocks must be told by their input that a gradient is wanted, so embeddings that do not train get one too.
    embedded = recompute or any(p.requires_grad for p in model.get_input_embeddings().parameters())  # type: ignore[operator]
    forward = backward = at_head = 0
    for name, module in _linears(model):
        size = module.in_features * module.out_features
        trained = module.weight.requires_grad
        gradients = int(embedded or not _reads_embeddings(name)) + int(trained)
        if id(module) in head:
            at_head += 2 * size * (1 + gradients)
        else:
            forward += 2 * size
            backward += 2 * size * gradients
    return CostModel(
        forward,
        backward,
        at_head,
        4 * _attention_width(model),
        recompute,
        sum(p.numel() * p.element_size() for p in model.parameters()),
        sum(p.numel() for p in model.parameters() if p.requires_grad),
    )


def _linears(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Every linear layer that is computed; 4-bit ones and those of adapters are `nn.Linear` too."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and ".original_module" not in name:
            yield name, module


def _reads_embeddings(name: str) -> bool:
    """Whether a layer's input is the embeddings: a projection of the first block's attention, or the A of its adapter."""
    if ".lora_B" in name:
        return False
    parts = name.split(".")
    return "layers" in parts and parts[parts.index("layers") + 1] == "0" and any(part in _FIRST_INPUTS for part in parts)


def _attention_width(model: nn.Module) -> int:
    """Layers x heads x head size."""
    config: Any = model.config
    config = config.get_text_config()
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    return int(config.num_hidden_layers * heads * size)


def matmul_ceiling(device: str, dtype: torch.dtype, rounds: int = 4) -> float:
    """Operations a second that a plain square matrix product reaches here: the best of a few, a tenth of a second on two cores."""
    kind = device.partition(":")[0]
    size = _CEILING_SIZE.get(kind, 1024)
    left = torch.ones(size, size, device=device, dtype=dtype)
    right = torch.ones(size, size, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(rounds):
        _wait(kind)
        started = time.perf_counter()
        left @ right
        _wait(kind)
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def _wait(kind: str) -> None:
    if kind == "cuda":
        torch.cuda.synchronize()


@dataclass(frozen=True)
class Ceiling:
    """What the device could do: operations a second of a plain matrix product."""

    per_second: float

    def share(self, operations: float, seconds: float) -> float:
        """Model FLOPs utilisation (MFU): the needed operations done in so many seconds, as a share of the ceiling."""
        return operations / seconds / self.per_second if seconds > 0 else 0.0

    def facts(self, operations: int, seconds: float, processes: int = 1) -> dict[str, float]:
        """For metrics.jsonl. Each of several processes is taken to have a device of its own."""
        return {
            "operations": operations,
            "ceiling": self.per_second * processes,
            "mfu": round(self.share(operations / processes, seconds), 4),
        }


def spoken(operations: float) -> str:
    """A number of operations as people write it: 142 GFLOP, 1.9 TFLOP."""
    for unit, size in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if operations >= size:
            return f"{operations / size:.3g} {unit}FLOP"
    return f"{operations:.0f} FLOP"
