"""Fertility: how many tokens a tokenizer spends on a word or a character of a language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..mt.languages import Language
from ..mt.tokenization import encode_plain

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

HIGH = 0.8  # tokens a character; English is near 0.25 with most vocabularies, and bytes of a two-byte script give 2


@dataclass(frozen=True)
class Fertility:
    """Averages over a sample of text.

    Attributes:
        per_word: tokens per whitespace word; None for languages written without spaces.
        per_character: tokens per character; above 1 the tokenizer spells single letters out in bytes.
        segments: texts in the sample.
    """

    per_word: float | None
    per_character: float
    segments: int

    @property
    def is_high(self) -> bool:
        """The vocabulary has next to no pieces for this language."""
        return self.per_character > HIGH

    def __str__(self) -> str:
        words = f"{self.per_word:.2f} tokens a word, " if self.per_word is not None else ""
        return f"{words}{self.per_character:.2f} a character"


def measure_fertility(texts: Iterable[str], tokenizer: PreTrainedTokenizerBase, language: Language) -> Fertility:
    """Fertility of a tokenizer on texts of a language; all zero without text."""
    tokens = words = characters = segments = 0
    for text in texts:
        tokens += len(encode_plain(tokenizer, text))
        words += len(text.split())
        characters += len(text)
        segments += 1
    per_word = (tokens / words if words else 0.0) if language.spaced else None
    return Fertility(per_word, tokens / characters if characters else 0.0, segments)
