"""How wide a text is, and where a line of it may end."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from ..writing_systems import letter_script

TAG = re.compile(r"\{\\[^{}\n]{0,80}\}|</?[A-Za-z][^<>\n]{0,200}>")  # what subtitles are marked up with
_GAP = r"[\s\u200b\u0f0b]"  # zero-width space; the Tibetan tsheg, which stays where a line ends after it
_RUN = re.compile(rf"((?:{TAG.pattern}|(?!{_GAP}).)++)({_GAP}*)", re.DOTALL)
_ANYWHERE = frozenset({"Hani", "Hira", "Kana", "Bopo", "Yiii"})  # scripts whose lines end between any two characters
_NEVER_FIRST = frozenset("、。，．・：；！？）」』】〕〉》”’ーぁぃぅぇぉっゃゅょァィゥェォッャュョ々…‥,.:;!?)")
_NEVER_LAST = frozenset("（「『【〔〈《“‘([")


def columns(text: str) -> int:
    """Columns of a terminal: East Asian wide characters take two, combining ones and what no one sees none."""
    if text.isascii():
        return len(text)
    return sum(map(_columns_of, text))


def _columns_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def runs_on(before: str, after: str) -> bool:
    """Whether two characters of a script without spaces meet here, so that a line between them ends without one."""
    return _breaks_anywhere(before) and _breaks_anywhere(after)


def balanced(text: str, most: int, room: int) -> list[str]:
    """A text in lines as even as can be: as few as fit into `room` columns, and never more than `most`, however long that makes them.

    Lines end at spaces; in Chinese, Japanese and Yi between characters, but for punctuation that may not stand there; in Thai and its
    neighbours, whose words nothing separates, only at spaces and zero-width spaces.
    """
    pieces = [_Piece(piece, columns(TAG.sub("", piece.rstrip())), columns(TAG.sub("", piece))) for piece in _pieces(text)]
    count = min(most, len(_filled(pieces, room)))
    low, high = 1, max(1, sum(piece.full for piece in pieces))
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if len(_filled(pieces, middle)) <= count else (middle + 1, high)
    return _filled(pieces, low)


class _Piece(NamedTuple):
    text: str
    width: int  # at the end of a line
    full: int  # with the gap behind it


def _filled(pieces: Sequence[_Piece], room: int) -> list[str]:
    """Pieces put into lines of at most `room` columns, but for pieces that are wider themselves."""
    made: list[list[str]] = []
    used = 0
    for piece in pieces:
        if not made or used + piece.width > room:
            made.append([])
            used = 0
        made[-1].append(piece.text)
        used += piece.full
    return ["".join(line).strip().strip("\u200b") for line in made]


def _pieces(text: str) -> Iterator[str]:
    """A text without outer white space cut wherever a line may end; gaps stay with what is before them."""
    for run in _RUN.finditer(text):
        *before, last = _cut(run[1])
        yield from before
        yield last + run[2]


def _cut(run: str) -> list[str]:
    """A run without gaps, cut between characters where its script allows it."""
    tagged = {position for tag in TAG.finditer(run) for position in range(tag.start() + 1, tag.end())}
    places = [at for at in range(1, len(run)) if at not in tagged and _may_end(run[at - 1], run[at])]
    return [run[start:end] for start, end in pairwise([0, *places, len(run)])]


def _may_end(before: str, after: str) -> bool:
    if after in _NEVER_FIRST or before in _NEVER_LAST or unicodedata.category(after).startswith(("M", "Cf")) or before == "\u200d":
        return False
    return runs_on(before, after)


def _breaks_anywhere(character: str) -> bool:
    script = letter_script(character)
    if script in (None, "Zyyy", "Zinh"):
        return unicodedata.east_asian_width(character) in "WF" and unicodedata.category(character)[0] != "S"
    return script in _ANYWHERE
