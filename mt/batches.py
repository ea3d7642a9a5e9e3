"""From the examples of one optimizer step to tensors: micro-batches that waste little and never let one example see another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from .examples import Example, Examples
from .plan import Plan

IGNORED = -100
Layout = Literal["buckets", "packed"]
MICRO_TOKENS = {"cpu": 1024, "cuda": 8192}  # CPU: measured, larger passes are hardly faster a token; GPU: not measured yet


@dataclass(frozen=True)
class MicroBatch:
    """The tensors of one forward pass.

    Attributes:
        input_ids: (B, T) token ids.
        attention_mask: (B, T) 1 for tokens, 0 for padding; None when packed (B = 1), where position_ids tell the documents apart.
        position_ids: (B, T), starting anew with each example.
        labels: (B, T) the id that position t must predict (already shifted), IGNORED where none is wanted.
        real_tokens: tokens without padding.
        members: indices of the examples in it.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor | None
    position_ids: torch.Tensor
    labels: torch.Tensor
    real_tokens: int
    members: tuple[int, ...]

    @property
    def padded_tokens(self) -> int:
        """Tokens computed, padding included."""
        return self.input_ids.numel()

    @property
    def targets(self) -> int:
        """Tokens that carry loss."""
        return int((self.labels != IGNORED).sum())

    def targets_of_each(self) -> list[int]:
        """Tokens of each example that carry loss."""
        wanted = self.labels != IGNORED
        rows = wanted.unbind() if self.attention_mask is not None else wanted[0].split(self.lengths().tolist())
        return [int(row.sum()) for row in rows]

    def lengths(self) -> torch.Tensor:
        """(N,) tokens of each example in it."""
        if self.attention_mask is not None:
            return self.attention_mask.sum(dim=1)
        starts = (self.position_ids[0] == 0).nonzero().flatten()
        return torch.diff(starts, append=torch.tensor([self.position_ids.shape[1]]))


def layout_for(wanted: Literal["auto", "buckets", "packed"], device: str) -> Layout:
    """`packed` on a GPU, where attention kernels skip what lies across examples; `buckets` on a CPU, where they do not."""
    if wanted != "auto":
        return wanted
    return "packed" if device == "cuda" else "buckets"


def shifted_labels(example: Example) -> npt.NDArray[np.int64]:
    """(L,) for each position the next id where it is to be predicted, IGNORED elsewhere; the last position predicts nothing."""
    labels = np.full(len(example.ids), IGNORED, dtype=np.int64)
    labels[example.target_start - 1 : -1] = example.ids[example.target_start :]
    return labels


def bucket_batch(examples: Sequence[Example], members: Sequence[int], padding: int) -> MicroBatch:
    """Rows padded on the right to the longest. Padding is masked by position: an id that is also EOS stays trained."""
    shape = len(examples), max(len(example.ids) for example in examples)
    input_ids = np.full(shape, padding, dtype=np.int64)
    labels = np.full(shape, IGNORED, dtype=np.int64)
    mask = np.zeros(shape, dtype=np.int64)
    for row, example in enumerate(examples):
        length = len(example.ids)
        input_ids[row, :length] = example.ids
        labels[row, :length] = shifted_labels(example)
        mask[row, :length] = 1
    positions = torch.arange(shape[1]).expand(shape)
    tensors = torch.from_numpy(input_ids), torch.from_numpy(mask), positions, torch.from_numpy(labels)
    return MicroBatch(*tensors, int(mask.sum()), tuple(members))


def packed_batch(examples: Sequence[Example], members: Sequence[int]) -> MicroBatch:
    """All examples end to end in one row; position ids that start anew keep attention inside each example."""
    ids = torch.from_numpy(np.concatenate([np.asarray(example.ids, dtype=np.int64) for example in examples]))[None]
    labels = torch.from_numpy(np.concatenate([shifted_labels(example) for example in examples]))[None]
    positions = torch.cat([torch.arange(len(example.ids)) for example in examples])[None]
    return MicroBatch(ids, None, positions, labels, ids.numel(), tuple(members))


def micro_batches(
    examples: Examples, members: Sequence[int], *, layout: Layout, micro_tokens: int, padding: int, together: int = 1
) -> Iterator[MicroBatch]:
    """One step's examples as forward passes of at most `micro_tokens` computed tokens (one longer example still gets its own).

    Of `members` each `together` neighbours stay in one pass, side by side and in their order.
    """
    lengths = {index: examples.length(index) for index in members}
    group: list[int] = []
    for unit in by_length(examples, members, together):
        if group and _is_full(group, lengths, unit, layout, micro_tokens):
            yield _assemble(examples, group, layout, padding)
            group = []
        group += unit
    if group:
        yield _assemble(examples, group, layout, padding)


def by_length(examples: Examples, members: Sequence[int], together: int = 1) -> list[list[int]]:
    """Each `together` neighbours as a list, those with the longest example first."""
    units = [list(members[start : start + together]) for start in range(0, len(members), together)]
    return sorted(units, key=lambda unit: -max(examples.length(index) for index in unit))


def _is_full(group: list[int], lengths: dict[int, int], unit: list[int], layout: Layout, micro_tokens: int) -> bool:
    if layout == "packed":
        return sum(lengths[index] for index in (*group, *unit)) > micro_tokens
    width = max(lengths[index] for index in group[: len(unit)])  # units come longest first
    if (len(group) + len(unit)) * width > micro_tokens:
        return True
    # A much shorter row would be mostly padding; a fresh batch is cheaper once this one is large enough to keep the device busy.
    return max(lengths[index] for index in unit) < 0.85 * width and len(group) * width >= micro_tokens // 4


def _assemble(examples: Examples, group: list[int], layout: Layout, padding: int) -> MicroBatch:
    chosen = [examples[index] for index in group]
    return packed_batch(chosen, group) if layout == "packed" else bucket_batch(chosen, group, padding)


class StepDataset(torch.utils.data.Dataset[list[MicroBatch]]):
    """Item `s` is the list of micro-batches of optimizer step `s`: this process's share of them when there are several."""

    def __init__(
        self, plan: Plan, examples: Examples, *, layout: Layout, micro_tokens: int, padding: int, rank: int = 0, processes: int = 1
    ) -> None:
        self.plan, self.examples = plan, examples
        self.layout, self.micro_tokens, self.padding = layout, micro_tokens, padding
        self.rank, self.processes = rank, processes

    def __len__(self) -> int:
        return len(self.plan.steps)

    def __getitem__(self, step: int) -> list[MicroBatch]:
        return list(self._share(self.plan.steps[step].tolist()))

    def _share(self, members: list[int]) -> Iterator[MicroBatch]:
        # Dealt by length, so that every process gets about the same work.
        together = self.plan.together
        every = by_length(self.examples, members, together)
        ordered = [index for unit in every[self.rank :: self.processes] for index in unit]
        if not ordered:
            yield self._silent(every[-1][0])
        yield from micro_batches(
            self.examples, ordered, layout=self.layout, micro_tokens=self.micro_tokens, padding=self.padding, together=together
        )

    def _silent(self, member: int) -> MicroBatch:
        """Something to run for a process that gets no example of a step, since the others wait for its (zero) gradients."""
        batch = packed_batch([self.examples[member]], [member])
        return replace(batch, labels=torch.full_like(batch.labels, IGNORED), real_tokens=0)

    def padding_share(self, steps: int = 200) -> float:
        """Share of the computed tokens that is padding, over the first `steps` steps."""
        batches = [batch for step in range(min(steps, len(self))) for batch in self[step]]
        computed = sum(batch.padded_tokens for batch in batches)
        return 1 - sum(batch.real_tokens for batch in batches) / computed if computed else 0.0
