"""From sub-tokens to words: how sure a system is of each word is the mean probability of its sub-tokens (SCALE, arXiv 2309.17061)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise

from ..lexicons.folding import unspaced
from ..tokenization import REPLACEMENT
from .records import Draft

_WORD = re.compile(r"\S+")
_Span = tuple[int, int]


def draft_of(ids: Sequence[int], probabilities: Sequence[float], decode: Callable[[Sequence[int]], str]) -> Draft:
    """A draft and its words.

    Args:
        ids: (n,) sub-tokens, none of them special.
        probabilities: (n,) of each.
        decode: sub-tokens to text.

    Words stand between spaces; in scripts without spaces they are the stretches between sub-tokens. A sub-token without a visible character
    of its own (a space, a byte of a character that is not complete) belongs to the word that goes on or begins after it.
    """
    text = decode(ids)
    ends = list(accumulate((_settled(decode(ids[:count]), text) for count in range(1, len(ids))), max))
    bounds = [0, *ends, len(text)] if ids else [0]
    spans = list(_words(text, set(bounds)))
    given: list[list[float]] = [[] for _ in spans]
    for stretch, probability in zip(pairwise(bounds), probabilities, strict=True):
        for number in _owners(text, spans, stretch):
            given[number].append(probability)
    return Draft(text, tuple((text[start:end], _mean(values)) for (start, end), values in zip(spans, given, strict=True)))


def _settled(beginning: str, text: str) -> int:
    """Characters of the text that some sub-tokens give for certain."""
    return min(len(beginning.rstrip(REPLACEMENT)), len(text))


def _owners(text: str, spans: Sequence[_Span], stretch: _Span) -> list[int]:
    """The words a stretch of text belongs to."""
    start, end = stretch
    visible = next((at for at in range(start, end) if not text[at].isspace()), end)
    if visible < end:
        return [number for number, (first, last) in enumerate(spans) if first < end and last > visible]
    return [next((number for number, (_, last) in enumerate(spans) if last > end), len(spans) - 1)] if spans else []


def _words(text: str, bounds: set[int]) -> Iterator[_Span]:
    for word in _WORD.finditer(text):
        start = word.start()
        for at in range(start + 1, word.end()):
            if at in bounds and unspaced(text[at - 1]) and unspaced(text[at]):
                yield start, at
                start = at
        yield start, word.end()


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
