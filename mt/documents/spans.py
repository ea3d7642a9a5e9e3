"""Edits of a text: spans replaced, everything between them copied. That is why nothing but the targets can change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# A lone \r ends a line too: files of three systems come in, and some hold the line ends of two.
LINE_END = re.compile(r"\r\n|\n|\r")


class Splice(NamedTuple):
    """`text` in the place of what is between `start` and `end`."""

    start: int
    end: int
    text: str


class Line(NamedTuple):
    """`text[start:end]` is a line, `text[end:after]` what ends it (nothing at the end of a file); `number` counts from 1."""

    number: int
    start: int
    end: int
    after: int
    text: str


def splice(text: str, edits: Iterable[Splice]) -> str:
    """The text with all edits done; they may come in any order but not overlap (two insertions at one place stay in theirs)."""
    pieces: list[str] = []
    position = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        assert position <= edit.start <= edit.end, "edits overlap"
        pieces += (text[position : edit.start], edit.text)
        position = edit.end
    return "".join([*pieces, text[position:]])


def lines(text: str) -> Iterator[Line]:
    """The lines of a text; nothing after the last line end is no line."""
    start = number = 0
    for number, match in enumerate(LINE_END.finditer(text), 1):
        yield Line(number, start, match.start(), match.end(), text[start : match.start()])
        start = match.end()
    if start < len(text):
        yield Line(number + 1, start, len(text), len(text), text[start:])


def newline_of(text: str, start: int = 0, end: int | None = None) -> str:
    """The first line end between two places, else the file's first, else `\\n`."""
    match = LINE_END.search(text, start, len(text) if end is None else end) or LINE_END.search(text)
    return match[0] if match else "\n"
