"""Texts to rows of ids, and rows to pooled vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

Rows = Sequence[Sequence[int]]
Read = Callable[["Tensor", "Tensor"], "Tensor"]
_TOKENS = 2048  # of a batch that is only read, padding included


@dataclass
class Cuts:
    """How many texts were longer than what is read of a text, by who read them."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, reader: str, rows: Rows, longest: int) -> None:
        """Count the rows over `longest`."""
        over = sum(len(row) > longest for row in rows)
        if over:
            self.counts[reader] = self.counts.get(reader, 0) + over


@dataclass(frozen=True)
class Padding:
    """How rows become tensors: the id that fills them, and where they go."""

    filler: int
    device: str = "cpu"

    def tensors(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Ids (B, S), padded on the right, and their mask (B, S)."""
        import torch

        width = max(map(len, rows))
        ids = torch.tensor([[*row, *[self.filler] * (width - len(row))] for row in rows], device=self.device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=self.device)
        return ids, mask


def text_rows(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """A language model's ids of each text, without special tokens; what is spelled like one is text. Nothing becomes one EOS."""
    rows = [list(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)) for text in texts]
    return [row or [int(tokenizer.eos_token_id)] for row in rows]


def shortened(rows: Rows, longest: int, closings: Sequence[str], size: Callable[[str], int]) -> list[list[int]]:
    """Rows of at most `longest` ids: longer ones lose what is before their closing, or their end.

    Args:
        rows: ids of texts.
        longest: 2 or more.
        closings: of each text the end that shall stay, if need be without its own beginning.
        size: how many of a row's last ids a closing is.
    """
    found = []
    for row, closing in zip(rows, closings, strict=True):
        kept = min(size(closing), longest - 1) if len(row) > longest else 0
        found.append([*row[: longest - kept], *row[len(row) - kept :]] if len(row) > longest else list(row))
    return found


def vectors_of(read: Read, rows: Rows, padding: Padding) -> Tensor:
    """(N, d) float32 vectors of N rows, on the CPU and in their order, read without gradients in batches of like length."""
    import torch

    from ....mt.specialists.batches import batches

    found: list[Tensor] = [torch.empty(0)] * len(rows)
    with torch.no_grad():
        for batch in batches([len(row) for row in rows], _TOKENS):
            vectors = read(*padding.tensors([rows[number] for number in batch]))
            for number, vector in zip(batch, vectors.float().cpu(), strict=True):
                found[number] = vector
    return torch.stack(found)
