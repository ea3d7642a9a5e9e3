"""TSV and CSV: one pair a row, in two columns.

TSV is taken as the field writes it: a tab ends a column and quotes mean nothing. CSV follows RFC 4180, so a quoted field may hold commas
and line breaks. A header is looked for only when columns are given by name.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..config import CorpusConfig
from ..errors import CorpusError
from .lines import UNDECODABLE, byte_lines
from .records import Origin, Pair
from .tally import Tally

Row = tuple[Origin, list[str]]
_MAX_FIELD = 131_072  # characters; the csv module's own limit, so a quote that never closes is noticed


def read_tsv(files: Sequence[Path], corpus: CorpusConfig, tally: Tally) -> Iterator[Pair]:
    """Pairs of a TSV file. Errors: see `_pairs`."""
    for path in files:
        rows = ((Origin(str(path), number), line.split("\t")) for number, line in enumerate(_lines(path), start=1))
        yield from _pairs(rows, corpus, tally)


def read_csv(files: Sequence[Path], corpus: CorpusConfig, tally: Tally) -> Iterator[Pair]:
    """Pairs of a CSV file. Rows that break the quoting are counted; a quote that never closes is an error. Errors: see `_pairs`."""
    for path in files:
        yield from _pairs(_csv_rows(path, tally), corpus, tally)


def rows(path: Path, tally: Tally, *, quoted: bool, delimiter: str = ",") -> Iterator[Row]:
    """The cells of every row, as CSV where `quoted`, else as TSV; rows that cannot be read are counted, errors are those of `read_csv`.

    `delimiter` is that of the quoted kind.
    """
    split = ((Origin(str(path), number), line.split("\t")) for number, line in enumerate(_lines(path), start=1))
    for origin, cells in _csv_rows(path, tally, delimiter) if quoted else split:
        if _undecodable(cells):
            tally.skip(origin, UNDECODABLE)
        else:
            yield origin, cells


def _lines(path: Path) -> Iterator[str]:
    # A byte that is not UTF-8 becomes a lone surrogate, so that it spoils its own row and not the structure around it.
    return (line.decode("utf-8", errors="surrogateescape") for line in byte_lines(path))


def _undecodable(cells: Iterable[str]) -> bool:
    return any("\udc80" <= character <= "\udcff" for cell in cells if not cell.isascii() for character in cell)


def _csv_rows(path: Path, tally: Tally, delimiter: str = ",") -> Iterator[Row]:
    reader = csv.reader((line + "\n" for line in _lines(path)), strict=True, delimiter=delimiter)
    while True:
        origin = Origin(str(path), reader.line_num + 1)
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end of data" in str(error) or "field limit" in str(error):
                raise CorpusError(
                    f"a quote opened here is not closed within {_MAX_FIELD:,} characters",
                    where=str(origin),
                    hint="close it, or set `format: tsv` where quotes are plain characters",
                ) from None
            tally.skip(origin, "not valid CSV")
            continue
        yield origin, cells


def _pairs(rows: Iterator[Row], corpus: CorpusConfig, tally: Tally) -> Iterator[Pair]:
    """The two asked-for columns of each row; rows that lack one or are not UTF-8 are counted.

    Raises:
        CorpusError: `columns` is not two columns, or names a column the header does not have.
    """
    columns = corpus.columns if corpus.columns is not None else [0, 1]
    if len(columns) != 2:
        raise CorpusError(
            f"{len(columns)} columns are given", where="columns", allowed="two: the source's and the target's, by name or position"
        )
    if any(isinstance(column, str) for column in columns):
        positions = _positions(columns, rows, corpus)
    else:
        positions = [int(column) for column in columns]
    source, target = positions
    for origin, cells in rows:
        if _undecodable(cells):
            tally.skip(origin, UNDECODABLE)
        elif not 0 <= max(positions) < len(cells):
            tally.skip(origin, f"fewer than {max(positions) + 1} columns")
        else:
            yield Pair(cells[source], cells[target], origin)


def _positions(columns: Sequence[str | int], rows: Iterator[Row], corpus: CorpusConfig) -> list[int]:
    """Where the named columns are, by the first row."""
    first = next(rows, None)
    if first is None:
        raise CorpusError("empty: there is no header", where=str(corpus.path))
    origin, cells = first
    header = [cell.strip() for cell in cells]
    missing = [str(column) for column in columns if isinstance(column, str) and column not in header]
    if missing:
        raise CorpusError(f"no column named {' or '.join(missing)}", where=str(origin), allowed=", ".join(cell for cell in header if cell))
    return [header.index(column) if isinstance(column, str) else column for column in columns]
