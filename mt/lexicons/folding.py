"""Texts made comparable, with the way back: case, composition, optional signs and spacing folded, every character's origin kept.

A folded text is a sequence of atoms: what a term may begin and end with. In scripts with spaces an atom is a word, in scripts without them
a letter with its marks; anything else but space is an atom for itself. Nothing ever begins or ends between a letter and its marks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from ..languages import known_languages
from ..writing_systems import letter_script, writing_system

Place = tuple[int, int]

# Signs a writer may leave out: Hebrew and Arabic points, Quranic marks, the Arabic letter stretcher, the soft hyphen.
_OPTIONAL = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u00ad]"
)
_JOINERS = "_\u200c\u200d"  # zero-width joiners stand inside words in Persian and Indic scripts
# Latin, Greek, Cyrillic, punctuation and signs that stay what they are under NFC: no combining mark, no optional sign, no script without
# spaces; so all there is to do is to fold case, and `\w` is all there is to a word.
_LETTERS = (
    "!-\u0084\u0086-\u009f\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0373\u0375-\u037d\u037f-\u0386\u0388-\u0482\u048a-\u0590\u1e00-\u1f70"
    "\u2010-\u2027\u2030-\u205e\u20a0-\u20cf\u2100-\u2125\u2127-\u2129\u212c-\u2328\u232b-\u2adb\u2add-\u2cee"
)
_PLAIN = re.compile(f"[{_LETTERS}]+(?: [{_LETTERS}]+)*")
_PLAIN_ATOM = re.compile(r"\w+|[^\w\s]")
_PLAIN_TOKEN = re.compile(r" ?(?:\w+|[^\w\s])")
# The same over any text, on a string of character classes: (u)nspaced letter, letter or digit (a), (m)ark, (o)ther, space.
_ATOM = re.compile("um*|[am]+|om*")


class Folded(NamedTuple):
    """A text made comparable; places are (start, end) in `text`, end excluded.

    Attributes:
        original: the text as it was given.
        text: its comparable form.
        atoms: places of the atoms, left to right.
        aligned: whether `original` differs from `text` by case and apostrophes alone.
        starts: for each character of `text`, where in `original` it comes from; None where both are aligned one to one.
        ends: for each character of `text`, where in `original` that ends; None likewise.
    """

    original: str
    text: str
    atoms: Sequence[Place]
    aligned: bool
    starts: Sequence[int] | None = None
    ends: Sequence[int] | None = None

    def place(self, start: int, end: int) -> Place:
        """Where a non-empty stretch of `text` stands in `original`."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]

    def spelling(self, start: int, end: int) -> str:
        """A stretch of `text` as it was written: composed and without optional signs, its case kept."""
        first, last = self.place(start, end)
        written = self.original[first:last]
        return written if self.aligned else normalised(written)

    @property
    def words(self) -> tuple[Place, ...]:
        """The atoms that are words or letters of scripts without spaces."""
        return tuple(place for place in self.atoms if in_word(self.text[place[0]]))

    @property
    def spellings(self) -> tuple[str, ...]:
        """The words as they were written, for a lemmatizer, which reads case."""
        return tuple(self.spelling(start, end) for start, end in self.words)


def fold(text: str, *, dotted: bool = False) -> Folded:
    """The comparable form of a text: NFC, case folded, without optional signs; whitespace of any kind and length is one space.

    Args:
        text: any text.
        dotted: whether `I` and `İ` are the capitals of `ı` and `i`, as in Turkish (`has_dotted_i`).
    """
    if _PLAIN.fullmatch(text) is not None:
        written = _dotted(text) if dotted else text
        folded = written.replace("\u2019", "'").casefold()
        if len(folded) == len(text):
            return Folded(text, folded, [found.span() for found in _PLAIN_ATOM.finditer(folded)], True)
        origins = [at for at, character in enumerate(written) for _ in character.casefold()]
        return Folded(text, folded, _atoms(folded), True, origins, [at + 1 for at in origins])
    return _mapped(text, dotted)


def tokens(text: str, *, dotted: bool = False) -> tuple[list[str], list[Place] | None]:
    """The atoms of a text as they are written (composed), with a space before those that stand after one, and their places in the text.

    The places are None where the tokens one after another are the text itself.
    """
    if _PLAIN.fullmatch(text) is not None:
        return _PLAIN_TOKEN.findall(text), None
    folded = fold(text, dotted=dotted)
    places = [folded.place(*atom) for atom in folded.atoms]
    gaps = [" " if number and folded.atoms[number - 1][1] < start else "" for number, (start, _) in enumerate(folded.atoms)]
    return [gap + composed(text[start:end]) for gap, (start, end) in zip(gaps, places, strict=True)], places


def folded_text(text: str, *, dotted: bool = False, plain: bool = False) -> str:
    """What `fold` makes of a text, without the places; quicker where the text is known to be `plain` (`tokens` gave no places)."""
    if plain or _PLAIN.fullmatch(text) is not None:
        return (_dotted(text) if dotted else text).replace("\u2019", "'").casefold()
    return fold(text, dotted=dotted).text


def composed(text: str) -> str:
    """NFC, with single spaces for whitespace of any kind."""
    return " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())


def normalised(text: str) -> str:
    """A text composed (NFC), without optional signs and with plain apostrophes and single spaces; its case as it is."""
    if _PLAIN.fullmatch(text) is not None:
        return text.replace("\u2019", "'")
    return " ".join(_OPTIONAL.sub("", unicodedata.normalize("NFC", text)).replace("\u2019", "'").split())


def has_dotted_i(code: str) -> bool:
    """Whether a language (ISO 639-3) in Latin letters tells dotted and dotless i apart."""
    return code in {"tur", "azj", "azb", "aze", "crh", "tat", "gag", "kaz"}


def _dotted(text: str) -> str:
    return text.replace("I", "ı").replace("İ", "i")


def _mapped(text: str, dotted: bool) -> Folded:
    """The general case: cluster by cluster, since composition never crosses a cluster's border."""
    folded: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end in _clusters(text):
        piece = _OPTIONAL.sub("", unicodedata.normalize("NFC", text[start:end])).replace("\u2019", "'")
        if not piece and ends:
            ends[-1] = end  # an optional sign belongs to what it follows
        for character in _dotted(piece) if dotted else piece:
            if character.isspace() and (not folded or folded[-1] == " "):
                continue
            for part in " " if character.isspace() else character.casefold():
                folded.append(part)
                starts.append(start)
                ends.append(end)
    if folded and folded[-1] == " ":
        folded.pop()
    together = "".join(folded)
    return Folded(text, together, _atoms(together), False, starts, ends)


def _clusters(text: str) -> Iterator[Place]:
    """Characters with what may compose with them: marks, and the vowels and final consonants of Hangul in pieces."""
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or not (_is_mark(text[at]) or _composing(text[at - 1], text[at])):
            yield start, at
            start = at


def _composing(before: str, letter: str) -> bool:
    """Whether a letter that is no mark may compose with the one before: Hangul in pieces, and vowel signs of Kirat Rai."""
    if "\u1160" <= letter <= "\u11ff":
        return "\u1100" <= before <= "\u11ff" or "\uac00" <= before <= "\ud7a3"
    return letter == "\U00016d67" and "\U00016d63" <= before <= "\U00016d69"


def _atoms(text: str) -> list[Place]:
    pattern, over = (_PLAIN_ATOM, text) if _PLAIN.fullmatch(text) else (_ATOM, text.translate(_classes()))
    return [found.span() for found in pattern.finditer(over)]


class _Classes(dict[int, str]):
    """Code point -> class letter, found when first met."""

    def __missing__(self, code: int) -> str:
        self[code] = _character_class(chr(code))
        return self[code]


@cache
def _classes() -> _Classes:
    return _Classes()


@lru_cache(maxsize=65536)
def _character_class(character: str) -> str:
    if character.isspace():
        return " "
    if _is_mark(character):
        return "m"
    if in_word(character):
        return "u" if unspaced(character) else "a"
    return "o"


@lru_cache(maxsize=65536)
def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


@lru_cache(maxsize=65536)
def in_word(character: str) -> bool:
    """Whether a character is part of a word: letter, mark, number, or a joiner."""
    return unicodedata.category(character)[0] in "LMN" or character in _JOINERS


@cache
def _unspaced_scripts() -> frozenset[str]:
    """Scripts that are written without spaces, by ISO 15924 code of their letters."""
    systems = [writing_system(language.script) for language in known_languages()]
    return frozenset(member for system in systems if not system.spaced for member in system.members)


@lru_cache(maxsize=65536)
def unspaced(character: str) -> bool:
    """Whether a letter or mark belongs to a script that is written without spaces."""
    return letter_script(character) in _unspaced_scripts()


def boundary(text: str, at: int) -> bool:
    """Whether a term may begin or end before position `at` of a folded text: never inside a word, nor before a combining mark."""
    if at in (0, len(text)):
        return True
    if _is_mark(text[at]):
        return False
    base = at - 1
    while base > 0 and _is_mark(text[base]):
        base -= 1
    # Marks that stand on nothing begin a word.
    before = "a" if base < at - 1 and (text[base].isspace() or _is_mark(text[base])) else _character_class(text[base])
    return before not in "am" or _character_class(text[at]) != "a"
