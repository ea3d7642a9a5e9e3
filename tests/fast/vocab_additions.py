"""Additions made by hand for the tests: words of a language, merged piece by piece from what a tokenizer makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dragoman.mt.provenance import tokenizer_digest
from dragoman.vocab.additions import Addition
from dragoman.vocab.families import is_byte_piece, tokenizer_family

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WORDS = ("jambo", "habari", "asubuhi", "mwalimu", "ߒߞߏ", "ߞߊ߲", "дела")
TEXTS = (
    "habari za asubuhi mwalimu jambo",
    "mwalimu jambo habari jambo",
    "asubuhi ߒߞߏ ߞߊ߲ habari",
    "дела ߒߞߏ mwalimu",
    "The quick brown fox",
)


def addition_of(tokenizer: PreTrainedTokenizerBase, words: Sequence[str] = WORDS, language: str = "swh_Latn") -> Addition:
    """Pieces for words with a space before them, each with every piece on the way to it; merges go from left to right."""
    pieces: dict[str, None] = {}
    merges: dict[tuple[str, str], None] = {}
    known = tokenizer.get_vocab()
    for word in words:
        spelled = tokenizer.tokenize(f"a {word}")[1:]
        if any(is_byte_piece(each) for each in spelled):  # SentencePiece has no merges of bytes: the characters become pieces
            spelled = list(f"▁{word}")
            pieces.update((character, None) for character in spelled if character not in known)
        whole = spelled[0]
        for right in spelled[1:]:
            merges.setdefault((whole, right))
            whole += right
            if whole not in known:
                pieces.setdefault(whole)
    family = tokenizer_family(tokenizer)
    return Addition(family, "continued", tuple(pieces), tuple(merges), tokenizer_digest(tokenizer), language, facts={"words": list(words)})
