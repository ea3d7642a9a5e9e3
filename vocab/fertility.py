"""Fertility: how many tokens a tokenizer spends on a word or a character of a language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..mt.languages import Language
from .segmentation import segment

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
        tokens: in all of them, without BOS and EOS.
    """

    per_word: float | None
    per_character: float
    segments: int
    tokens: int

    @property
    def per_segment(self) -> float:
        """Tokens per text; 0 without any."""
        return self.tokens / self.segments if self.segments else 0.0

    @property
    def is_high(self) -> bool:
        """The vocabulary has next to no pieces for this language."""
        return self.per_character > HIGH

    def __str__(self) -> str:
        words = f"{self.per_word:.2f} tokens a word, " if self.per_word is not None else ""
        return f"{words}{self.per_character:.2f} a character"


def measure_fertility(texts: Iterable[str], tokenizer: PreTrainedTokenizerBase, language: Language) -> Fertility:
    """Fertility of a tokenizer on texts of a language; all zero without text."""
    texts = list(texts)
    return fertility_of(texts, segment(tokenizer, texts), language)


def fertility_of(texts: Sequence[str], pieces: Sequence[Sequence[int]], language: Language) -> Fertility:
    """Fertility of texts whose ids are known already: `pieces[i]` are those of `texts[i]`."""
    tokens = sum(map(len, pieces))
    words = sum(len(text.split()) for text in texts)
    characters = sum(map(len, texts))
    per_word = (tokens / words if words else 0.0) if language.spaced else None
    return Fertility(per_word, tokens / characters if characters else 0.0, len(texts), tokens)
