"""FOCUS (Dobler & de Melo 2023): similarities of pieces come from static vectors trained on text that the new tokenizer split.

Old pieces in that text are the overlap; a new row is the sum of the overlap's rows, weighted by sparsemax of the cosines between the
static vectors. The vectors are fastText's (CBOW, 100 dimensions, 3 epochs), trained by floret, Explosion's build of it. It has no seed but
its own; on one thread the same text gives the same rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ...mt.errors import ConfigError
from ..rows import RowPlan
from ..segmentation import segment
from .context import InitContext
from .fallbacks import Weights, plan_with_fallbacks
from .mean import mean_weights

DIMENSIONS = 100
EPOCHS = 3
_BUCKETS = 200_000  # character n-grams are hashed into so many vectors: 80 MB
_BATCH = 512  # texts
_ROWS = 256  # new rows whose cosines with the whole overlap are held at once


def plan(context: InitContext) -> RowPlan:
    """Pieces that are not in the text get their mean, else a random row.

    Raises:
        ConfigError: floret is not installed.
    """
    seen, lines = _write_and_train(context)
    ids = sorted(seen)
    overlap = [one for one in ids if one < context.first_id and one not in context.special_ids]
    new = [one for one in ids if context.first_id <= one < context.first_id + context.count]
    weights: Weights = {}
    if overlap and new:
        shared = normalize(torch.stack([seen[one] for one in overlap]), dim=1)
        for start in range(0, len(new), _ROWS):
            chosen = new[start : start + _ROWS]
            shares = sparsemax(normalize(torch.stack([seen[one] for one in chosen]), dim=1) @ shared.T)
            weights.update(_rows(shares, overlap, [one - context.first_id for one in chosen]))
    return plan_with_fallbacks(context, {"focus": weights}, {"mean": mean_weights}, facts={"lines": lines, "overlap": len(overlap)})


def sparsemax(scores: Tensor) -> Tensor:
    """Each row of `scores` (r, m) projected onto the probability simplex (Martins & Astudillo 2016): most weights are exactly zero."""
    ordered = scores.sort(dim=1, descending=True).values
    sums = ordered.cumsum(1) - 1
    places = torch.arange(1, scores.shape[1] + 1, device=scores.device)
    support = (ordered * places > sums).sum(1, keepdim=True)
    return (scores - sums.gather(1, support - 1) / support).clamp(min=0)


def _rows(shares: Tensor, overlap: Sequence[int], rows: Sequence[int]) -> Weights:
    found: Weights = {row: {} for row in rows}
    where, column = shares.nonzero(as_tuple=True)
    for index, place, share in zip(where.tolist(), column.tolist(), shares[where, column].tolist(), strict=True):
        found[rows[index]][overlap[place]] = share
    return found


def _write_and_train(context: InitContext) -> tuple[dict[int, Tensor], int]:
    """The static vector of every id in the texts, and how many texts there were."""
    if find_spec("floret") is None:
        raise ConfigError("`focus` trains fastText vectors with floret, which is not installed", hint="pip install 'dragoman[focus]'")
    import floret

    seen: set[int] = set()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "segmented.txt"
        with file.open("w", encoding="utf-8", newline="\n") as stream:
            for start in range(0, len(context.texts), _BATCH):
                for ids in segment(context.extended, context.texts[start : start + _BATCH]):
                    seen.update(ids)
                    stream.write(" ".join(_word(context, one) for one in ids) + "\n")
        model = floret.train_unsupervised(
            str(file), model="cbow", mode="fasttext", dim=DIMENSIONS, epoch=EPOCHS, minCount=1, bucket=_BUCKETS, thread=1,
            verbose=0,
        )  # fmt: skip
    vectors = {one: np.array(model.get_word_vector(_word(context, one)), np.float32) for one in seen}
    return {one: torch.from_numpy(each) for one, each in vectors.items() if each.any()}, len(context.texts)


def _word(context: InitContext, piece_id: int) -> str:
    """A piece as one word for fastText, which splits at ASCII whitespace: spaces become `▁`, what cannot stand so is told by its id."""
    try:
        word = context.bytes_of[piece_id].decode("utf-8").replace(" ", "▁")
    except UnicodeDecodeError:
        word = ""
    return word if word and not any(each.isspace() or each == "\0" for each in word) else f"<{piece_id}>"
