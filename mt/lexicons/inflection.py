"""Forms of one word: by their lemma, where simplemma knows the language, or by their stem, in any language."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib import import_module

from ..languages import Language
from ..writing_systems import letter_script
from .folding import unspaced

ENDING = 3  # characters an inflection may add or change at the end
BEGINNING = 2  # characters it may add at the beginning
STEM = 3  # characters the shortest stem has

Lemmatizer = Callable[[str], frozenset[str]]


@lru_cache(maxsize=65536)
def inflections(one: str, other: str) -> bool:
    """Whether two words can be forms of one, whatever the language: generous, so it is a tier of its own and never the surface.

    Accents aside, they share a stem of three letters or more, and what is added at its end (`Spaces`) or, up to two letters, at its
    beginning (`الكتاب`) is no longer than three letters or half the stem; where both end differently (`Konto`, `Konten`), the stem has
    four letters or more. Numbers and scripts without spaces have no inflection of this kind.
    """
    if one == other:
        return True
    first, second = without_accents(one), without_accents(other)
    if any(character.isnumeric() or unspaced(character) for character in first + second):
        return False
    stem = _common(first, second)
    endings = sorted((len(first) - stem, len(second) - stem))
    if stem >= (STEM + 1 if endings[0] else STEM) and endings[1] <= min(ENDING, stem // 2):
        return True
    tail = _common(first[::-1], second[::-1])
    added = max(len(first), len(second)) - tail
    return tail == min(len(first), len(second)) and tail >= STEM and added <= min(BEGINNING, tail // 2)


def _common(one: str, other: str) -> int:
    return next((at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right), min(len(one), len(other)))


def without_accents(word: str) -> str:
    """A word without the marks that any script may use; those of one script, such as Indic vowel signs, are letters in all but name."""
    if word.isascii():
        return word
    return "".join(character for character in unicodedata.normalize("NFD", word) if not _accent(character))


@lru_cache(maxsize=4096)
def _accent(character: str) -> bool:
    return unicodedata.category(character) == "Mn" and letter_script(character) == "Zinh"


def lemmatizer_for(language: Language | None) -> Lemmatizer | None:
    """The lemmas of a word (case folded; as it is written and in lower case) by simplemma, when that extra knows the language."""
    lemma = _simplemma(language)
    if lemma is None:
        return None

    @lru_cache(maxsize=65536)
    def lemmas(word: str) -> frozenset[str]:
        return frozenset(lemma(form).casefold() for form in (word, word.lower()))

    return lemmas


def single_lemmatizer_for(language: Language | None) -> Callable[[str], str] | None:
    """One lemma a word, case folded, for look-ups: of the word as it is written, whose case a lemmatizer reads."""
    lemma = _simplemma(language)
    return None if lemma is None else lru_cache(maxsize=262144)(lambda word: lemma(word).casefold())


def listed_lemmatizer_for(language: Language | None) -> Callable[[str], str] | None:
    """As `single_lemmatizer_for`, but only by the language's list of forms, without rules for forms that are not in it.

    Ten times as fast on the headwords of a dictionary, of which 98.6% come out the same (of 100,000 German ones): most are lemmas already.
    """
    if _simplemma(language) is None:
        return None
    lists = import_module("simplemma.strategies").DictionaryLookupStrategy()
    code = _code(language)
    return lambda word: str(lists.get_lemma(word, code) or word).casefold()


def _code(language: Language | None) -> str:
    return language.bcp47.split("-")[0] if language else ""


def _simplemma(language: Language | None) -> Callable[[str], str] | None:
    """None without the extra, or for a language it has no dictionary of."""
    try:
        simplemma = import_module("simplemma")
    except ImportError:
        return None
    code = _code(language)

    def lemma(word: str) -> str:
        return str(simplemma.lemmatize(word, lang=code))

    try:
        lemma("a")
    except ValueError:  # simplemma's word for a language it has no dictionary of
        return None
    return lemma


def forms_of(words: Iterable[str], language: Language | None, most: int) -> dict[str, tuple[str, ...]]:
    """The other forms of each of some single words that simplemma knows, at most so many; none without it or for phrases.

    They are found by turning its dictionary round: every form with the same lemma, shortest first, in the case of the dictionary.
    """
    wanted = list(words)
    lemma = _simplemma(language)
    known = None if lemma is None or language is None else _dictionary(language)
    if lemma is None or known is None:
        return dict.fromkeys(wanted, ())
    lemmas = {word: lemma(word) for word in wanted if " " not in word}
    found: dict[str, list[str]] = {each: [] for each in lemmas.values()}
    for form, its_lemma in known.items():
        if its_lemma in found:
            found[its_lemma].append(form)
    return {
        word: tuple(sorted(set(found.get(lemmas.get(word, ""), ())) - {word}, key=lambda form: (len(form), form)))[:most] for word in wanted
    }


def _dictionary(language: Language) -> Mapping[str, str]:
    strategies = import_module("simplemma.strategies")
    found: Mapping[str, str] = strategies.DefaultDictionaryFactory().get_dictionary(_code(language))
    return found
