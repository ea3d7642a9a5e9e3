"""Which of a source text's terms stand in its translation: the matching of `dragoman evaluate --terms`, for one segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..languages import Language
from ..lexicons.folding import fold
from ..lexicons.inflection import lemmatizer_for
from .records import Hint


@dataclass(frozen=True)
class TermCheck:
    """One term of a segment.

    Attributes:
        source: the term.
        targets: its translations, any of which is right.
        required: how often the source text has it.
        met: how often the translation has it, each time in a place of its own; at most `required`.
    """

    source: str
    targets: tuple[str, ...]
    required: int
    met: int


def check_terms(hints: Sequence[Hint], translation: str, target: Language, *, inflected: bool = True) -> tuple[TermCheck, ...]:
    """Check every term of a segment, in the order in which they stand.

    An inflected form counts, unless told otherwise: by lemma where simplemma knows the language, else by stem. A term that stays as it is
    counts as it is only.
    """
    if not hints:
        return ()
    from ...eval.assignment import Span, most_met
    from ...eval.term_matching import inflected_places, lemma_places, surface_places

    text = fold(translation)
    lemmatizer = lemmatizer_for(target)
    needed: dict[tuple[str, tuple[str, ...]], int] = {}
    for hint in hints:
        key = hint.source, hint.targets
        needed[key] = needed.get(key, 0) + 1
    spans = []
    for demand, (source, targets) in enumerate(needed):
        for wanted in targets:
            term = fold(wanted)
            places = set(surface_places(term, text))
            if inflected and wanted != source:
                places.update(lemma_places(term, text, lemmatizer) if lemmatizer else inflected_places(term, text))
            spans += [Span(start, end, demand) for start, end in places]
    met = most_met(spans, list(needed.values()))
    return tuple(TermCheck(*key, times, found) for (key, times), found in zip(needed.items(), met, strict=True))
