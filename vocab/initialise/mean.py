"""Mean of the old rows of the pieces that the base tokenizer splits a new piece's text into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..rows import RowPlan
from ..segmentation import segment
from .context import InitContext, PieceTable
from .fallbacks import Weights, plan_with_fallbacks

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Short texts put before a piece: SentencePiece would give a piece at the start of a text a space that it has not.
_ANCHORS = (":", "\n", "a", ".")


def plan(context: InitContext) -> RowPlan:
    """Rows whose text the base tokenizer cannot spell are random."""
    return plan_with_fallbacks(context, {"mean": mean_weights(context, range(context.count))}, {})


def mean_weights(context: InitContext, rows: Sequence[int]) -> Weights:
    """Equal weights of the base pieces of each of these new pieces; rows that have none are left out."""
    spellings = [context.addition.pieces[row] for row in rows]
    texts = [context.bytes_of[context.first_id + row] for row in rows]
    weights: Weights = {}
    for row, ids in zip(rows, base_segments(context.base, context.bytes_of, texts, spellings), strict=True):
        shares = Counter(one for one in ids if one not in context.special_ids and one < context.first_id)
        total = shares.total()
        if total:
            weights[row] = {one: times / total for one, times in shares.items()}
    return weights


def base_segments(
    tokenizer: PreTrainedTokenizerBase, bytes_of: PieceTable, texts: Sequence[bytes], spellings: Sequence[str] | None = None
) -> list[list[int]]:
    """Ids whose bytes together are each of `texts`: as the tokenizer splits it inside a text, else by its merges alone, else nothing.

    Args:
        tokenizer: any fast tokenizer.
        bytes_of: the bytes of its ids.
        texts: bytes of pieces; not always whole characters.
        spellings: the same in the spelling of this tokenizer's vocabulary, for parts of characters.
    """
    found: list[list[int]] = [[] for _ in texts]
    decoded = {index: text for index, each in enumerate(texts) if (text := _decoded(each))}
    for anchor in _ANCHORS:
        missing = [index for index in decoded if not found[index]]
        if not missing:
            break
        (before,) = segment(tokenizer, [anchor])
        for index, ids in zip(missing, segment(tokenizer, [anchor + decoded[index] for index in missing]), strict=True):
            rest = ids[len(before) :]
            if ids[: len(before)] == before and bytes_of.join(rest) == texts[index]:
                found[index] = rest
    if spellings is not None:
        for index, ids in enumerate(found):
            if not ids and texts[index]:
                found[index] = _by_merges(tokenizer, bytes_of, spellings[index], texts[index])
    return found


def _decoded(text: bytes) -> str | None:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _by_merges(tokenizer: PreTrainedTokenizerBase, bytes_of: PieceTable, spelling: str, text: bytes) -> list[int]:
    """What the tokenizer's model makes of a piece's own spelling: of parts of characters, their byte pieces."""
    ids = [token.id for token in tokenizer.backend_tokenizer.model.tokenize(spelling)]
    return ids if bytes_of.join(ids) == text else []
