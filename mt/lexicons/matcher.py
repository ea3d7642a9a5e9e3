"""Where a lexicon's entries stand in a text: the longest first, none over another, each with the tier it was found by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import accumulate
from operator import itemgetter
from typing import NamedTuple

from .building import paused_collection
from .fallback import AffixFallback, Fallback, LemmaFallback, Prepared, Tier
from .folding import Place, composed, folded_text, has_dotted_i, in_word, tokens
from .frequency import FrequencyLimit
from .index import AFTER, Node, PhraseIndex, phrases
from .inflection import listed_lemmatizer_for, single_lemmatizer_for
from .records import Entry, Lexicon

__all__ = ["Match", "Matcher", "Tier"]

_REMEMBERED = 1 << 17  # words that need not be looked up again
_LARGE = 50_000  # entries: above, the rules of a lemmatizer cost more seconds than they find headwords
_START = itemgetter(0)
_Ranked = tuple[int, int, int, int, Entry]  # minus its length, 1 for another form, its first atom, the one after its last, its entry
_RANK = itemgetter(0, 1, 2)
_NOT_PREPARED = Prepared("")


class Match(NamedTuple):
    """An entry in a text.

    Attributes:
        start: of the stretch in the text as it was given.
        end: of it, excluded.
        entry: the entry.
        tier: how they are alike: `surface` (as listed), `folded` (case, composition, optional signs, spacing aside), `lemma`, `affix`.
    """

    start: int
    end: int
    entry: Entry
    tier: Tier


# What `Match(...)` does, without a call of Python code for each of the many matches.
_match: Callable[[tuple[int, int, Entry, Tier]], Match] = partial(tuple.__new__, Match)


class _Word(NamedTuple):
    """What a token is to the matcher; remembered, since most words of a text have been seen before."""

    atom: str  # as the index knows it: folded, and marked where it stands right after another
    length: int  # characters of the token without the space before it
    entry: Entry | None
    tier: Tier
    following: Node
    prepared: Prepared


class _Words(dict[str, _Word]):
    """Words by token, looked up when first met, and all forgotten when there are too many."""

    def __init__(self, look_up: Callable[[str], _Word]) -> None:
        self._look_up = look_up

    def __missing__(self, token: str) -> _Word:
        if len(self) >= _REMEMBERED:
            self.clear()
        word = self[token] = self._look_up(token)
        return word


class Matcher:
    """A lexicon ready to be found in texts, made with `of`. All it keeps of the texts it has seen is a memory of words, for speed."""

    def __init__(self, lexicon: Lexicon, limit: FrequencyLimit, fallback: Fallback | None) -> None:
        self.lexicon = lexicon
        self.excluded = 0
        self._limit = limit
        self._dotted = has_dotted_i(lexicon.source.iso639_3) and lexicon.source.script == "Latn"
        self._index = PhraseIndex()
        self._variants: dict[str, Entry] = {}
        self._fallback = fallback
        self._words = _Words(self._look_up)
        with paused_collection():
            for entry in lexicon.entries:
                self._add(entry)

    @classmethod
    def of(
        cls,
        lexicon: Lexicon,
        *,
        stop_words: Collection[str] = (),
        counts: Mapping[str, int] | None = None,
        max_frequency: int | None = None,
        most_frequent: int = 0,
        lemmas: bool = True,
        affixes: bool = True,
    ) -> Matcher:
        """A matcher.

        Args:
            lexicon: what to find.
            stop_words: words and phrases never to be found.
            counts: how often words occur (`read_counts`, `count_words`, `Matcher.count`).
            max_frequency: entries whose source occurs more often, by `counts` or else by the lexicon's own frequency, are left out.
            most_frequent: so many of the words highest in `counts` are left out.
            lemmas: whether a word may be found by its lemma, where simplemma is installed and knows the language.
            affixes: whether a word may be found by its stem, where there is no lemmatizer.

        Entries left out are counted in `excluded`. A phrase is left out when all its words are. What is left out is not found by another
        form of it either.
        """
        limit = FrequencyLimit.of(stop_words, counts, max_frequency, most_frequent)
        lemma = single_lemmatizer_for(lexicon.source) if lemmas else None
        listed = listed_lemmatizer_for(lexicon.source) if lemmas and len(lexicon) > _LARGE else None
        fallback: Fallback | None = LemmaFallback(lemma, listed) if lemma is not None else AffixFallback() if affixes else None
        return cls(lexicon, limit, fallback)

    def find(self, text: str) -> list[Match]:
        """Every match, left to right, none over another.

        Where candidates overlap, the one that is longest (in characters of the text) is kept, then the better tier, then the leftmost.
        """
        written, places = tokens(text, dotted=self._dotted)
        if not written:
            return []
        atoms, lengths, entries, tiers, following, prepared = zip(*map(self._words.__getitem__, written), strict=True)
        if places is None:
            places = [(end - length, end) for end, length in zip(accumulate(map(len, written)), lengths, strict=True)]
        ranked = [(places[first][0] - places[last - 1][1], 0, first, last, entry) for first, last, entry in phrases(following, atoms)]
        if self._fallback is not None:
            for first, last, entry in self._fallback.phrases(prepared):
                ranked.append((places[first][0] - places[last - 1][1], 1, first, last, entry))
        covered, found = self._chosen(text, places, ranked) if ranked else (frozenset[int](), [])
        for number, entry in enumerate(entries):
            if entry is not None and number not in covered:
                start, end = places[number]
                found.append(_match((start, end, entry, tiers[number])))
        if covered:
            found.sort(key=_START)
        return found

    def count(self, texts: Iterable[str]) -> Counter[str]:
        """How often each entry's source is found in texts; usable as `counts`, in scripts without spaces too."""
        return Counter(match.entry.source for text in texts for match in self.find(text))

    def _add(self, entry: Entry) -> None:
        written, places = tokens(entry.source, dotted=self._dotted)
        spellings = [token.lstrip() for token in written]
        forms = [folded_text(spelling, dotted=self._dotted, plain=places is None) for spelling in spellings]
        if not written or self._excludes(entry, forms):
            self.excluded += 1
            return
        if self._index.add(list(map(_atom, forms, written)), entry):
            self._variants[entry.source] = entry
        if self._fallback is not None:
            self._fallback.add(forms, spellings, entry)

    def _excludes(self, entry: Entry, forms: Sequence[str]) -> bool:
        return self._limit.active and self._limit.excludes(folded_text(entry.source, dotted=self._dotted), forms, entry.frequency)

    def _look_up(self, token: str) -> _Word:
        spelling = token.lstrip()
        form = folded_text(spelling, dotted=self._dotted)
        entry, tier = self._spelled(self._index.word(form), spelling)
        prepared = _NOT_PREPARED
        if self._fallback is not None:
            prepared = self._fallback.prepare(form, spelling)
            if entry is None and in_word(form[0]) and not self._limit.excludes_word(form):
                entry, tier = self._fallback.word(form, spelling), self._fallback.tier
        return _Word(_atom(form, token), len(spelling), entry, tier, self._index.following(form), prepared)

    def _spelled(self, entry: Entry | None, spelling: str) -> tuple[Entry | None, Tier]:
        """Of the entries with one folded form, the one that is spelled as the text is, else the first."""
        if entry is None or entry.source == spelling:
            return entry, "surface"
        variant = self._variants.get(spelling)
        return (variant, "surface") if variant is not None else (entry, "folded")

    def _chosen(self, text: str, places: Sequence[Place], ranked: list[_Ranked]) -> tuple[set[int], list[Match]]:
        """Of the phrases found, the best that do not overlap, and the numbers of the atoms they cover."""
        if len(ranked) > 1:
            ranked.sort(key=_RANK)
        covered: set[int] = set()
        kept: list[Match] = []
        for _, other_form, first, last, entry in ranked:
            numbers = range(first, last)
            if covered.isdisjoint(numbers):
                covered.update(numbers)
                kept.append(self._phrase(text, places[first][0], places[last - 1][1], entry, bool(other_form)))
        return covered, kept

    def _phrase(self, text: str, start: int, end: int, entry: Entry, other_form: bool) -> Match:
        if other_form:
            assert self._fallback is not None
            return Match(start, end, entry, self._fallback.tier)
        spelled, tier = self._spelled(entry, composed(text[start:end]))
        return Match(start, end, spelled or entry, tier)


def _atom(form: str, token: str) -> str:
    """An atom for the index; one that stands right after another is marked, so that `C++` is not `C + +`."""
    return form if token.startswith(" ") else AFTER + form
