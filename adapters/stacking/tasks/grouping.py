"""Items of one or several texts: a label is chosen by a text's outputs, or an option by the score of the text that ends with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from .reading import Rows

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Groups:
    """Which texts belong to which item: the first `sizes[0]` to the first, and so on."""

    sizes: tuple[int, ...]

    def texts_of(self, items: Sequence[int]) -> list[int]:
        """The numbers of the items' texts, item after item."""
        return [number for item in items for number in range(self._starts[item], self._starts[item + 1])]

    def sizes_of(self, items: Sequence[int]) -> list[int]:
        """How many texts each of the items has."""
        return [self.sizes[item] for item in items]

    def lengths(self, rows: Rows) -> list[int]:
        """Of each item its longest row."""
        return [max(len(row) for row in rows[start:end]) for start, end in pairwise(self._starts)]

    def passes(self, rows: Rows, tokens: int) -> Callable[[list[int]], list[list[int]]]:
        """Cuts items into passes of at most so many tokens, padding included; an item is never cut, however many it has."""
        lengths = self.lengths(rows)

        def cut(items: list[int]) -> list[list[int]]:
            found: list[list[int]] = []
            texts = longest = 0
            for item in items:
                texts, longest = texts + self.sizes[item], max(longest, lengths[item])
                if not found or texts * longest > tokens:
                    found.append([])
                    texts, longest = self.sizes[item], lengths[item]
                found[-1].append(item)
            return found

        return cut

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *accumulate(self.sizes)]


def by_item(logits: Tensor, sizes: Sequence[int]) -> Tensor:
    """(G, M) of a head's outputs (N, C) over N texts: of each item those of its texts in a row, minus infinity where it has fewer.

    For items of one text these are the outputs themselves. What the softmax of a row says is the probability of each label, or option.
    """
    from torch.nn.utils.rnn import pad_sequence

    rows = [part.flatten() for part in logits.split(list(sizes))]
    return pad_sequence(rows, batch_first=True, padding_value=float("-inf"))
