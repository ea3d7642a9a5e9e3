"""What a row gets when its method has nothing to say about it; never silently: every row keeps the name of what gave it its values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..rows import Combination, RowPlan, SparseRows
from .context import InitContext

Weights = dict[int, dict[int, float]]
Heuristic = Callable[[InitContext, Sequence[int]], Weights]


def plan_with_fallbacks(
    context: InitContext,
    found: Mapping[str, Weights],
    fallbacks: Mapping[str, Heuristic],
    *,
    given: Mapping[int, str] | None = None,
    parts: Sequence[Combination] = (),
    facts: Mapping[str, Any] | None = None,
) -> RowPlan:
    """A plan from what a method found, the fallbacks in turn for the rest, and random rows for what is left.

    Args:
        context: the expansion.
        found: `{origin: {new row: {old row: weight}}}`.
        fallbacks: `{origin: heuristic}`, asked in this order for the rows still without values.
        given: `{new row: origin}` of the rows that `parts` fill.
        parts: what a method gives in another form than sparse weights.
        facts: the method's figures.
    """
    origins = dict(given or {})
    weights: Weights = {}
    for origin, rows in found.items():
        weights.update(rows)
        origins.update(dict.fromkeys(rows, origin))
    for origin, heuristic in fallbacks.items():
        missing = [row for row in range(context.count) if row not in origins]
        more = heuristic(context, missing) if missing else {}
        weights.update(more)
        origins.update(dict.fromkeys(more, origin))
    sparse = (SparseRows.of(weights),) if weights else ()
    return RowPlan(tuple(origins.get(row, "random") for row in range(context.count)), (*parts, *sparse), dict(facts or {}))
