"""Where a term stands in a text: at word boundaries, inflected, or by its lemma; in every script, with or without spaces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from ..mt.lexicons.folding import Folded, Place, boundary
from ..mt.lexicons.inflection import Lemmatizer, inflections

_WORD_GAP = 3  # characters between two words of a term, e.g. " ", "-", " – "


def surface_places(term: Folded, text: Folded) -> list[Place]:
    """Where the term stands as it is, at word boundaries; anywhere between letters of scripts without spaces. Overlaps included."""
    places = []
    at = text.text.find(term.text) if term.text else -1
    while at >= 0:
        end = at + len(term.text)
        if boundary(text.text, at) and boundary(text.text, end):
            places.append((at, end))
        at = text.text.find(term.text, at + 1)
    return places


def inflected_places(term: Folded, text: Folded) -> list[Place]:
    """Where words stand that are the term's up to an inflection (`inflections`), in its order."""
    forms = [term.text[start:end] for start, end in term.words]
    return list(_sequences(forms, [text.text[start:end] for start, end in text.words], text, inflections))


def lemma_places(term: Folded, text: Folded, lemmatizer: Lemmatizer) -> list[Place]:
    """Where words stand that share the lemmas of the term's words, in its order."""
    return list(_sequences(term.spellings, text.spellings, text, lambda one, other: not lemmatizer(one).isdisjoint(lemmatizer(other))))


def _sequences(forms: Sequence[str], words: Sequence[str], text: Folded, same: Callable[[str, str], bool]) -> Iterator[Place]:
    for first in range(len(words) - len(forms) + 1 if forms else 0):
        places = text.words[first : first + len(forms)]
        adjacent = all(right[0] - left[1] <= _WORD_GAP for left, right in pairwise(places))
        if adjacent and all(same(form, words[first + offset]) for offset, form in enumerate(forms)):
            yield places[0][0], places[-1][1]


def non_overlapping(places: Iterable[tuple[Place, int]]) -> list[int]:
    """Keep the longest places first, then the leftmost, none over another; returns what they stand for, once a place."""
    kept: list[tuple[Place, int]] = []
    for place, owner in sorted(places, key=lambda item: (item[0][0] - item[0][1], item[0][0])):
        if all(place[1] <= other[0] or place[0] >= other[1] for other, _ in kept):
            kept.append((place, owner))
    return [owner for _, owner in kept]
