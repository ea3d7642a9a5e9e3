"""Lexical constraints in beam search: token sequences that an output must hold, each with alternatives any of which will do.

Dynamic beam allocation (Post & Vilar 2018, arXiv 1804.06609): the beam is shared among hypotheses by how much of the constraints they have,
so that one that has more of them is not crowded out by likelier ones that have less. Added here: alternatives (disjunctive constraints),
and word boundaries, so that the pieces of a term inside a longer word do not count.

What an output has is a property of its tokens alone: the most constraints that can be met when each takes a stretch of its own.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..eval.assignment import Span, most_met
from .lexicons.folding import in_word, unspaced

Alternatives = tuple[tuple[int, ...], ...]
_UNKNOWN = "\ufffd"  # a piece of a character


@dataclass(frozen=True, slots=True)
class Progress:
    """What a hypothesis has of its constraints.

    Attributes:
        length: tokens so far.
        met: how often each demand is met.
        spans: where its alternatives stand.
        under_way: alternatives whose beginning ends the hypothesis: demand, alternative, tokens there.
        last: text of the last token.
    """

    length: int
    met: tuple[int, ...]
    spans: tuple[Span, ...] = ()
    under_way: tuple[tuple[int, tuple[int, ...], int], ...] = ()
    last: str = ""


@dataclass(frozen=True)
class Constraints:
    """The constraints of one request; make them with `of`.

    Attributes:
        demands: the alternatives of each constraint that differs from the others.
        needed: how often each is required.
        token_text: text of one token, with the space before it.
    """

    demands: tuple[Alternatives, ...]
    needed: tuple[int, ...]
    token_text: Callable[[int], str]

    @classmethod
    def of(cls, required: Sequence[Alternatives], token_text: Callable[[int], str]) -> Constraints | None:
        """Constraints as a request has them; equal ones are met apart. None without any."""
        usable = [tuple(alternative for alternative in alternatives if alternative) for alternatives in required]
        counts = Counter(alternatives for alternatives in usable if alternatives)
        return cls(tuple(counts), tuple(counts.values()), token_text) if counts else None

    @property
    def start(self) -> Progress:
        """Of an empty output."""
        return Progress(0, (0,) * len(self.demands))

    def advance(self, progress: Progress, token: int) -> Progress:
        """After one more token."""
        text = self.token_text(token)
        glued = _one_word(progress.last, text)
        begun = [] if glued else [(demand, one, 0) for demand, alternatives in enumerate(self.demands) for one in alternatives]
        reached = [(demand, one, at + 1) for demand, one, at in (*progress.under_way, *begun) if one[at] == token]
        length = progress.length + 1
        kept = tuple(span for span in progress.spans if not (glued and span.end == progress.length))
        done = tuple(Span(length - at, length, demand) for demand, one, at in reached if at == len(one))
        spans = (*kept, *done)
        met = progress.met if spans == progress.spans else tuple(most_met(spans, self.needed))
        return Progress(length, met, spans, tuple(each for each in reached if each[2] < len(each[1])), text or progress.last)

    def missing(self, progress: Progress) -> int:
        """How many constraints are not met."""
        return sum(self.needed) - sum(progress.met)

    def wanted(self, progress: Progress) -> set[int]:
        """Tokens that begin or go on with something that is missing."""
        lacking = self._lacking(progress)
        found = {one[at] for demand, one, at in progress.under_way if demand in lacking}
        first = {one[0] for demand in lacking for one in self.demands[demand]}
        return found | {token for token in first if not _one_word(progress.last, self.token_text(token))}

    def distance(self, progress: Progress) -> int:
        """Tokens that a hypothesis still needs, of each constraint's shortest alternative; a share of them where one is under way."""
        lacking = self._lacking(progress)
        shortest = {demand: min(map(len, self.demands[demand])) for demand in lacking}
        rest = sum(count * shortest[demand] for demand, count in lacking.items())
        ahead = max((shortest[demand] * at / len(one) for demand, one, at in progress.under_way if demand in lacking), default=0.0)
        return math.ceil(rest - ahead)

    def _lacking(self, progress: Progress) -> dict[int, int]:
        counts = ((demand, needed - met) for demand, (needed, met) in enumerate(zip(self.needed, progress.met, strict=True)))
        return {demand: count for demand, count in counts if count}


def allocate(distances: Sequence[int], width: int) -> list[int]:
    """Which candidates become the beam: their numbers, in order.

    The likeliest has a place, so that terms may come late. The others are shared in turn among the candidates of each distance, the nearest
    first; places that a distance cannot fill go to the rest.

    Args:
        distances: of the candidates, the likeliest candidate first.
        width: places.
    """
    if width >= len(distances):
        return list(range(len(distances)))
    taken = {0} if width > 1 else set()
    groups = [[number for number, each in enumerate(distances) if each == distance] for distance in sorted(set(distances))]
    for place in range(max(map(len, groups), default=0)):
        for group in groups:
            if place < len(group) and len(taken) < width:
                taken.add(group[place])
    return sorted(taken)


def _one_word(before: str, after: str) -> bool:
    """Whether two tokens' texts are written as parts of one word, as far as their letters say."""
    if not before or not after or _UNKNOWN in (before[-1], after[0]):
        return False
    return in_word(before[-1]) and in_word(after[0]) and not unspaced(before[-1]) and not unspaced(after[0])
