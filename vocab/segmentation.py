"""How texts are split into pieces: many at once, compared between two tokenizers, and shown to people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..mt.tokenization import REPLACEMENT, decode_output

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LONGEST_RUN = 64  # pieces that may share a character at both ends before they are shown as they are


@dataclass(frozen=True)
class Unit:
    """The fewest pieces in a row that are whole characters: one, or several where a character is spelled in bytes."""

    text: str
    pieces: int


def segment(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Ids of each text as `encode_plain` gives them, all in one call, which fast tokenizers answer on every core."""
    if not texts:
        return []
    found = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True, return_attention_mask=False)
    return [list(ids) for ids in found["input_ids"]]


def changed(before: PreTrainedTokenizerBase, after: PreTrainedTokenizerBase, first: Sequence[int], second: Sequence[int]) -> bool:
    """Whether one text's ids under two tokenizers are other pieces, by the pieces' spelling: ids may be numbered anew."""
    if len(first) != len(second):
        return True
    return bool(before.convert_ids_to_tokens(list(first)) != after.convert_ids_to_tokens(list(second)))


def units(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> tuple[Unit, ...]:
    """A text's pieces as characters, in order; their texts joined are the text (SentencePiece's added first space is not shown)."""
    found = list(_units(tokenizer, ids))
    whole = str(tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))
    if found and "".join(unit.text for unit in found) == " " + whole:
        found[0] = Unit(found[0].text[1:], found[0].pieces)
    return tuple(found)


def _units(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> Iterator[Unit]:
    run: list[int] = []
    for piece in ids:
        run.append(piece)
        text = decode_output(tokenizer, run)
        if REPLACEMENT not in text or len(run) == _LONGEST_RUN:
            yield Unit(text, len(run))
            run = []
    if run:
        yield Unit(decode_output(tokenizer, run), len(run))
