"""Tables by their spans: where each cell stands in the file, what it says, and how a new one is written beside it.

CSV after RFC 4180 with any delimiter; TSV the same if its quotes are quotes, else as the field writes it: a tab ends a cell and nothing
else means anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from .records import Request
from .spans import LINE_END

_QUOTED = re.compile(r'"(?:[^"]|"")*+"')
_BLANK = re.compile(r"[\r\n]++")
_DELIMITERS = ",;\t|"
_SAMPLE = 200  # rows looked at to find the delimiter
_EXCEL_HINT = re.compile(r'"?sep=(.)"?(?:\r\n|\n|\r)', re.IGNORECASE)  # a first line by which Excel is told the delimiter


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table is written: what separates its cells, and whether quotes hold them. `start` is where its first row begins."""

    delimiter: str
    quotes: bool = True
    start: int = 0


class Cell(NamedTuple):
    """`text[start:end]`, quotes included, and what it says."""

    start: int
    end: int
    text: str
    quoted: bool


class Row(NamedTuple):
    """A row that is not empty, the number of its first line, and where it ends."""

    line: int
    cells: list[Cell]
    end: int


def rows(text: str, dialect: Dialect, request: Request) -> Iterator[Row]:
    """The rows of a table but for empty lines.

    Raises:
        CorpusError: a quote that is not closed, text behind a closing quote, or more columns than the limits allow.
    """
    plain = re.compile(rf"[^{re.escape(dialect.delimiter)}\r\n]*+")
    position, line = dialect.start, 1 + len(LINE_END.findall(text, 0, dialect.start))
    while position < len(text):
        if blank := _BLANK.match(text, position):
            position, line = blank.end(), line + len(LINE_END.findall(blank[0]))
            continue
        cells: list[Cell] = []
        first = line
        while True:
            cell = _cell(text, position, plain, dialect, request, line)
            line += len(LINE_END.findall(cell.text)) if cell.quoted else 0
            cells.append(cell)
            if len(cells) > request.limits.columns:
                raise request.error("more columns than a table has", first, allowed=f"{request.limits.columns:,} at most (limit columns)")
            if not text.startswith(dialect.delimiter, cell.end):
                break
            position = cell.end + len(dialect.delimiter)
        end = cells[-1].end
        yield Row(first, cells, end)
        match = LINE_END.match(text, end)
        position = match.end() if match else len(text)
        line += 1


def _cell(text: str, start: int, plain: re.Pattern[str], dialect: Dialect, request: Request, line: int) -> Cell:
    if not (dialect.quotes and text.startswith('"', start)):
        match = plain.match(text, start)
        assert match is not None, "a cell may be empty"
        return Cell(start, match.end(), match[0], False)
    match = _QUOTED.match(text, start)
    if match is None:
        raise request.error("a quote opened here is not closed", line, hint="close it, or read the file as tsv where quotes mean nothing")
    end = match.end()
    if end < len(text) and text[end] not in "\r\n" and not text.startswith(dialect.delimiter, end):
        raise request.error("text behind a closing quote", line, allowed='quotes inside a quoted cell are doubled: "say ""yes"""')
    return Cell(start, end, match[0][1:-1].replace('""', '"'), True)


def written(value: str, dialect: Dialect, *, like: Cell | None, beside: Cell | None, newline: str) -> str:
    """A cell for a value, quoted as the one it replaces was; an empty or new one as the cell `beside` it; and where it has to be.

    Args:
        value: with `\\n` for line breaks; without quotes in the dialect it must hold neither those nor delimiters.
        dialect: of the table.
        like: the cell it replaces.
        beside: the source's cell.
        newline: for line breaks in the value.
    """
    if not dialect.quotes:
        return value
    needed = _needs_quotes(value, dialect)
    habit = like is not None and like.quoted
    if beside is not None and (like is None or like.start == like.end):
        habit = beside.quoted and not _needs_quotes(beside.text, dialect)
    if not (needed or habit):
        return value
    return '"' + value.replace('"', '""').replace("\n", newline) + '"'


def _needs_quotes(value: str, dialect: Dialect) -> bool:
    return any(mark in value for mark in ('"', "\n", "\r", dialect.delimiter))


def find_dialect(text: str, wanted: str, request: Request) -> Dialect:
    """How a table is written: `request.options.delimiter` if given, else tabs for `tsv`, else what gives the most rows of one width.

    Raises:
        CorpusError: a delimiter that cannot be one.
    """
    given = request.options.delimiter
    if given is not None and (len(given) != 1 or given in '"\r\n'):
        raise request.error(f"{given!r} cannot be a delimiter", allowed="one character that is no quote and no line end: , ; | or a tab")
    hint = _EXCEL_HINT.match(text)
    start = hint.end() if hint else 0
    delimiter = given or (hint[1] if hint and hint[1] != '"' else None) or ("\t" if wanted == "tsv" else None)
    if delimiter is None:
        delimiter = max(_DELIMITERS, key=lambda each: _evenness(text, Dialect(each, start=start), request))
    if wanted == "tsv" and not _quotes_mean_something(text, Dialect(delimiter, start=start), request):
        return Dialect(delimiter, False, start)
    return Dialect(delimiter, start=start)


def _evenness(text: str, dialect: Dialect, request: Request) -> tuple[float, int]:
    """Share of the first rows that are as wide as the first one, and that width; nothing for one column or broken quotes."""
    widths: list[int] = []
    try:
        widths += (len(row.cells) for row in islice(rows(text, dialect, request), _SAMPLE))
    except ValueError:
        return 0.0, 0
    if not widths or widths[0] == 1:
        return 0.0, 0
    return widths.count(widths[0]) / len(widths), widths[0]


def _quotes_mean_something(text: str, dialect: Dialect, request: Request) -> bool:
    """Whether a TSV is written with quotes: some cell is quoted, and rows are all of one width.

    Where they are so without quotes too, a quoted cell that holds tabs or line breaks was only pieced together by accident.
    """
    if '"' not in text:
        return False
    quoted = pieced = False
    widths = set()
    try:
        for row in rows(text, dialect, request):
            widths.add(len(row.cells))
            inside = [cell.text for cell in row.cells if cell.quoted]
            quoted = quoted or bool(inside)
            pieced = pieced or any(dialect.delimiter in cell or LINE_END.search(cell) for cell in inside)
            if len(widths) > 1:
                return False
    except ValueError:
        return False
    plain = Dialect(dialect.delimiter, False, dialect.start)
    return quoted and not (pieced and len({len(row.cells) for row in rows(text, plain, request)}) == 1)
