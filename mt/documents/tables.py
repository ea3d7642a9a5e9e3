"""CSV and TSV: a segment is a row's source cell; its translation goes into the target column, which is appended if it is not there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from .document import Document
from .encodings import decode
from .layout import TextBody
from .records import DocumentSegment, Request
from .spans import LINE_END, Splice
from .table_syntax import Cell, Dialect, Row, find_dialect, rows, written


@dataclass(frozen=True, slots=True)
class _Columns:
    source: int
    target: int
    header: str | None  # what the first row calls the target column; None without a header
    width: int

    @property
    def appended(self) -> bool:
        return self.target == self.width


@dataclass(frozen=True, slots=True)
class _Place:
    source: Cell
    target: Cell | None  # None where the row ends before the target column
    end: int
    missing: int  # cells between the row's end and the target column


@dataclass(frozen=True)
class _TableLayout:
    text: str
    dialect: Dialect
    columns: _Columns
    places: tuple[_Place, ...]
    header: Row | None
    current: tuple[str | None, ...]

    def fitted(self, number: int, target: str) -> str:
        del number
        if self.dialect.quotes:
            return LINE_END.sub("\n", target)
        return LINE_END.sub(" ", target).replace(self.dialect.delimiter, " ")

    def refusal(self, number: int, target: str) -> str | None:
        del target
        place = self.places[number]
        return "its row has more cells than the header" if place.target is None and place.missing < 0 else None

    def splices(self, targets: Mapping[int, str], failed: Collection[int]) -> Iterator[Splice]:
        del failed  # tables have no marks: a cell that failed stays as it is
        if not targets:
            return
        if self.columns.appended and self.header is not None:
            beside = self.header.cells[self.columns.source]
            name = written(self.columns.header or "", self.dialect, like=None, beside=beside, newline="\n")
            yield Splice(self.header.end, self.header.end, self.dialect.delimiter + name)
        for number, place in enumerate(self.places):
            target = targets.get(number)
            if target is not None and place.target is not None:
                yield Splice(place.target.start, place.target.end, self._written(target, place))
            elif place.target is None and place.missing >= 0 and (target is not None or self.columns.appended):
                gap = self.dialect.delimiter * (place.missing + 1)
                yield Splice(place.end, place.end, gap + self._written(target or "", place))

    def _written(self, target: str, place: _Place) -> str:
        cells = [cell for cell in (place.target, place.source) if cell is not None]
        inside = [match[0] for cell in cells if (match := LINE_END.search(self.text, cell.start, cell.end))]
        newline = inside[0] if inside else "\n"
        return written(target, self.dialect, like=place.target, beside=place.source, newline=newline)


def read_csv(request: Request) -> Document:
    """A CSV file as a document. Errors: see `_read`."""
    return _read(request, "csv")


def read_tsv(request: Request) -> Document:
    """A TSV file as a document. Errors: see `_read`."""
    return _read(request, "tsv")


def _read(request: Request, name: str) -> Document:
    """A table as a document.

    Raises:
        CorpusError: no such column, broken quotes, no rows; see `decode`; more than the limits allow.
    """
    decoded = decode(request)
    dialect = find_dialect(decoded.text, name, request)
    read = rows(decoded.text, dialect, request)
    first = next(read, None)
    if first is None:
        raise request.error("empty: there are no rows", allowed="a table with a column of texts")
    columns = _columns(first, request)
    header = first if columns.header is not None else None
    short: list[int] = []
    body = _segments(read if header else chain([first], read), columns, request, short)
    segments, places = request.gather(body)
    current = tuple(segment.target if place.target else None for segment, place in zip(segments, places, strict=True))
    layout = _TableLayout(decoded.text, dialect, columns, places, header, current)
    shown = ", ".join(map(str, short[:5])) + (", ..." if len(short) > 5 else "")
    notes = (f"rows that end before the source column, left as they are: {len(short):,} (line {shown})",) if short else ()
    return Document(request.name, name, segments, TextBody(decoded, layout), notes)


def _columns(first: Row, request: Request) -> _Columns:
    """Where the columns are; the first row is a header if either is given by name."""
    names = [cell.text.strip() for cell in first.cells]
    width, options = len(names), request.options
    named = isinstance(options.source_column, str) or isinstance(options.target_column, str)
    source = _position(options.source_column, names, request, first.line)
    if source is None:
        raise request.error(
            f"no column named {options.source_column}",
            first.line,
            allowed=", ".join(name for name in names[:20] if name) or "a first row with names",
            hint="name the source and target column, or give their positions from 0 if there is no header",
        )
    target = _position(options.target_column, names, request, first.line)
    if target == source:
        raise request.error("source and target are the same column", first.line, allowed="two columns")
    header = str(options.target_column) if isinstance(options.target_column, str) else "target"
    return _Columns(source, width if target is None else target, header if named else None, width)


def _position(column: str | int, names: list[str], request: Request, line: int) -> int | None:
    if isinstance(column, int):
        # One past the last is the target column to append; the source is looked up in rows, which may be longer than the first.
        if not 0 <= column <= len(names):
            raise request.error(f"no column {column}", line, allowed=f"0 to {len(names) - 1}; {len(names)} appends a target column")
        return column
    folded = [name.casefold() for name in names]
    wanted = column.strip()
    return names.index(wanted) if wanted in names else folded.index(wanted.casefold()) if wanted.casefold() in folded else None


def _segments(read: Iterator[Row], columns: _Columns, request: Request, short: list[int]) -> Iterator[tuple[DocumentSegment, _Place]]:
    for row in read:
        if columns.source >= len(row.cells):
            short.append(row.line)
            continue
        source = row.cells[columns.source]
        target = row.cells[columns.target] if columns.target < len(row.cells) and not columns.appended else None
        place = _Place(source, target, row.end, columns.target - len(row.cells))
        there = LINE_END.sub("\n", target.text) if target else ""
        skip = _reason(source, there, place, keep=request.options.existing == "keep")
        yield DocumentSegment(LINE_END.sub("\n", source.text), there, request.origin(row.line), (), skip), place


def _reason(source: Cell, target: str, place: _Place, *, keep: bool) -> str:
    if not source.text.strip():
        return "empty source"
    if place.target is None and place.missing < 0:
        return "row longer than the header"
    return "already translated" if target.strip() and keep else ""
