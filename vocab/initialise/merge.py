"""Recursive mean over the merge tree: a piece made of `l` and `r` is (v(l) + v(r)) / 2, down to pieces of the base vocabulary.

Where several merges give the same piece, their trees are averaged. A new piece that no merge makes (a letter that a SentencePiece
vocabulary lacked) is a leaf too, worth the mean of its bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ..rows import RowPlan
from .context import InitContext
from .fallbacks import Weights, plan_with_fallbacks
from .mean import mean_weights


def plan(context: InitContext) -> RowPlan:
    """Pieces without a merge (Unigram, added tokens) get their mean, then random rows."""
    return plan_with_fallbacks(context, {"merge": merge_weights(context, range(context.count))}, {"mean": mean_weights})


def merge_weights(context: InitContext, rows: Sequence[int]) -> Weights:
    """Weights of base pieces for each of these new pieces; rows without a whole tree are left out."""
    pieces = context.addition.pieces
    base = context.base.get_vocab()
    trees = defaultdict(list)
    for left, right in context.addition.merges:
        trees[left + right].append((left, right))
    leaves = [row for row, piece in enumerate(pieces) if piece not in trees]
    known = {pieces[row]: weights for row, weights in mean_weights(context, leaves).items()}

    def value(piece: str) -> dict[int, float] | None:
        found = base.get(piece)
        if found is not None and found < context.first_id:
            return None if found in context.special_ids else {found: 1.0}
        return known.get(piece)

    # The parts of a piece are shorter than it, so by rising length they are always known before it.
    for piece in sorted(trees, key=len):
        if value(piece) is None:
            sums = [_half(halves) for left, right in trees[piece] if (halves := (value(left), value(right)))]
            whole = [each for each in sums if each is not None]
            if whole:
                known[piece] = _average(whole)
    return {row: known[pieces[row]] for row in rows if pieces[row] in trees and pieces[row] in known}


def _half(parts: tuple[dict[int, float] | None, dict[int, float] | None]) -> dict[int, float] | None:
    left, right = parts
    return None if left is None or right is None else _average([left, right])


def _average(each: Sequence[dict[int, float]]) -> dict[int, float]:
    total: defaultdict[int, float] = defaultdict(float)
    for weights in each:
        for old, weight in weights.items():
            total[old] += weight / len(each)
    return dict(total)
