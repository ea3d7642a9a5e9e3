"""Terminology success: how many of the terms a source asks for stand in its translation, each occurrence in a place of its own.

A term is required once for every time its source stands in the source text (the longest terms first, none inside another). A translation
meets it with a stretch of text that serves no other requirement. Three tiers, each including those before it: the surface form, an
inflected form, a form with the same lemma. Matching keeps to word boundaries, where a script has them.

Beside it, named separately, what the scorer of WMT25's terminology task counts: whether a term occurs as a lowercase substring, "left" in
"leftover" included, once a segment and term whatever the number of occurrences; there a match of lemmas counts as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..mt.errors import CorpusError
from ..mt.languages import Language
from ..mt.lexicons.folding import Folded, Place, fold
from ..mt.lexicons.inflection import Lemmatizer, lemmatizer_for
from .assignment import Span, most_met
from .term_lists import Term, TermList, load_terms
from .term_matching import inflected_places, lemma_places, non_overlapping, surface_places

__all__ = ["EXPLANATIONS", "Term", "TermList", "load_terms", "requirements", "term_figures"]

EXPLANATIONS: Mapping[str, str] = {
    "terms_required": "Occurrences of terms in the source texts, the longest terms first.",
    "term_success_surface": "Share of them met by the term as it is listed, at word boundaries, each in a place of its own.",
    "term_success_inflected": "The same, a form with the term's stem included; generous, whatever the language.",
    "term_success_lemma": "The same, any form with the term's lemmas included, by simplemma.",
    "terms_not_in_source": "Terms of a segment's own dictionary that do not stand in its source text; they are not required.",
    "wmt25_terms": "Terms the WMT25 scorer counts: once a segment and term.",
    "wmt25_substring_success": "Share of them that occur as lowercase substrings, inside longer words too.",
    "wmt25_lemma_success": "The same, equal lemmas included, as in the WMT25 scorer; simplemma stands in for its lemmatizer.",
}
_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class _Required:
    """A term and how often a segment's source asks for it."""

    targets: tuple[Folded, ...]
    times: int


@dataclass(frozen=True)
class _Prepared:
    term: Term
    source: Folded
    targets: tuple[Folded, ...]


def term_figures(
    hypotheses: Sequence[str],
    sources: Sequence[str],
    terms: TermList,
    target: Language | None,
    *,
    source: Language | None = None,
) -> dict[str, float]:
    """The figures of `EXPLANATIONS` that can be had, in that order.

    Args:
        hypotheses: (N,) translations.
        sources: (N,) source segments.
        terms: what `load_terms` read; a list with a dictionary a segment must have N of them.
        target: language of the hypotheses; without it, or without a lemmatizer for it, the lemma figures are left out.
        source: language of the sources, used by the WMT25 lemma figure only.

    Shares are 0 to 1, and left out where nothing was required.

    Raises:
        CorpusError: sides of different lengths.
    """
    _check_lengths(hypotheses, sources, terms)
    per_segment, absent = _requirements(sources, terms)
    texts = [fold(hypothesis) for hypothesis in hypotheses]
    total = sum(one.times for required in per_segment for one in required)
    figures = {"terms_required": float(total)}
    if total:
        lemmatizer = lemmatizer_for(target)
        figures["term_success_surface"] = _met(per_segment, texts, inflected=False, lemmatizer=None) / total
        figures["term_success_inflected"] = _met(per_segment, texts, inflected=True, lemmatizer=None) / total
        if lemmatizer:
            figures["term_success_lemma"] = _met(per_segment, texts, inflected=True, lemmatizer=lemmatizer) / total
    if terms.segments is not None:
        figures["terms_not_in_source"] = float(absent)
    return figures | _wmt25(hypotheses, sources, terms, lemmatizer_for(source), lemmatizer_for(target))


def requirements(sources: Sequence[str], terms: TermList) -> list[int]:
    """How many term occurrences each source segment asks for: (N,)."""
    return [sum(one.times for one in required) for required in _requirements(sources, terms)[0]]


def _check_lengths(hypotheses: Sequence[str], sources: Sequence[str], terms: TermList) -> None:
    if len(hypotheses) != len(sources):
        raise CorpusError(f"{len(hypotheses)} hypothesis lines but {len(sources)} source lines", allowed="files aligned line by line")
    if terms.segments is not None and len(terms.segments) != len(sources):
        raise CorpusError(
            f"{len(terms.segments)} rows of terms but {len(sources)} segments",
            allowed="one row a segment, in the test set's order; or a TSV list for any test set",
        )


def _segment_terms(terms: TermList, segments: int) -> list[tuple[Term, ...]]:
    return list(terms.segments) if terms.segments is not None else [terms.terms] * segments


def _prepared(terms: Sequence[Term]) -> list[_Prepared]:
    """Terms ready for matching, those with the same source made one."""
    merged: dict[str, _Prepared] = {}
    for term in terms:
        one = _Prepared(term, fold(term.source), tuple(fold(target) for target in term.targets))
        before = merged.get(one.source.text)
        merged[one.source.text] = replace(before, targets=before.targets + one.targets) if before else one
    return list(merged.values())


def _requirements(sources: Sequence[str], terms: TermList) -> tuple[list[list[_Required]], int]:
    """What each segment asks for, and how many terms of the segments' own dictionaries are not in their sources."""
    shared = _prepared(terms.terms)
    found = []
    absent = 0
    for number, source in enumerate(sources):
        own = shared if terms.segments is None else _prepared(terms.segments[number])
        text = fold(source)
        places = [(place, index) for index, one in enumerate(own) for place in surface_places(one.source, text)]
        if terms.segments is not None:
            # A dictionary made for this segment may list the base form of what stands in it.
            missing = set(range(len(own))) - {index for _, index in places}
            inflected = [(place, index) for index in missing for place in inflected_places(own[index].source, text)]
            absent += len(missing - {index for _, index in inflected})
            places += inflected
        kept = non_overlapping(places)
        found.append([_Required(own[index].targets, kept.count(index)) for index in sorted(set(kept))])
    return found, absent


def _met(per_segment: Sequence[Sequence[_Required]], texts: Sequence[Folded], *, inflected: bool, lemmatizer: Lemmatizer | None) -> int:
    met = 0
    for required, text in zip(per_segment, texts, strict=True):
        spans = [
            Span(start, end, demand)
            for demand, one in enumerate(required)
            for term in one.targets
            for start, end in _places(term, text, inflected, lemmatizer)
        ]
        met += sum(most_met(spans, [one.times for one in required]))
    return met


def _places(term: Folded, text: Folded, inflected: bool, lemmatizer: Lemmatizer | None) -> set[Place]:
    places = set(surface_places(term, text))
    if inflected:
        places.update(inflected_places(term, text))
    if lemmatizer:
        places.update(lemma_places(term, text, lemmatizer))
    return places


def _wmt25(
    hypotheses: Sequence[str], sources: Sequence[str], terms: TermList, of_source: Lemmatizer | None, of_target: Lemmatizer | None
) -> dict[str, float]:
    """Whether each term in a source is in the translation, by lowercase substring and by substring of lemmas, as WMT25 scored track 1."""
    counted = by_text = by_lemma = 0
    for hypothesis, text, own in zip(hypotheses, sources, _segment_terms(terms, len(sources)), strict=True):
        source, output = _Lowered(text, of_source), _Lowered(hypothesis, of_target)
        for term in own:
            if not (source.holds(term.source) or (terms.segments is not None and source.holds_lemmas(term.source))):
                continue
            counted += 1
            found = any(map(output.holds, term.targets))
            by_text += found
            by_lemma += found or any(map(output.holds_lemmas, term.targets))
    figures = {"wmt25_terms": float(counted)}
    if counted:
        figures["wmt25_substring_success"] = by_text / counted
        if of_target is not None:
            figures["wmt25_lemma_success"] = by_lemma / counted
    return figures


class _Lowered:
    """A text as the WMT25 scorer looks at it; its lemmas are found when first wanted."""

    def __init__(self, text: str, lemmatizer: Lemmatizer | None) -> None:
        self._written = text
        self._lower = text.lower()
        self._lemmatizer = lemmatizer

    def holds(self, term: str) -> bool:
        return term.lower() in self._lower

    def holds_lemmas(self, term: str) -> bool:
        return self._lemmatizer is not None and _lemmas(term, self._lemmatizer) in self._lemmas

    @cached_property
    def _lemmas(self) -> str:
        return _lemmas(self._written, self._lemmatizer) if self._lemmatizer else ""


def _lemmas(text: str, lemmatizer: Lemmatizer) -> str:
    return "|||".join(min(lemmatizer(token), key=len) for token in _TOKEN.findall(text))
