"""Random rows: independent draws from N(mean, std) of each dimension of the old rows."""

from __future__ import annotations

from ..rows import RowPlan
from .context import InitContext


def plan(context: InitContext) -> RowPlan:
    """Every row is drawn."""
    return RowPlan(("random",) * context.count)
