"""gettext catalogues by their spans: what each entry says, and where in the file its translations stand.

The grammar is GNU gettext's (manual, "PO Files"). Libraries that parse catalogues write them in a layout of their own, so the file is only
ever edited in the places found here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .records import Request
from .spans import Line, lines
from .widths import columns

_MOST_COMMENTS = 50  # of one entry, kept as its context
WIDTH = 79  # columns of a wrapped catalogue, as gettext writes it
_STRING = r'"(?:[^"\\]|\\.)*+"'
_KEYWORD = re.compile(rf"[ \t]*(msgctxt|msgid_plural|msgid|msgstr(?:\[(\d{{1,3}})\])?)\s*({_STRING}(?:\s*{_STRING})*+)\s*")
_CONTINUED = re.compile(rf"\s*({_STRING}(?:\s*{_STRING})*+)\s*")
_ONE = re.compile(_STRING)
_ESCAPED = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)")
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\", '"': '"'}
_WRITTEN = str.maketrans({character: f"\\{letter}" for letter, character in _PLAIN.items()})
_PIECE = re.compile(r"(?:\\.|[^\\\s])*+\s*")  # a word and the space after it


@dataclass(slots=True)
class Message:
    """A string of an entry: `text[start:end]` from its first quote to its last, and what it says."""

    start: int
    end: int
    line: int
    text: str
    newline: str


@dataclass(slots=True)
class Entry:
    """One entry that is not obsolete.

    Attributes:
        line: of its first keyword.
        mark_at: where a line of flags goes in, before `#| ` comments and keywords.
        flags_at: right behind the `#,` of its first line of flags, if it has one.
        strings: by keyword, without `msgstr`.
        targets: `msgstr`, by number in a plural entry, else under 0.
    """

    line: int = 0
    mark_at: int | None = None
    flags_at: int | None = None
    fuzzy: bool = False
    comments: list[str] = field(default_factory=list)
    strings: dict[str, Message] = field(default_factory=dict)
    targets: dict[int, Message] = field(default_factory=dict)


@dataclass
class Catalogue:
    """What a catalogue holds; `width` is None where a longer line shows that it is not wrapped."""

    entries: list[Entry] = field(default_factory=list)
    obsolete: int = 0
    width: int | None = WIDTH


def parse(text: str, request: Request) -> Catalogue:
    """The entries of a catalogue.

    Raises:
        CorpusError: a line that is none of a catalogue's, or an entry without its message or translation.
    """
    catalogue, reader = Catalogue(), _Reader(request)
    for line in lines(text):
        if not line.text:
            continue
        if line.text.lstrip().startswith(('"', "msg")) and len(line.text) > WIDTH + 1:
            catalogue.width = None
        catalogue.entries += reader.read(line, text[line.end : line.after])
        request.count(len(catalogue.entries) - 1, line.number)  # the header is no text
    catalogue.entries += reader.finish()
    catalogue.obsolete = reader.obsolete
    return catalogue


class _Reader:
    """Lines in, finished entries out."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._entry = Entry()
        self._open: Message | None = None
        self.obsolete = 0

    def read(self, line: Line, newline: str) -> Iterator[Entry]:
        bare = line.text.strip()
        if bare.startswith("#"):
            yield from self._comment(line, bare)
        elif match := _KEYWORD.fullmatch(line.text):
            yield from self._keyword(line, match, newline)
        elif self._open is not None and (match := _CONTINUED.fullmatch(line.text)):
            self._open.text += _value(match[1])
            self._open.end = line.start + match.end(1)
            self._request.bound(len(self._open.text), self._open.line)
        elif bare:
            raise self._request.error("not a gettext catalogue from here on", line.number)

    def finish(self) -> Iterator[Entry]:
        """The entry so far, if there is one; the next line begins another."""
        entry, self._entry, self._open = self._entry, Entry(), None
        if not entry.strings and not entry.targets:
            return
        if "msgid" not in entry.strings or not entry.targets:
            raise self._request.error("an entry without msgid or without msgstr", entry.line)
        yield entry

    def _comment(self, line: Line, bare: str) -> Iterator[Entry]:
        self._open = None
        if bare.startswith("#~"):
            yield from self.finish()  # with it go the comments before an obsolete entry
            self.obsolete += bool(re.match(r"#~\s*msgid\s", bare))
            return
        if self._entry.targets:
            yield from self.finish()
        entry = self._entry
        if bare.startswith("#,"):
            entry.fuzzy = entry.fuzzy or "fuzzy" in [flag.strip() for flag in bare[2:].split(",")]
            entry.flags_at = entry.flags_at or line.start + line.text.index("#,") + 2
        else:
            if len(entry.comments) < _MOST_COMMENTS:
                entry.comments.append(bare)
            if bare.startswith("#|") and entry.mark_at is None:
                entry.mark_at = line.start

    def _keyword(self, line: Line, match: re.Match[str], newline: str) -> Iterator[Entry]:
        keyword = match[1]
        if self._entry.targets and not keyword.startswith("msgstr"):
            yield from self.finish()
        entry = self._entry
        entry.line = entry.line or line.number
        if entry.mark_at is None:
            entry.mark_at = line.start
        self._open = Message(line.start + match.start(3), line.start + match.end(3), line.number, _value(match[3]), newline)
        self._request.bound(len(self._open.text), line.number)
        number = int(match[2] or 0)
        if keyword in entry.strings or (keyword.startswith("msgstr") and number in entry.targets):
            raise self._request.error(f"a second {keyword} in one entry", line.number)
        if keyword.startswith("msgstr"):
            entry.targets[number] = self._open
        else:
            entry.strings[keyword] = self._open


def _value(strings: str) -> str:
    return "".join(_ESCAPED.sub(_character, each[0][1:-1]) for each in _ONE.finditer(strings))


def _character(match: re.Match[str]) -> str:
    code = match[1]
    if code in _PLAIN:
        return _PLAIN[code]
    number = int(code[1:], 16) if code[0] == "x" and len(code) > 1 else int(code, 8) if code[0] in "01234567" else 0
    # Beyond ASCII the escapes are bytes of an encoding, and \0 ends a string for gettext: both are left as they are written.
    return chr(number) if 0 < number < 128 else match[0]


def quoted(text: str, message: Message, width: int | None) -> str:
    """A string as gettext writes it in the place of `message`: on one line if it fits, else an empty string and a line for each part."""
    room = None if width is None else width - len('msgstr[0] ""')
    whole = text.translate(_WRITTEN)
    if "\n" not in text[:-1] and (room is None or columns(whole) <= room):
        return f'"{whole}"'
    parts = [part for line in re.findall(r"[^\n]*\n|[^\n]+", text) for part in _wrapped(line.translate(_WRITTEN), width)]
    return (message.newline or "\n").join(['""', *(f'"{part}"' for part in parts)])


def _wrapped(line: str, width: int | None) -> Iterator[str]:
    if width is None:
        yield line
        return
    filled, used = "", 0
    for piece in _PIECE.findall(line):
        needed = columns(piece)
        if filled and used + needed > width - 2:
            yield filled
            filled, used = "", 0
        filled, used = filled + piece, used + needed
    if filled:
        yield filled
