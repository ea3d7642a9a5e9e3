"""Which tokens of two tokenizers stand for the same characters of a text."""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...mt.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

Span = tuple[int, int]  # first character and the one behind the last; equal where a token stands for none
_SPACE = "▁"  # as SentencePiece writes it


def check_offsets(tokenizer: PreTrainedTokenizerBase, role: str, where: str) -> None:
    """Whether a tokenizer says which characters its tokens stand for.

    Args:
        tokenizer: any.
        role: whose it is, for people.
        where: the setting that needs it.

    Raises:
        ConfigError: it does not; those written in Python do not.
    """
    if not tokenizer.is_fast:
        raise ConfigError(
            f"the {role}'s tokenizer ({type(tokenizer).__name__}) does not say which characters its tokens stand for",
            where=where,
            allowed="states: pooled",
        )


def character_spans(tokenizer: PreTrainedTokenizerBase, text: str) -> list[Span]:
    """For each token of `text` alone (no special tokens, what is spelled like one is text) the characters it stands for."""
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True)
    pieces = tokenizer.convert_ids_to_tokens(encoded["input_ids"])
    return mended_spans(text, pieces, [(int(first), int(end)) for first, end in encoded["offset_mapping"]])


def mended_spans(text: str, pieces: Sequence[str], offsets: Sequence[Span]) -> list[Span]:
    """Spans from a fast tokenizer's offsets, the same whatever its habits.

    - A space that SentencePiece puts before a text stands for no character; its offsets say the first one.
    - Characters that normalisation (NFC, NFKC) joined to the one before them, accents and jamo, belong to that one's tokens; the offsets
      leave them out.
    - Spaces that offsets leave out belong to the token behind them, as in tokenizers that keep them.

    Args:
        text: what was tokenised.
        pieces: the tokens as the vocabulary spells them.
        offsets: of each piece, in characters of `text`, in its order; pieces of one character's bytes overlap.
    """
    spans = [(first, first) if _is_prefix(text, pieces, offsets, at) else (first, end) for at, (first, end) in enumerate(offsets)]
    taken = {character for first, end in spans for character in range(first, end)}
    spans = [(first, _joined_end(text, end, taken)) if first < end else (first, end) for first, end in spans]
    taken.update(character for first, end in spans for character in range(first, end))
    mended = []
    for first, end in spans:
        begin = first
        while begin > 0 and begin - 1 not in taken and text[begin - 1].isspace():
            begin -= 1
        taken.update(range(begin, first))
        mended.append((begin, end))
    return mended


def _is_prefix(text: str, pieces: Sequence[str], offsets: Sequence[Span], at: int) -> bool:
    """Whether a piece is a space that is not in the text: the next piece begins at the very character it is said to stand for."""
    first, end = offsets[at]
    is_space = pieces[at] != "" and not pieces[at].strip(_SPACE)
    shown = text[first:end]
    return is_space and not shown.isspace() and _SPACE not in shown and at + 1 < len(offsets) and offsets[at + 1][0] == first


def _joined_end(text: str, end: int, taken: Container[int]) -> int:
    while end < len(text) and end not in taken and _joins(text[end]):
        end += 1
    return end


def _joins(character: str) -> bool:
    """Whether a character that no token stands for can have been joined to the one before: no space, and nothing invisible."""
    return not character.isspace() and unicodedata.category(character)[0] != "C"


def shared_characters(sources: Sequence[Span], targets: Sequence[Span]) -> NDArray[np.int32]:
    """(M, 3): index of a source span, index of a target span, and how many characters they share (1 or more), in order."""
    standing: dict[int, list[int]] = {}
    for index, (first, end) in enumerate(targets):
        for character in range(first, end):
            standing.setdefault(character, []).append(index)
    found = []
    for index, (first, end) in enumerate(sources):
        shared: dict[int, int] = {}
        for character in range(first, end):
            for target in standing.get(character, ()):
                shared[target] = shared.get(target, 0) + 1
        found += [(index, target, shared[target]) for target in sorted(shared)]
    return np.array(found, dtype=np.int32).reshape(-1, 3)
