"""How much two sides of a mined pair seem to say the same: by sentence vectors, or by what a dictionary knows of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..languages import Language
from ..lexicons import Matcher
from ..sentence_vectors import SentenceVectors
from .drafts import word_by_word
from .records import Example

Similarity = Callable[[Sequence[Example]], list[float]]


def cosine_similarity(vectors: SentenceVectors) -> Similarity:
    """The cosine of both sides' vectors, -1 to 1; for encoders that put both languages into one space."""

    def similarity(examples: Sequence[Example]) -> list[float]:
        sources = vectors.encode([example.source for example in examples])
        targets = vectors.encode([example.target for example in examples])
        return [float(cosine) for cosine in (sources * targets).sum(axis=1)]

    return similarity


def draft_similarity(matcher: Matcher, source: Language) -> Similarity:
    """chrF, 0 to 1, of the source side against the word-by-word draft of the target side.

    Args:
        matcher: of a dictionary from the language of the target side into that of the source side.
        source: language of the source side.
    """
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF()

    def similarity(examples: Sequence[Example]) -> list[float]:
        drafts = (word_by_word(matcher, example.target, source).text for example in examples)
        return [metric.sentence_score(example.source, [draft]).score / 100 for example, draft in zip(examples, drafts, strict=True)]

    return similarity
