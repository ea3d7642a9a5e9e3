"""Held-out pairs that training never saw, not even in another guise.

Translation corpora repeat themselves: interface strings that differ in a placeholder, captions that differ in a word. A random split
then measures memory. Here every training pair that is a near-duplicate of a held-out one, on either side, is taken out of training.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.fuzz import ratio
from rapidfuzz.process import cdist

from .corpora.records import Pair
from .errors import CorpusError
from .writing_systems import letter_script, writing_system

JACCARD = 0.6  # character 3-grams in common, of all that either string has
TOKEN_RATIO = 80  # per cent of tokens in common and in order: 2 * matches / (tokens of one + tokens of the other)
_WORDS = 3  # held-out strings are drawn among those with at least so many tokens, while there are enough
_BLOCK = 512  # rows compared at a time: bounds the memory to _BLOCK x held-out strings

_HOLE = "\ufffc"  # stands for a placeholder or a tag
_PLACEHOLDER = re.compile(
    r"%\([^)\s]*\)[-#0 +]*[\d.]*[a-zA-Z]"  # %(name)s
    r"|%(?:\d+\$)?[-#0+]*[\d.]*(?:hh|h|ll|l|L|z|j|t)?[diouxXeEfFgGcrsa@](?![^\W\d_])"  # %s %1$d %.2f, but not the start of a word
    r"|\$?\{\{?[^{}\n]*\}?\}"  # {name} {{ name }} ${name}
    r"|</?[a-zA-Z][^<>\n]*>"  # <b> </a>
)


@dataclass(frozen=True)
class Split:
    """Pairs for training, for development and for the test; `removed` are near-duplicates of held-out pairs, in none of the three."""

    train: tuple[Pair, ...]
    dev: tuple[Pair, ...]
    test: tuple[Pair, ...]
    removed: tuple[Pair, ...]


def held_out_split(pairs: Sequence[Pair], dev: int, test: int, seed: int) -> Split:
    """Draw `dev` and `test` pairs, and take their near-duplicates out of the rest.

    Held-out pairs are drawn with `seed`, first among those whose two sides have three tokens or more, and no two of them are
    near-duplicates of each other, so dev and test share nothing either. The order of `pairs` is kept in each part.

    Raises:
        CorpusError: too few pairs, too few that differ from each other, or nothing left to train on.
    """
    wanted = dev + test
    if wanted >= len(pairs):
        raise CorpusError(f"{dev} dev and {test} test pairs cannot be held out of {len(pairs)}", hint="hold out fewer")
    sides = [_Side([_normalised(pair.source) for pair in pairs]), _Side([_normalised(pair.target) for pair in pairs])]
    chosen = _draw(sides, _candidates(sides, seed), wanted)
    if len(chosen) < wanted:
        raise CorpusError(
            f"only {len(chosen)} of {len(pairs)} pairs differ enough from each other to be held out, and {wanted} are wanted",
            hint="hold out fewer, or give a separate dev corpus",
        )
    order = list(chosen)
    random.Random(f"{seed} parts").shuffle(order)  # so that dev and test are alike, also where short strings had to fill up
    in_test, in_dev = set(order[:test]), set(order[test:])
    near = _near_any(sides, [at for at in range(len(pairs)) if at not in in_test and at not in in_dev], chosen)
    rest = [at for at in range(len(pairs)) if at not in in_test and at not in in_dev and at not in near]
    if not rest:
        raise CorpusError(
            f"every other pair is a near-duplicate of the {wanted} held out: nothing is left to train on", hint="hold out fewer"
        )
    return Split(*(tuple(pairs[at] for at in sorted(part)) for part in (rest, in_dev, in_test, near)))


def near_duplicate(one: str, other: str) -> bool:
    """Whether two strings of one language are near-duplicates.

    Both are normalised first: case folded; placeholders, tags, runs of digits each one symbol; punctuation and whitespace one space. Then
    they are near-duplicates if they are equal, if their character 3-grams overlap (Jaccard) by 0.6, or if their *token* ratio is 80.

    The token ratio is rapidfuzz's `ratio` over sequences of tokens instead of characters. `token_set_ratio` would call `Save` a duplicate
    of every string with the word "save" in it (a subset scores 100), and a character-level `ratio` of 80 joins `Add page` with
    `Add image`; over tokens, four words of five in common are needed. In scripts without spaces each character is a token.
    """
    side = _Side([_normalised(one), _normalised(other)])
    return bool(_Matcher(side, [0]).matches([1])[0, 0])


class _Characters(dict[int, str]):
    """What `str.translate` does to a character, worked out once each: letters and marks stay, digits are `0`, the rest is space."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)
        if kind[0] in "LM" or character == _HOLE:
            folded = character
        elif kind[0] == "N":
            folded = "0"
        else:
            folded = "" if kind == "Cf" else " "  # joiners and direction marks are not seen: they part no words
        self[code] = folded
        return folded


@cache
def _characters() -> _Characters:
    return _Characters()


def _normalised(text: str) -> str:
    folded = _PLACEHOLDER.sub(f" {_HOLE} ", unicodedata.normalize("NFC", text).casefold()).translate(_characters())
    return " ".join(re.sub("0+", "0", folded).split()) or " ".join(text.split())  # pure punctuation is compared as it is


@cache
def _alone(character: str) -> bool:
    """Whether a character is a token by itself: a letter of a script without spaces."""
    script = letter_script(character)
    return script is not None and not writing_system({"Hira": "Jpan", "Kana": "Jpan"}.get(script, script)).spaced


def _tokens(normalised: str) -> list[str]:
    if normalised.isascii():
        return normalised.split()
    return "".join(f" {character} " if _alone(character) else character for character in normalised).split()


def _trigrams(normalised: str) -> set[str]:
    padded = f" {normalised} "
    return {padded[at : at + 3] for at in range(max(1, len(padded) - 2))}


class _Side:
    """One side of a corpus: its normalised strings, and the tokens of each as numbers."""

    def __init__(self, strings: list[str]) -> None:
        self.strings = strings
        numbers: dict[str, int] = {}
        self.tokens = []
        for string in strings:
            self.tokens.append([numbers.setdefault(token, len(numbers)) for token in _tokens(string)])


class _Matcher:
    """Strings of one side compared with the held-out ones, all with all."""

    def __init__(self, side: _Side, held: Sequence[int]) -> None:
        self._side = side
        self._held = [side.strings[at] for at in held]
        grams = [_trigrams(string) for string in self._held]
        self._columns: dict[str, int] = {}
        for gram in sorted(set().union(*grams)):
            self._columns[gram] = len(self._columns)
        self._sizes = np.array([len(each) for each in grams], dtype=np.int32)
        self._has = np.zeros((len(self._columns), len(held)), dtype=np.uint8)  # (3-grams, held)
        for column, each in enumerate(grams):
            self._has[[self._columns[gram] for gram in each], column] = 1
        # rapidfuzz compares strings: each token of the held-out strings becomes one character, every other token the same unknown one.
        self._alphabet: dict[int, str] = {}
        for at in held:
            for token in side.tokens[at]:
                self._alphabet.setdefault(token, _letter(len(self._alphabet) + 1))
        self._held_tokens = [self._spelled(at) for at in held]

    def _spelled(self, at: int) -> str:
        return "".join(self._alphabet.get(token, "\0") for token in self._side.tokens[at])

    def matches(self, rows: Sequence[int]) -> NDArray[np.bool_]:
        """(rows, held): whether each row is a near-duplicate of each held-out string."""
        found = np.zeros((len(rows), len(self._held)), dtype=np.bool_)
        for number, at in enumerate(rows):
            grams = _trigrams(self._side.strings[at])
            known = [self._columns[gram] for gram in grams if gram in self._columns]
            if known:
                shared = self._has[known].sum(axis=0, dtype=np.int32)
                found[number] = shared >= JACCARD * (len(grams) + self._sizes - shared)
        tokens = [self._spelled(at) for at in rows]
        scores = cdist(tokens, self._held_tokens, scorer=ratio, score_cutoff=TOKEN_RATIO, dtype=np.uint8, workers=1)
        return found | (scores >= TOKEN_RATIO)


def _letter(number: int) -> str:
    """The character for the n-th token; surrogates are left out."""
    return chr(number if number < 0xD800 else number + 0x800)


def _candidates(sides: Sequence[_Side], seed: int) -> list[int]:
    """All rows in random order, those with enough tokens on both sides first."""
    order = list(range(len(sides[0].strings)))
    random.Random(seed).shuffle(order)
    return sorted(order, key=lambda at: min(len(side.tokens[at]) for side in sides) < _WORDS)


def _draw(sides: Sequence[_Side], candidates: Sequence[int], wanted: int) -> list[int]:
    """The first `wanted` candidates none of which is a near-duplicate of one before it."""
    chosen: list[int] = []
    position = 0
    while len(chosen) < wanted and position < len(candidates):
        block = candidates[position : position + max(wanted - len(chosen), 16)]
        position += len(block)
        near_chosen = _near_any(sides, block, chosen)
        block = [at for at in block if at not in near_chosen]
        within = _matrix(sides, block)
        kept: list[int] = []
        for number in range(len(block)):
            if not within[number, kept].any():
                kept.append(number)
        chosen += [block[number] for number in kept]
    return chosen[:wanted]


def _matrix(sides: Sequence[_Side], rows: Sequence[int]) -> NDArray[np.bool_]:
    """(rows, rows): near-duplicates among the rows themselves, on either side."""
    if not rows:
        return np.zeros((0, 0), dtype=np.bool_)
    one, other = (_Matcher(side, rows).matches(rows) for side in sides)
    return one | other


def _near_any(sides: Sequence[_Side], rows: Sequence[int], held: Sequence[int]) -> set[int]:
    """Those of `rows` that are a near-duplicate of any held-out one on either side."""
    if not held:
        return set()
    matchers = [_Matcher(side, held) for side in sides]
    found: set[int] = set()
    for block in _blocks(rows):
        for matcher in matchers:
            found.update(at for at, row in zip(block, matcher.matches(block), strict=True) if row.any())
    return found


def _blocks(rows: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(rows), _BLOCK):
        yield rows[start : start + _BLOCK]
