"""Plain text: a segment is a line, or the lines up to a blank one; indentation, blank lines and line ends stay."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ..corpora.records import Origin
from .document import Document
from .encodings import decode
from .layout import TextBody
from .records import DocumentSegment, Request
from .spans import LINE_END, Line, Splice, lines, newline_of


@dataclass(frozen=True, slots=True)
class _Place:
    start: int
    end: int
    newline: str | None  # between the lines of a paragraph; None for a single line


@dataclass(frozen=True)
class _TextLayout:
    current: tuple[str, ...]
    places: tuple[_Place, ...]

    def fitted(self, number: int, target: str) -> str:
        written = [line.rstrip() for line in LINE_END.split(target.strip()) if line.strip()]
        return ("\n" if self.places[number].newline else " ").join(written)

    def refusal(self, number: int, target: str) -> str | None:
        del number
        return None if target else "an empty text: its line would be lost"

    def splices(self, targets: Mapping[int, str], failed: Collection[int]) -> Iterator[Splice]:
        del failed  # plain text has no marks: what failed stays in the source language
        for number, target in targets.items():
            place = self.places[number]
            yield Splice(place.start, place.end, target.replace("\n", place.newline or " "))


def read_text(request: Request) -> Document:
    """Plain text as a document.

    Raises:
        CorpusError: see `decode`; more than the limits allow.
    """
    decoded = decode(request)
    grouped = _paragraphs(decoded.text, request) if request.options.segments == "blank-line" else _single_lines(decoded.text)
    found = (_segment(decoded.text, group, request.origin(group[0].number)) for group in grouped)
    segments, places = request.gather(found)
    layout = _TextLayout(tuple(segment.source for segment in segments), places)
    return Document(request.name, "txt", segments, TextBody(decoded, layout))


def _segment(text: str, group: list[Line], origin: Origin) -> tuple[DocumentSegment, _Place]:
    raw = text[group[0].start : group[-1].end]
    start = group[0].start + len(raw) - len(raw.lstrip())
    end = start + len(raw.strip())
    newline = newline_of(text, start, end) if len(group) > 1 else None
    return DocumentSegment(LINE_END.sub("\n", text[start:end]), None, origin), _Place(start, end, newline)


def _single_lines(text: str) -> Iterator[list[Line]]:
    return ([line] for line in lines(text) if line.text.strip())


def _paragraphs(text: str, request: Request) -> Iterator[list[Line]]:
    group: list[Line] = []
    for line in lines(text):
        if line.text.strip():
            group.append(line)
            request.bound(line.end - group[0].start, group[0].number)
        elif group:
            yield group
            group = []
    if group:
        yield group
