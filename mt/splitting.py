"""Split a text that is too long to translate at once, at the best boundaries it has, without losing a character."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

# From the best boundary to the worst; each pattern matches what stays at the end of a part.
_BOUNDARIES = tuple(
    re.compile(pattern)
    for pattern in (
        r"\n+",
        r"[.!?…؟۔।॥։။።:]+[\"'”’»)\]]*\s+|[。！？．]+[」』”’）]*\s*",  # sentence ends
        r"[,;،؛–—]\s+|[，；：、]\s*",  # clauses
        r"\s+",
    )
)
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True)
class Part:
    """A piece of a text and the whitespace between it and the next one."""

    text: str
    gap: str


@dataclass(frozen=True)
class Segment:
    """A text to translate: its outer whitespace set aside, the rest in parts (none when it is whitespace only).

    `lead + "".join(part.text + part.gap for part in parts) + tail` is the text.
    """

    lead: str
    parts: list[Part]
    tail: str

    @property
    def text(self) -> str:
        """The text without outer whitespace."""
        return "".join(part.text + part.gap for part in self.parts)

    def join(self, outputs: Sequence[str], spaced: bool) -> str:
        """Translations of the first `len(outputs)` parts put together behind the text's leading whitespace (`tail` is left to the caller).

        Line breaks between parts stay; any other gap becomes one space, or none, as the target language writes (`spaced`).
        """
        joined = ""
        for part, output in zip(self.parts, outputs, strict=False):
            gap = part.gap if "\n" in part.gap else (" " if spaced else "")
            joined += output + (gap if output else "")
        return self.lead + joined.strip()


def sentences(text: str) -> Iterator[str]:
    """A text cut at its line breaks and sentence ends; the pieces joined are the text."""
    for line in _pieces(text, 0):
        yield from _pieces(line, 1)


def split_text(text: str, size: Callable[[str], int], longest: int) -> list[Part]:
    """Parts of at most `longest` by `size`, as few as neighbouring boundaries allow.

    `"".join(part.text + part.gap for part in parts) == text`. A single user-perceived character is never cut, even if it is too long.

    Args:
        text: without outer whitespace.
        size: length of a text in the unit of `longest` (tokens).
        longest: 1 or more.
    """
    parts: list[Part] = []
    for chunk in _chunks(text, size, longest, 0):
        core = chunk.rstrip()
        if core or not parts:
            parts.append(Part(core, chunk[len(core) :]))
        else:
            parts[-1] = Part(parts[-1].text, parts[-1].gap + chunk)
    return parts


def _chunks(text: str, size: Callable[[str], int], longest: int, level: int) -> Iterator[str]:
    """Pack the pieces at this level's boundaries into chunks that fit; what does not fit alone goes one level down."""
    if size(text) <= longest:
        yield text
    elif level == len(_BOUNDARIES):
        yield from _halves(list(_characters(text)), size, longest)
    else:
        for chunk in _packed(_pieces(text, level), size, longest):
            yield from _chunks(chunk, size, longest, level + 1)


def _packed(pieces: Iterator[str], size: Callable[[str], int], longest: int) -> Iterator[str]:
    """Neighbours together while their sizes add up to `longest` at most (each is measured once, so this stays linear)."""
    packed, filled = "", 0
    for piece in pieces:
        added = size(piece)
        if packed and filled + added > longest:
            yield packed
            packed, filled = "", 0
        packed, filled = packed + piece, filled + added
    if packed:
        yield packed


def _halves(characters: list[str], size: Callable[[str], int], longest: int) -> Iterator[str]:
    text = "".join(characters)
    if size(text) <= longest or len(characters) == 1:
        yield text
        return
    middle = len(characters) // 2
    yield from _halves(characters[:middle], size, longest)
    yield from _halves(characters[middle:], size, longest)


def _pieces(text: str, level: int) -> Iterator[str]:
    start = 0
    for match in _BOUNDARIES[level].finditer(text):
        if _may_cut(text, match.end()):
            yield text[start : match.end()]
            start = match.end()
    if start < len(text):
        yield text[start:]


def _characters(text: str) -> Iterator[str]:
    """Characters with their combining marks and joined neighbours."""
    start = 0
    for position in range(1, len(text)):
        if _may_cut(text, position):
            yield text[start:position]
            start = position
    yield text[start:]


def _may_cut(text: str, position: int) -> bool:
    """Whether a user-perceived character may start here: not at a mark, nor beside a joiner."""
    if position >= len(text):
        return True
    after, before = text[position], text[position - 1]
    return after not in _JOINERS and before not in _JOINERS and not unicodedata.category(after).startswith("M")
