"""Where a term stands in a text: at word boundaries, inflected, or by its lemma; in every script, with or without spaces."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from itertools import pairwise

from ..mt.languages import Language, known_languages
from ..mt.writing_systems import letter_script, writing_system

# Signs a writer may leave out: Hebrew and Arabic points, Quranic marks, the Arabic letter stretcher, the soft hyphen.
_OPTIONAL = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u00ad]"
)
_JOINERS = "_\u200c\u200d"  # zero-width joiners stand inside words in Persian and Indic scripts
_ENDING = 3  # characters an inflection may add or change
_WORD_GAP = 3  # characters between two words of a term, e.g. " ", "-", " – "

Place = tuple[int, int]
Lemmatizer = Callable[[str], frozenset[str]]


@dataclass(frozen=True)
class Folded:
    """A text made comparable (NFC, case folded, optional signs left out), with its words; places index `text`.

    Attributes:
        text: the comparable text.
        words: places of its words.
        spellings: the words as they were written, for a lemmatizer, which reads case.
    """

    text: str
    words: tuple[Place, ...]
    spellings: tuple[str, ...]


def fold(text: str) -> Folded:
    """The comparable form of a text; whitespace of any kind and length is one space."""
    written = " ".join(_OPTIONAL.sub("", unicodedata.normalize("NFC", text)).replace("\u2019", "'").split())
    folded: list[str] = []
    words: list[Place] = []
    spellings: list[str] = []
    at = 0
    for spelling, inside in _runs(written):
        piece = spelling.casefold()
        if inside:
            words.append((at, at + len(piece)))
            spellings.append(spelling)
        folded.append(piece)
        at += len(piece)
    return Folded("".join(folded), tuple(words), tuple(spellings))


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """The text cut into words and what is between them."""
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or _in_word(text[at]) != _in_word(text[start]):
            yield text[start:at], _in_word(text[start])
            start = at


@lru_cache(maxsize=65536)
def _in_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN" or character in _JOINERS


@cache
def _unspaced_scripts() -> frozenset[str]:
    """Scripts that are written without spaces, by ISO 15924 code of their letters."""
    systems = [writing_system(language.script) for language in known_languages()]
    return frozenset(member for system in systems if not system.spaced for member in system.members)


@lru_cache(maxsize=65536)
def _unspaced(character: str) -> bool:
    return letter_script(character) in _unspaced_scripts()


def _boundary(text: str, at: int) -> bool:
    """Whether a term may begin or end before position `at`: never inside a word, nor between a letter and its combining marks."""
    if at in (0, len(text)):
        return True
    before, after = text[at - 1], text[at]
    if unicodedata.category(after)[0] == "M":
        return False
    return not (_in_word(before) and _in_word(after)) or _unspaced(before) or _unspaced(after)


def surface_places(term: Folded, text: Folded) -> list[Place]:
    """Where the term stands as it is, at word boundaries; anywhere between letters of scripts without spaces. Overlaps included."""
    places = []
    at = text.text.find(term.text) if term.text else -1
    while at >= 0:
        end = at + len(term.text)
        if _boundary(text.text, at) and _boundary(text.text, end):
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


@lru_cache(maxsize=65536)
def inflections(one: str, other: str) -> bool:
    """Whether two words can be forms of one, whatever the language: generous, so it is a tier of its own and never the surface.

    Accents aside, they share a stem of three letters or more, and what is added at its end (`Spaces`) or, up to two letters, at its
    beginning (`الكتاب`) is no longer than three letters or half the stem; where both end differently (`Konto`, `Konten`), the stem has
    four letters or more. Numbers and scripts without spaces have no inflection of this kind.
    """
    if one == other:
        return True
    first, second = _without_accents(one), _without_accents(other)
    if any(character.isnumeric() or _unspaced(character) for character in first + second):
        return False
    stem = _common(first, second)
    endings = sorted((len(first) - stem, len(second) - stem))
    if stem >= (4 if endings[0] else 3) and endings[1] <= min(_ENDING, stem // 2):
        return True
    tail = _common(first[::-1], second[::-1])
    added = max(len(first), len(second)) - tail
    return tail == min(len(first), len(second)) and tail >= 3 and added <= min(_ENDING - 1, tail // 2)


def _common(one: str, other: str) -> int:
    return next((at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right), min(len(one), len(other)))


def _without_accents(word: str) -> str:
    return "".join(character for character in unicodedata.normalize("NFD", word) if not _accent(character))


@lru_cache(maxsize=4096)
def _accent(character: str) -> bool:
    """Marks that any script may use; those of one script, such as Indic vowel signs, are letters in all but name."""
    return unicodedata.category(character) == "Mn" and letter_script(character) == "Zinh"


@cache
def lemmatizer_for(language: Language | None) -> Lemmatizer | None:
    """The lemmas of a word by simplemma, when that extra is installed and knows the language."""
    try:
        simplemma = import_module("simplemma")
    except ImportError:
        return None
    code = language.bcp47.split("-")[0] if language else ""

    @lru_cache(maxsize=65536)
    def lemmas(word: str) -> frozenset[str]:
        return frozenset(str(simplemma.lemmatize(form, lang=code)).casefold() for form in (word, word.lower()))

    try:
        lemmas("a")
    except ValueError:  # simplemma's word for a language it has no dictionary of
        return None
    return lemmas


def non_overlapping(places: Iterable[tuple[Place, int]]) -> list[int]:
    """Keep the longest places first, then the leftmost, none over another; returns what they stand for, once a place."""
    kept: list[tuple[Place, int]] = []
    for place, owner in sorted(places, key=lambda item: (item[0][0] - item[0][1], item[0][0])):
        if all(place[1] <= other[0] or place[0] >= other[1] for other, _ in kept):
            kept.append((place, owner))
    return [owner for _, owner in kept]
