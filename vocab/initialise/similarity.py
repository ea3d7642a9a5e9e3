"""CLP-style similarity (Ostendorff & Rehm 2023): which old pieces a new one is like is asked of another model, the helper.

A piece is in both vocabularies when both have a piece for the same bytes. A new row is the average of all shared old rows, weighted by
cos / sum(cos) between the helper's embeddings. Embeddings have a direction in common (SmolLM2's mean cosine is 0.55), which keeps that sum
away from zero; a piece whose cosines nearly cancel out would get a row of any size, and gets its mean instead. In the paper the helper
has the new vocabulary; where ours lacks a new piece, the mean of the helper's pieces of its text stands for it, and the row is counted
apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ...mt.errors import ConfigError, ModelError
from ..rows import RowPlan, SimilarRows, SparseRows
from .context import InitContext, PieceTable
from .fallbacks import plan_with_fallbacks
from .mean import base_segments, mean_weights

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LEAST = 0.05  # mean cosine with the shared pieces
WHOLE, SPELLED = "similarity", "similarity, spelled by the helper"


def plan(context: InitContext) -> RowPlan:
    """Pieces that the helper cannot spell either, or finds like nothing, get their mean, else a random row.

    Raises:
        ConfigError: no helper.
        ModelError: the two vocabularies have nothing in common.
    """
    if context.helper is None:
        raise ConfigError("`similarity` needs a helper model", where="--helper", allowed="a model that knows the new language")
    helper = context.helper.model.get_input_embeddings().weight.detach()
    theirs = PieceTable(context.helper.tokenizer)
    by_bytes = _pieces(context.helper.tokenizer, theirs, len(helper))
    ours = _pieces(context.base, context.bytes_of, context.first_id)
    common = sorted((ours[text], by_bytes[text]) for text in ours.keys() & by_bytes.keys())
    if not common:
        raise ModelError("not one piece in common with the helper's vocabulary", where=context.helper.source)
    texts = [context.bytes_of[context.first_id + row] for row in range(context.count)]
    spelled = base_segments(context.helper.tokenizer, theirs, texts)
    special = set(context.helper.tokenizer.all_special_ids)
    segments = {
        row: [by_bytes[text]] if text in by_bytes else [one for one in spelled[row] if one not in special] for row, text in enumerate(texts)
    }
    rows = [row for row, ids in segments.items() if ids]
    shared = torch.tensor([each for each, _ in common])
    there = normalize(helper[torch.tensor([each for _, each in common], device=helper.device)].float().cpu(), dim=1)
    vectors = normalize(_means(helper, [segments[row] for row in rows]), dim=1)
    alike = vectors @ there.mean(0) >= LEAST
    kept = [row for row, enough in zip(rows, alike.tolist(), strict=True) if enough]
    part = SimilarRows(torch.tensor(kept, dtype=torch.long), vectors[alike], there, shared)
    origins = {row: WHOLE if texts[row] in by_bytes else SPELLED for row in kept}
    facts = {"shared": len(common), "like_nothing": len(rows) - len(kept)}
    return plan_with_fallbacks(context, {}, {"mean": mean_weights}, given=origins, parts=(part,), facts=facts)


def _pieces(tokenizer: PreTrainedTokenizerBase, bytes_of: PieceTable, below: int) -> dict[bytes, int]:
    """Ids by their bytes; where a byte piece and a letter stand for the same, the later one, which is the letter."""
    special = set(tokenizer.all_special_ids)
    ids = sorted(one for one in tokenizer.get_vocab().values() if one < below and one not in special)
    return {text: one for one in ids if (text := bytes_of[one])}


def _means(matrix: Tensor, segments: list[list[int]]) -> Tensor:
    """Mean of the rows of each segment, (segments, d) in float32."""
    out = torch.zeros(len(segments), matrix.shape[1], device=matrix.device)
    weights = {row: {one: ids.count(one) / len(ids) for one in ids} for row, ids in enumerate(segments)}
    if weights:
        SparseRows.of(weights).write(matrix, out)
    return out.cpu()
