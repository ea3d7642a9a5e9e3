"""First values for new embedding rows: one small file a method, and the table of them. docs/vocab.md says when to take which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...mt.errors import ConfigError, nearest
from ..rows import RowPlan, fill_rows
from . import align, distillation, focus, mean, merge, random, similarity
from .context import InitContext
from .distillation import Refine

__all__ = ["METHODS", "InitContext", "Method", "find_method", "initialise_rows"]


@dataclass(frozen=True)
class Method:
    """A way to give new rows their first values.

    Attributes:
        name: as users spell it.
        summary: half a sentence.
        plan: says how much of which old row goes into each new one.
        needs_text: reads text in the new pieces' language.
        needs_helper: reads another model's embeddings.
        refine: trains the rows of the expanded model after `plan` filled them; None for all but distillation.
    """

    name: str
    summary: str
    plan: Callable[[InitContext], RowPlan]
    needs_text: bool = False
    needs_helper: bool = False
    refine: Refine | None = None


METHODS = {
    method.name: method
    for method in (
        Method("random", "draws from N(mean, std) of each dimension of the old rows", random.plan),
        Method("mean", "mean of the base pieces of the piece's text", mean.plan),
        Method("merge", "recursive mean over the merges that made the piece", merge.plan),
        Method("align", "mean of the base pieces found where the piece stands in the text", align.plan, needs_text=True),
        Method("focus", "sparsemax of similarities between fastText vectors of the text", focus.plan, needs_text=True),
        Method("similarity", "average of shared pieces, weighted by cosine in a helper model", similarity.plan, needs_helper=True),
        Method(
            "distillation",
            "mean, then trained to give the hidden states that the base pieces give",
            mean.plan,
            needs_text=True,
            refine=distillation.refine,
        ),
    )
}


def find_method(name: str) -> Method:
    """A method by its name.

    Raises:
        ConfigError: there is no such method.
    """
    if name not in METHODS:
        raise ConfigError(f"no method of initialisation {name!r}", where="--method", allowed=nearest(name, METHODS))
    return METHODS[name]


def initialise_rows(context: InitContext, method: str) -> Tensor:
    """First values (new, d) of the new rows, for the input embeddings or the head: whichever `context.matrix` holds; in its dtype.

    Distillation's training needs the expanded model and is not part of this: its rows are the means it starts from.

    Raises:
        ConfigError: no such method, or one that needs text or a helper that the context lacks.
    """
    found = find_method(method)
    assert context.matrix is not None, "there are no old rows to make new ones of"
    out = torch.empty(context.count, context.matrix.shape[1], dtype=context.matrix.dtype, device=context.matrix.device)
    fill_rows(found.plan(context), context.matrix, out, context.seed)
    return out
