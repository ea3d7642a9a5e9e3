"""SubRip subtitles (SRT): a segment is the text of a cue; numbers, times and tags around it stay, and it keeps at most its lines."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from .cue_text import CueText, read_cue, shown
from .document import Document
from .encodings import decode
from .layout import TextBody
from .records import DocumentSegment, Request
from .spans import Line, Splice, lines, newline_of

_TIME = re.compile(r"\s*(\d{1,3}:\d{1,2}:\d{1,2}(?:[,.:]\d{1,3})?\s*-->\s*\d{1,3}:\d{1,2}:\d{1,2}(?:[,.:]\d{1,3})?)(?:\s.*)?")
_NUMBER = re.compile(r"\s*\d{1,9}\s*")


@dataclass(frozen=True, slots=True)
class _Place:
    start: int
    end: int
    cue: CueText
    newline: str


@dataclass(frozen=True)
class _SubtitleLayout:
    places: tuple[_Place, ...]
    current: tuple[str, ...]

    def fitted(self, number: int, target: str) -> str:
        return shown(self.places[number].cue, target)

    def refusal(self, number: int, target: str) -> str | None:
        del number
        if "-->" in target:
            return "--> inside a cue would read as its time"
        return None if target.strip() else "an empty cue"

    def splices(self, targets: Mapping[int, str], failed: Collection[int]) -> Iterator[Splice]:
        del failed  # subtitles have no marks: what failed stays in the source language
        for number, target in targets.items():
            place = self.places[number]
            yield Splice(place.start, place.end, target.replace("\n", place.newline))


def read_srt(request: Request) -> Document:
    """Subtitles as a document. Where a cue is cut by blank lines, each part of it is a segment.

    Raises:
        CorpusError: not one line with times; see `decode`; more than the limits allow.
    """
    decoded = decode(request)
    reader = _Reader(request)
    segments, places = request.gather(_segment(decoded.text, time, run, request) for time, run in reader.read(decoded.text))
    if reader.time is None:
        raise request.error(
            "not one cue: no line with times",
            allowed="SubRip subtitles: 00:00:01,000 --> 00:00:04,000",
            hint="is it plain text? (format txt)",
        )
    layout = _SubtitleLayout(places, tuple(place.cue.raw for place in places))
    notes = (f"lines before the first cue, left as they are: {reader.before:,}",) if reader.before else ()
    return Document(request.name, "srt", segments, TextBody(decoded, layout), notes)


def _segment(text: str, time: str, run: list[Line], request: Request) -> tuple[DocumentSegment, _Place]:
    cue = read_cue([line.text for line in run])
    segment = DocumentSegment(cue.source, None, request.origin(run[0].number), (f"time: {time}",))
    return segment, _Place(run[0].start, run[-1].end, cue, newline_of(text, run[0].start))


class _Reader:
    """Lines to runs of lines with text, each under the time it belongs to; those before the first time are counted in `before`."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._run: list[Line] = []
        self.time: str | None = None
        self.before = 0

    def read(self, text: str) -> Iterator[tuple[str, list[Line]]]:
        for line in lines(text):
            match = _TIME.fullmatch(line.text) if "-->" in line.text else None
            if match is None and line.text.strip():
                self._run.append(line)
                self._request.bound(line.end - self._run[0].start, self._run[0].number)
                continue
            if match and self._run and _NUMBER.fullmatch(self._run[-1].text):
                self._run.pop()  # the number of the cue that begins here
            yield from self._finished()
            self.time = match[1] if match else self.time
        yield from self._finished()

    def _finished(self) -> Iterator[tuple[str, list[Line]]]:
        run, self._run = self._run, []
        if run and self.time is not None:
            yield self.time, run
        elif run:
            self.before += len(run)
