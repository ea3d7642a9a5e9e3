"""Entries for words that stand in no lexicon as they are: by lemma, where the language has a lemmatizer, else by stem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

from .folding import in_word, normalised, unspaced
from .index import NOTHING, Found, Node, PhraseIndex, phrases
from .inflection import BEGINNING, ENDING, STEM, inflections, without_accents
from .records import Entry

Tier = Literal["surface", "folded", "lemma", "affix"]


Anchored = tuple[Sequence[str], int, Entry]  # a phrase's atoms, the number of its longest, its entry


class Prepared(NamedTuple):
    """What a fallback needs to know of an atom to find phrases: its other form, and what may follow or which phrases it may be part of."""

    form: str
    following: Node = NOTHING
    anchored: Sequence[Anchored] = ()


class Fallback(Protocol):
    """One way to find entries by other forms of their words. Atoms come folded (`form`) and as they were written (`spelling`)."""

    tier: Tier

    def add(self, forms: Sequence[str], spellings: Sequence[str], entry: Entry) -> None:
        """Make an entry findable."""

    def word(self, form: str, spelling: str) -> Entry | None:
        """The entry of another form of a word."""

    def prepare(self, form: str, spelling: str) -> Prepared:
        """What `phrases` takes of an atom."""

    def phrases(self, atoms: Sequence[Prepared]) -> list[Found]:
        """Where other forms of entries of two or more atoms stand, overlaps included; what is between the atoms does not matter."""


class LemmaFallback:
    """Entries by the lemmas of their words.

    Args:
        lemma: of a word of a text.
        headword_lemma: of a word of an entry; as `lemma` unless given.
    """

    tier: Tier = "lemma"

    def __init__(self, lemma: Callable[[str], str], headword_lemma: Callable[[str], str] | None = None) -> None:
        self._lemma = lemma
        self._headword_lemma = headword_lemma or lemma
        self._index = PhraseIndex()

    def add(self, forms: Sequence[str], spellings: Sequence[str], entry: Entry) -> None:
        """An entry that is a lemma itself goes before inflected ones with the same lemma."""
        lemmas = [self._headword_lemma(normalised(spelling)) for spelling in spellings]
        self._index.add(lemmas, entry, preferred=lemmas == list(forms))

    def word(self, form: str, spelling: str) -> Entry | None:  # noqa: ARG002
        """See `Fallback`."""
        return self._index.word(self._lemma(normalised(spelling)))

    def prepare(self, form: str, spelling: str) -> Prepared:  # noqa: ARG002
        """See `Fallback`."""
        lemma = self._lemma(normalised(spelling))
        return Prepared(lemma, self._index.following(lemma))

    def phrases(self, atoms: Sequence[Prepared]) -> list[Found]:
        """See `Fallback`."""
        lemmas, following, _ = zip(*atoms, strict=True)
        return phrases(following, lemmas)


class AffixFallback:
    """Entries by what is left of their words without beginnings and endings; `inflections` has the last word."""

    tier: Tier = "affix"

    def __init__(self) -> None:
        self._words: dict[str, list[tuple[str, Entry]]] = {}
        self._phrases: dict[str, list[Anchored]] = {}

    def add(self, forms: Sequence[str], spellings: Sequence[str], entry: Entry) -> None:  # noqa: ARG002
        """A phrase is filed under its longest word."""
        if len(forms) == 1:
            for key in _keys(forms[0]):
                self._words.setdefault(key, []).append((forms[0], entry))
            return
        anchor = max(range(len(forms)), key=lambda at: len(forms[at]) if in_word(forms[at][0]) else 0)
        for key in _keys(forms[anchor]):
            self._phrases.setdefault(key, []).append((forms, anchor, entry))

    def word(self, form: str, spelling: str) -> Entry | None:  # noqa: ARG002
        """See `Fallback`; of several, an entry that gains an ending goes before one that loses one, then the nearest, then the first."""
        best: tuple[bool, int, Entry] | None = None
        for key in _keys(form):
            for listed, entry in self._words.get(key, ()):
                rank = len(listed) > len(form), len(listed) + len(form) - 2 * len(key)
                if (best is None or rank < best[:2]) and inflections(listed, form):
                    best = (*rank, entry)
        return best[2] if best else None

    def prepare(self, form: str, spelling: str) -> Prepared:  # noqa: ARG002
        """See `Fallback`."""
        return Prepared(form, NOTHING, self._with_longest_word(form))

    def phrases(self, atoms: Sequence[Prepared]) -> list[Found]:
        """See `Fallback`."""
        found: list[Found] = []
        for at, (_, _, anchored) in enumerate(atoms):
            for wanted, anchor, entry in anchored:
                first = at - anchor
                last = first + len(wanted)
                if first >= 0 and last <= len(atoms) and all(map(_same, wanted, (atom.form for atom in atoms[first:last]))):
                    found.append((first, last, entry))
        return found

    def _with_longest_word(self, form: str) -> list[Anchored]:
        """The phrases whose longest word this may be."""
        found = {id(one[2]): one for key in _keys(form) for one in self._phrases.get(key, ()) if inflections(one[0][one[1]], form)}
        return list(found.values())


def _same(wanted: str, form: str) -> bool:
    return wanted == form or (in_word(wanted[0]) and inflections(wanted, form))


def _keys(word: str) -> list[str]:
    """What two inflections of one word have in common: it with up to three letters less at its end, or two at its beginning."""
    plain = without_accents(word)
    if len(plain) < STEM or not in_word(plain[0]) or any(character.isnumeric() or unspaced(character) for character in plain):
        return []
    stems = [plain[:length] for length in range(len(plain), max(STEM, len(plain) - ENDING) - 1, -1)]
    tails = [plain[cut:] for cut in range(1, BEGINNING + 1) if len(plain) - cut >= STEM]
    return [*stems, *tails]
