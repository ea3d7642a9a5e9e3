"""TSV and CSV lexicons, and the two collections that are shipped so: GATITOS and NusaX."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from ..corpora.records import Origin
from ..corpora.tables import rows as table_rows
from ..corpora.tally import Tally
from ..errors import CorpusError, LanguageError
from ..languages import Language, find_language
from .records import Row
from .requests import Columns, LexiconRequest

_ROLES = ("source", "target", "weight", "frequency")
_TableRow = tuple[Origin, list[str]]


@dataclass(frozen=True)
class _Layout:
    """Which column holds what; `alternatives` says whether those past the first two hold further translations."""

    positions: Mapping[str, int]
    alternatives: bool = False

    @property
    def needed(self) -> int:
        """Columns a row must have; a weight or frequency may be missing at its end."""
        return max(self.positions["source"], self.positions["target"]) + 1


def read_tsv(request: LexiconRequest, tally: Tally) -> Iterator[Row]:
    """Entries of a TSV: a tab ends a column and quotes mean nothing. Columns and errors: see `_entries`."""
    return _entries(table_rows(request.path, tally, quoted=False), request, tally)


def read_csv(request: LexiconRequest, tally: Tally) -> Iterator[Row]:
    """Entries of a CSV (RFC 4180). Columns and errors: see `_entries`."""
    return _entries(table_rows(request.path, tally, quoted=True), request, tally)


def read_nusax(request: LexiconRequest, tally: Tally) -> Iterator[Row]:
    """Entries of a NusaX lexicon: a CSV whose header names Indonesian and one other language.

    Raises:
        CorpusError: the header does not name the two languages asked for.
    """
    first = next(table_rows(request.path, Tally(), quoted=True), None)
    if first is not None and request.columns is None and _header(first[1], request.source, request.target) is None:
        raise CorpusError(
            f"no lexicon of {request.source.name} and {request.target.name}",
            where=str(first[0]),
            allowed=" and ".join(cell for cell in first[1] if cell),
            hint="name the columns where the languages are called something else",
        )
    return read_csv(request, tally)


def _entries(rows: Iterator[_TableRow], request: LexiconRequest, tally: Tally) -> Iterator[Row]:
    """One row an entry or a translation of one; blank lines and rows that lack a column are counted.

    Without `columns`, a first row that names both sides (`source` and `target`, or the two languages in any spelling) is a header, and may
    name `weight` and `frequency` too. Without a header, the first two columns are the sides; numbers in the third and fourth are weight and
    frequency, anything else in further columns is an alternative translation.

    Raises:
        CorpusError: a named column that the header does not have.
    """
    first = next(rows, None)
    if first is None:
        return
    layout, is_header = _layout(first, request)
    for origin, cells in rows if is_header else chain([first], rows):
        if not any(cell.strip() for cell in cells):
            tally.skip(origin, "blank line")
        elif len(cells) < layout.needed:
            tally.skip(origin, f"fewer than {layout.needed} columns")
        else:
            yield _row(origin, cells, layout)


def _row(origin: Origin, cells: Sequence[str], layout: _Layout) -> Row:
    at = layout.positions
    frequency = _number(cells, at.get("frequency"))
    count = int(frequency) if frequency is not None and 0 <= frequency < float("inf") else None
    targets = [(cells[at["target"]], _number(cells, at.get("weight")))]
    if layout.alternatives:
        targets += [(cell, None) for cell in cells[2:] if cell.strip()]
    return Row(cells[at["source"]], targets, origin, count)


def _layout(first: _TableRow, request: LexiconRequest) -> tuple[_Layout, bool]:
    """Which column holds what, and whether the first row is a header."""
    columns = request.columns
    if columns is not None and columns.named:
        return _Layout(_by_name(columns, first)), True
    if columns is not None:
        return _Layout({role: int(at) for role in _ROLES if (at := getattr(columns, role)) is not None}), False
    header = _header(first[1], request.source, request.target)
    if header is not None:
        return _Layout(header), True
    guessed = _guessed(first[1])
    return _Layout(guessed, alternatives=len(guessed) == 2), False


def _number(cells: Sequence[str], at: int | None) -> float | None:
    """A cell's number; None for an absent column or an empty cell, NaN (which no weight may be) for anything else."""
    if at is None or at >= len(cells) or not cells[at].strip():
        return None
    try:
        return float(cells[at])
    except ValueError:
        return float("nan")


def _guessed(cells: Sequence[str]) -> dict[str, int]:
    positions = {"source": 0, "target": 1}
    for at, role in ((2, "weight"), (3, "frequency")):
        number = _number(cells, at)
        if number is None or number != number:
            break
        positions[role] = at
    return positions


def _header(cells: Sequence[str], source: Language, target: Language) -> dict[str, int] | None:
    """What stands where by a header, or None where the row is none."""
    positions: dict[str, int] = {}
    for at, cell in enumerate(cells):
        name = cell.strip().casefold()
        role = name if name in _ROLES else _language_role(name, source, target)
        if role is not None:
            positions.setdefault(role, at)
    return positions if {"source", "target"} <= positions.keys() else None


def _language_role(name: str, source: Language, target: Language) -> str | None:
    try:
        language = find_language(name) if name else None
    except LanguageError:
        return None
    if language is None:
        return None
    return {source.iso639_3: "source", target.iso639_3: "target"}.get(language.iso639_3)


def _by_name(columns: Columns, first: _TableRow) -> dict[str, int]:
    origin, cells = first
    header = [cell.strip() for cell in cells]
    asked = {role: column for role in _ROLES if (column := getattr(columns, role)) is not None}
    missing = [column for column in asked.values() if isinstance(column, str) and column not in header]
    if missing:
        raise CorpusError(f"no column named {' or '.join(missing)}", where=str(origin), allowed=", ".join(cell for cell in header if cell))
    return {role: header.index(column) if isinstance(column, str) else column for role, column in asked.items()}
