"""Vectors in front of a prompt, where token embeddings would stand: what an encoder says about the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Prefix:
    """Vectors that go in between the ids of a prompt.

    Attributes:
        states: (P, d).
        place: after how many ids of the prompt (1 behind BOS, 0 where there is none).
    """

    states: torch.Tensor
    place: int

    def __len__(self) -> int:
        return len(self.states)


def prompt_embeddings(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], prefixes: Sequence[Prefix | None], *, side: Literal["left", "right"]
) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, T, d) what a model reads instead of ids, padded with zeros on one side, and (B, T) its mask."""
    layer = model.get_input_embeddings()
    weight = layer.weight
    rows = []
    for prompt, prefix in zip(prompts, prefixes, strict=True):
        row = layer(torch.tensor(prompt, dtype=torch.long, device=weight.device))  # (L, d)
        if prefix is not None:
            row = torch.cat([row[: prefix.place], prefix.states.to(row), row[prefix.place :]])
        rows.append(row)
    width = max(map(len, rows))
    padded, masks = [], []
    for row in rows:
        fill, real = row.new_zeros(width - len(row), row.shape[1]), [1] * len(row)
        empty = [0] * (width - len(row))
        padded.append(torch.cat([fill, row] if side == "left" else [row, fill]))
        masks.append(empty + real if side == "left" else real + empty)
    return torch.stack(padded), torch.tensor(masks, device=weight.device)
