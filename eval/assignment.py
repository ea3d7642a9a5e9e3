"""Exclusive assignment: the most demands that can be met when each takes one span of a text and no two spans share a character.

With spans of single words this is bipartite matching; spans of several words, which may overlap in part, make it interval scheduling with
alternatives. Segments hold few terms, so it is solved exactly: from left to right, remembering which demands are still open among those
that have a span ahead. Independent stretches of a text are solved apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_MOST_STATES = 2_000


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of characters, `end` excluded, that can meet one unit of demand `demand`."""

    start: int
    end: int
    demand: int


def most_met(spans: Iterable[Span], needed: Sequence[int]) -> list[int]:
    """How many units of each demand are met in an assignment that meets the most in total.

    Args:
        spans: candidates, each of at least one character; `demand` indexes `needed`.
        needed: units of each demand (a term that occurs twice in the source needs two spans).

    Returns:
        Units met of each demand. Exact; past 2,000 states in one stretch (adversarial input), spans that end first are taken first.
    """
    met = [0] * len(needed)
    for component in _components(sorted(set(spans))):
        for demand in _best(component, needed):
            met[demand] += 1
    return met


def _components(spans: Sequence[Span]) -> list[list[Span]]:
    """Spans that compete, directly or through others, for characters or for a demand, in text order."""
    parent: dict[int, int] = {}

    def root(demand: int) -> int:
        while parent.setdefault(demand, demand) != demand:
            demand = parent[demand]
        return demand

    reach, before = -1, -1
    for span in spans:
        if span.start < reach:
            parent[root(span.demand)] = root(before)
        if span.end > reach:
            reach = span.end
        before = span.demand
    groups: dict[int, list[Span]] = {}
    for span in spans:
        groups.setdefault(root(span.demand), []).append(span)
    return list(groups.values())


def _best(spans: Sequence[Span], needed: Sequence[int]) -> list[int]:
    """The demands met, once for each unit. `spans` is sorted by start.

    A layer holds, for every set of still open demands and every end of the last span taken, the largest assignment that leads there; only
    what can matter for the spans ahead tells two states apart.
    """
    last_use = {span.demand: index for index, span in enumerate(spans)}
    total = {span.demand: needed[span.demand] for span in spans}
    layer: dict[tuple[int, tuple[tuple[int, int], ...]], tuple[int, ...]] = {(0, ()): ()}
    for index, span in enumerate(spans):
        following: dict[tuple[int, tuple[tuple[int, int], ...]], tuple[int, ...]] = {}
        for (end, used), taken in layer.items():
            choices = [(end, dict(used), taken)]
            if end <= span.start and dict(used).get(span.demand, 0) < total[span.demand]:
                choices.append((span.end, dict(used) | {span.demand: dict(used).get(span.demand, 0) + 1}, (*taken, span.demand)))
            for reached, counts, path in choices:
                ahead = tuple(sorted((demand, count) for demand, count in counts.items() if last_use[demand] > index))
                busy = reached if index + 1 < len(spans) and reached > spans[index + 1].start else 0
                key = (busy, ahead)
                if len(path) > len(following.get(key, ())) or key not in following:
                    following[key] = path
        if len(following) > _MOST_STATES:
            return _first_ending(spans, needed)
        layer = following
    largest = max(layer.values(), key=len)
    return list(largest)


def _first_ending(spans: Sequence[Span], needed: Sequence[int]) -> list[int]:
    taken: list[int] = []
    reach = 0
    for span in sorted(spans, key=lambda each: each.end):
        if span.start >= reach and taken.count(span.demand) < needed[span.demand]:
            taken.append(span.demand)
            reach = span.end
    return taken
