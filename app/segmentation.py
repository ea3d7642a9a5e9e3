"""A text of any length as segments to translate, and back: line breaks stay, long lines are cut at sentence ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..mt.splitting import split_text

LONGEST = 1000  # characters of a segment; about a paragraph, so that one long text does not hold up a batch

_LINES = re.compile(r"[^\n]*\n*")


@dataclass(frozen=True)
class Layout:
    """A text taken apart.

    Attributes:
        segments: what is translated, without outer whitespace.
        before: for each segment the whitespace in front of it, or None for a gap inside a line, which the target language decides.
        end: what follows the last segment.
    """

    segments: tuple[str, ...]
    before: tuple[str | None, ...]
    end: str

    def separator(self, number: int, joined: str, spaced: bool) -> str:
        """What stands between what was `joined` so far and segment `number`, when its translation is not empty.

        Args:
            number: from 0.
            joined: everything before.
            spaced: whether the target language puts spaces between words (and so between sentences of one line).
        """
        given = self.before[number]
        if given is not None:
            return given
        return " " if spaced and joined and not joined[-1].isspace() else ""

    def join(self, outputs: Sequence[str], spaced: bool) -> str:
        """The translations of all segments, laid out as the text is."""
        joined = ""
        for number, output in enumerate(outputs):
            if output or self.before[number] is not None:
                joined += self.separator(number, joined, spaced) + output
        return joined + self.end


def lay_out(text: str, longest: int = LONGEST) -> Layout:
    """Take a text apart at its line breaks, and lines of more than `longest` characters at their best boundaries."""
    segments: list[str] = []
    before: list[str | None] = []
    pending = ""  # whitespace since the last segment
    for match in _LINES.finditer(text):
        line = match[0]
        core = line.strip()
        if not core:
            pending += line
            continue
        start = line.index(core)
        parts = [part.text for part in split_text(core, len, longest)]
        segments += parts
        before += [pending + line[:start], *[None] * (len(parts) - 1)]
        pending = line[start + len(core) :]
    return Layout(tuple(segments), tuple(before), pending)
