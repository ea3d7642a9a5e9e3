"""Which examples go into a prompt: the same for every text, drawn at random, or those most like the text.

Alike in words (BM25), in meaning (the cosine of sentence vectors), or in both, by reciprocal rank fusion (Cormack et al. 2009).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from ..errors import ConfigError
from ..lexicons.folding import folded_text
from ..sentence_vectors import SentenceVectors
from .bm25 import Bm25
from .records import Shot

Selection = Literal["fixed", "random", "bm25", "embedding", "both"]
SIMILAR = ("bm25", "embedding", "both")
_Order = Callable[[str], Sequence[int]]
_Scores = Callable[[str], Sequence[float]]
_FUSION = 60  # the constant of reciprocal rank fusion: how little the first ranks stand out


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
    def of(
        cls, shots: Sequence[Shot], count: int, select: Selection = "fixed", seed: int = 1, *, vectors: SentenceVectors | None = None
    ) -> ExampleSource:
        """A source of examples.

        Args:
            shots: the examples of one direction.
            count: how many a prompt gets.
            select: `fixed`: the first ones, or the best where any has a score; `random`: others for each text, the same for one text and
                seed; `bm25`, `embedding`, `both`: the most similar, of equals the better.
            seed: of `random`.
            vectors: of sentences, for `embedding` and `both`; the examples' sources are encoded here.

        Raises:
            ConfigError: `embedding` or `both` without vectors.
        """
        sources = [shot.source for shot in shots]
        scored = any(shot.score is not None for shot in shots)
        quality = [shot.score if shot.score is not None else float("-inf") for shot in shots]
        ranked = sorted(range(len(shots)), key=lambda number: -quality[number]) if scored else list(range(len(shots)))
        orders: dict[str, Callable[[], _Order]] = {
            "fixed": lambda: lambda _: ranked,
            "random": lambda: partial(_shuffled, len(shots), seed),
            "bm25": lambda: partial(_similar, Bm25(sources).scores, ranked),
            "embedding": lambda: partial(_similar, _cosines(sources, vectors), ranked),
            "both": lambda: partial(_similar, _fused(Bm25(sources).scores, _cosines(sources, vectors)), ranked),
        }
        return cls(tuple(shots), count, select in SIMILAR or (select == "fixed" and scored), orders[select]())

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


def _similar(scores: _Scores, ranked: Sequence[int], text: str) -> Sequence[int]:
    found = scores(text)
    return sorted(ranked, key=lambda number: -found[number])


def _cosines(sources: Sequence[str], vectors: SentenceVectors | None) -> _Scores:
    if vectors is None:
        raise ConfigError("examples by embedding, but no sentence vectors", where="examples", allowed="vectors from load_sentence_vectors")
    known = vectors.encode(sources)  # (N, d), of length 1

    def cosines(text: str) -> Sequence[float]:
        found: list[float] = (known @ vectors.encode([text])[0]).tolist()
        return found

    return cosines


def _fused(words: _Scores, meaning: _Scores) -> _Scores:
    """Two rankings as one; a text that shares no word has no rank among the words."""

    def fused(text: str) -> Sequence[float]:
        scores = words(text)
        parts = [_reciprocal_ranks(scores), _reciprocal_ranks(meaning(text))]
        return [(first if score > 0 else 0.0) + second for score, first, second in zip(scores, *parts, strict=True)]

    return fused


def _reciprocal_ranks(scores: Sequence[float]) -> list[float]:
    """Of each score 1 / (60 + its rank), the highest of rank 1; equal scores share a rank."""
    rank = {score: number for number, score in enumerate(sorted(set(scores), reverse=True), 1)}
    return [1 / (_FUSION + rank[score]) for score in scores]
