"""Which examples go into a prompt: the same for every text, drawn at random, or those most like the text."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from ..lexicons.folding import folded_text
from .bm25 import Bm25
from .records import Shot

Selection = Literal["fixed", "random", "bm25"]
_Order = Callable[[str], Sequence[int]]


@dataclass(frozen=True)
class ExampleSource:
    """Examples, and how they are chosen; make one with `of`.

    Attributes:
        shots: all there are.
        count: how many a prompt gets, room permitting.
        best_last: whether the first chosen stands nearest to the source text.
    """

    shots: tuple[Shot, ...]
    count: int
    best_last: bool
    _order: _Order

    @classmethod
    def of(cls, shots: Sequence[Shot], count: int, select: Selection = "fixed", seed: int = 1) -> ExampleSource:
        """A source of examples.

        Args:
            shots: the examples of one direction.
            count: how many a prompt gets.
            select: `fixed`: the first ones, or the best where any has a score; `random`: others for each text, the same for one text and
                seed; `bm25`: the most similar, of equals the better.
            seed: of `random`.
        """
        scored = any(shot.score is not None for shot in shots)
        quality = [shot.score if shot.score is not None else float("-inf") for shot in shots]
        ranked = sorted(range(len(shots)), key=lambda number: -quality[number]) if scored else list(range(len(shots)))
        orders: dict[str, Callable[[], _Order]] = {
            "fixed": lambda: lambda _: ranked,
            "random": lambda: partial(_shuffled, len(shots), seed),
            "bm25": lambda: partial(_similar, Bm25([shot.source for shot in shots]), ranked),
        }
        return cls(tuple(shots), count, select == "bm25" or (select == "fixed" and scored), orders[select]())

    def choose(self, text: str) -> tuple[tuple[Shot, ...], bool]:
        """The examples for a text, the first chosen first, and `best_last`; never one whose source is the text itself."""
        own = folded_text(text)
        chosen: list[Shot] = []
        for number in self._order(text):
            if len(chosen) == self.count:
                break
            if folded_text(self.shots[number].source) != own:
                chosen.append(self.shots[number])
        return tuple(chosen), self.best_last


def _shuffled(size: int, seed: int, text: str) -> Sequence[int]:
    numbers = list(range(size))
    random.Random(f"{seed}\t{text}").shuffle(numbers)
    return numbers


def _similar(index: Bm25, ranked: Sequence[int], text: str) -> Sequence[int]:
    scores = index.scores(text)
    return sorted(ranked, key=lambda number: -scores[number])
