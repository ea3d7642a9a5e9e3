"""A text as a tokenizer sees it: distinct words (pre-tokens) with their frequencies and ids, and the stretches in which merges may grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from .additions import Family
from .families import SPACE

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def count_words(texts: Iterable[str], tokenizer: Tokenizer) -> Counter[str]:
    """Pre-tokens of the normalised texts, in the vocabulary's spelling. SentencePiece BPE takes a whole text for one."""
    found: Counter[str] = Counter()
    for text in texts:
        found.update(pre_tokens(text, tokenizer))
    return found


def pre_tokens(text: str, tokenizer: Tokenizer) -> list[str]:
    """The pre-tokens of one text, normalised."""
    normal = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
    if tokenizer.pre_tokenizer is None:
        return [normal]
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)]


def split_words(words: Mapping[str, int], tokenizer: Tokenizer, joints: Joints) -> Counter[tuple[int, ...]]:
    """Distinct words as the tokenizer's ids, cut into the stretches in which merges may grow, with their frequencies."""
    model = tokenizer.model  # a getter that copies
    found: Counter[tuple[int, ...]] = Counter()
    for word, frequency in words.items():
        for stretch in stretches([token.id for token in model.tokenize(word)], joints):
            found[tuple(stretch)] += frequency
    return found


def stretches(ids: Sequence[int], joints: Joints) -> Iterator[Sequence[int]]:
    """The parts of a word inside which pieces may be merged."""
    start = 0
    for place in range(1, len(ids)):
        if not joints.between(ids[place - 1], ids[place]):
            yield ids[start:place]
            start = place
    if len(ids) > start:
        yield ids[start:]


class Joints:
    """Where a new piece may grow from one base piece into the next.

    Byte-level tokenizers have words from their regex: anywhere inside them. SentencePiece tokenizers see whole texts or everything
    between two spaces: there, only between letters and marks, so that no piece holds a space inside, or a word with its punctuation.
    Ids without a spelling (the unknown token, added tokens) are never part of a piece.
    """

    def __init__(self, family: Family, spelling: dict[int, str]) -> None:
        self._anywhere = family == "byte-bpe"
        self._spelling = spelling
        self._known: dict[int, tuple[bool, bool]] = {}

    def between(self, left: int, right: int) -> bool:
        """Whether the two may be parts of one piece."""
        return self._sides(left)[0] and self._sides(right)[1]

    def _sides(self, piece_id: int) -> tuple[bool, bool]:
        """Whether a piece may have others after it, and before it."""
        if piece_id not in self._known:
            piece = self._spelling.get(piece_id)
            bare = (piece or "").removeprefix(SPACE)
            if piece is None or self._anywhere:
                self._known[piece_id] = (piece is not None, piece is not None)
            else:
                self._known[piece_id] = (is_word(bare), bool(bare) and is_word(piece))
        return self._known[piece_id]


def is_word(text: str) -> bool:
    """Letters and combining marks only; nothing at all counts."""
    from unicodedata import category

    return all(category(character)[0] in "LM" for character in text)
