"""Term lists: one for a whole test set (TSV), or a dictionary a segment (the JSONL of WMT25's terminology task)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..mt.corpora.lines import decoded_lines
from ..mt.corpora.records import Origin
from ..mt.corpora.tally import Tally
from ..mt.errors import CorpusError
from ..mt.lexicons.folding import fold

_LAYOUT = "`source<TAB>target[<TAB>alternative...]` lines, or JSONL with a dictionary a segment under `terms`, `proper` or `random`"
_KINDS = ("terms", "proper", "random")
_EMPTY = "an empty side"
_DUPLICATE = "a term and translation given before"
_CONFLICT = "another translation of a term given before, kept as an alternative"


@dataclass(frozen=True)
class Term:
    """A source term and its translations, any of which is right."""

    source: str
    targets: tuple[str, ...]
    origin: Origin


@dataclass(frozen=True)
class TermList:
    """Terms, and the account of the lines they came from.

    Attributes:
        terms: wanted wherever their source occurs; empty when `segments` is there.
        segments: (N,) the terms of each segment, for lists that belong to one test set.
        kind: which of a row's dictionaries was read, None for a list.
        tally: lines kept, skipped with reason and place, and noted (conflicts).
    """

    terms: tuple[Term, ...]
    segments: tuple[tuple[Term, ...], ...] | None
    kind: str | None
    tally: Tally = field(compare=False)


def load_terms(path: Path, kind: str | None = None) -> TermList:
    """Read a term list.

    Args:
        path: a TSV, or a `.jsonl` whose rows stand for the segments of a test set in order.
        kind: the dictionary of each row to use (`terms`, `proper`, `random`); the first of these that the first row has, by default.

    Lines with an empty side or a repeated pair are skipped and counted; another translation of the same source becomes an alternative and
    is noted. A row of JSONL always keeps its place, so a broken one is an error there.

    Raises:
        CorpusError: unreadable, no term at all, a `kind` no row has, a JSONL row that is not an object of texts.
    """
    tally = Tally("reading terms")
    if path.suffix.lower() in (".jsonl", ".json"):
        chosen, segments = _read_rows(path, kind, tally)
        found = TermList((), segments, chosen, tally)
    else:
        found = TermList(_merged(_tsv(path, tally), tally), None, None, tally)
    if not tally.kept:
        raise CorpusError("there is no term in it", where=path, allowed=_LAYOUT, hint="; ".join(line.strip() for line in tally.lines()))
    return found


def _tsv(path: Path, tally: Tally) -> Iterator[Term]:
    for origin, line in decoded_lines(path, tally):
        source, *targets = (side.strip() for side in line.split("\t"))
        if not line.strip():
            tally.skip(origin, "blank line")
        elif not targets:
            tally.skip(origin, "no tab between source and target")
        elif any(not fold(side).text for side in (source, *targets)):
            tally.skip(origin, _EMPTY)
        else:
            yield Term(source, tuple(dict.fromkeys(targets)), origin)


def _merged(terms: Iterator[Term], tally: Tally) -> tuple[Term, ...]:
    """One term a source; differences that matching does not see (case, spacing) make no second one."""
    by_source: dict[str, Term] = {}
    for term in terms:
        key = fold(term.source).text
        before = by_source.get(key)
        if before is None:
            by_source[key] = term
        else:
            known = {fold(target).text for target in before.targets}
            new = tuple(target for target in term.targets if fold(target).text not in known)
            if not new:
                tally.skip(term.origin, _DUPLICATE)
                continue
            by_source[key] = replace(before, targets=before.targets + new)
            tally.note(term.origin, _CONFLICT)
        tally.keep()
    return tuple(by_source.values())


def _read_rows(path: Path, kind: str | None, tally: Tally) -> tuple[str, tuple[tuple[Term, ...], ...]]:
    rows = list(_rows(path))
    present = [name for name in _KINDS if rows and name in rows[0][1]]
    chosen = kind or (present[0] if present else None)
    if chosen is None or not any(chosen in row for _, row in rows):
        wanted = f"{chosen!r}" if chosen else "terms"
        raise CorpusError(f"no row has a dictionary of {wanted}", where=path, allowed=", ".join(present) or _LAYOUT)
    return chosen, tuple(tuple(_dictionary(row.get(chosen), chosen, origin, tally)) for origin, row in rows)


def _rows(path: Path) -> Iterator[tuple[Origin, Mapping[str, object]]]:
    decoding = Tally()
    for origin, line in decoded_lines(path, decoding):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise CorpusError("not a JSON object", where=str(origin), allowed=_LAYOUT, hint="a row stands for a segment: mend or refill it")
        yield origin, row
    if decoding.skipped:
        reason, places = next(iter(decoding.places.items()))
        raise CorpusError(reason, where=places[0], allowed="UTF-8", hint="a row stands for a segment: mend or refill it")


def _dictionary(value: object, kind: str, origin: Origin, tally: Tally) -> Iterator[Term]:
    if value is None:
        return
    if not isinstance(value, dict):
        raise CorpusError(f"`{kind}` is not a dictionary", where=str(origin), allowed='{"source term": "target term", ...}')
    for source, target in value.items():
        targets = target if isinstance(target, list) else [target]
        if not targets or not all(isinstance(each, str) for each in targets):
            tally.skip(origin, "a translation that is not text")
        elif any(not fold(side).text for side in (source, *targets)):
            tally.skip(origin, _EMPTY)
        else:
            tally.keep()
            yield Term(source, tuple(dict.fromkeys(targets)), origin)
