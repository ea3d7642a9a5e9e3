"""Rows of any format to a lexicon: cleaned, those that cannot be used counted by reason and place, one entry a source."""

from __future__ import annotations

import gc
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..corpora.records import Origin
from ..corpora.tally import Tally
from ..errors import CorpusError
from ..languages import Language, script_matches, script_of
from .folding import composed
from .records import Entry, Lexicon, Row

LONGEST = 500  # characters of one side: more is a broken file or an encyclopedia, and no prompt has room for it
_LOOKED_AT = 200
EMPTY = "an empty side"
DUPLICATE = "a pair given before"
ALTERNATIVE = "another translation of a source given before, kept as an alternative"
MARKUP = "markup in the text"

_MARKUP = re.compile(r"</?[A-Za-z!?][^<>]*>|&(?:[A-Za-z][A-Za-z0-9]*|#\d+|#[xX][0-9A-Fa-f]+);")


class _Draft:
    """An entry that may still gain translations."""

    __slots__ = ("frequency", "origin", "targets")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.frequency: int | None = None
        self.targets: dict[str, float] = {}


def build_lexicon(rows: Iterable[Row], name: str, source: Language, target: Language, tally: Tally, *, swapped: bool = False) -> Lexicon:
    """A lexicon of what the rows hold.

    Args:
        rows: as a reader yields them; each pair of a source and a translation is counted in the tally, kept or skipped.
        name: the lexicon's name, and the place named in errors.
        source: language of the lexicon's sources.
        target: language of its translations.
        tally: the account; readers have counted the rows they could not read.
        swapped: whether the rows' sources are the lexicon's translations.

    Skipped: an empty side, markup, a NUL, a lone surrogate, more than 500 characters, a negative or unending weight, a pair given before.
    Another translation of a source is an alternative, and noted where it comes from another row.

    Raises:
        CorpusError: not one usable pair.
    """
    with paused_collection():
        drafts = _drafts(rows, tally, swapped)
        entries = tuple(_entry(text, draft) for text, draft in drafts.items())
    if not entries:
        reasons = "; ".join(line.strip() for line in tally.lines()[1:])
        raise CorpusError(f"not one usable entry ({reasons})" if reasons else "empty: there is nothing to read", where=name)
    return Lexicon(name, source, target, entries, tally)


@contextmanager
def paused_collection() -> Iterator[None]:
    """No garbage collection while a million small objects are made that all stay: it would look through them again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _drafts(rows: Iterable[Row], tally: Tally, swapped: bool) -> dict[str, _Draft]:
    drafts: dict[str, _Draft] = {}
    for row in rows:
        if swapped:
            for text, weight in row.targets:
                _add(drafts, Row(text, ((row.source, weight),), row.origin), tally)
        else:
            _add(drafts, row, tally)
    return drafts


def _add(drafts: dict[str, _Draft], row: Row, tally: Tally) -> None:
    origin = row.origin
    source = composed(row.source)
    wrong = unusable(source)
    if wrong is not None:
        tally.skip_all((origin for _ in row.targets), wrong)
        return
    draft = drafts.get(source)
    before = draft is not None
    for text, weight in row.targets:
        target = composed(text)
        reason = unusable(target) or (None if weight is None else _bad_weight(weight))
        if reason is not None:
            tally.skip(origin, reason)
            continue
        if draft is None:
            draft = drafts[source] = _Draft(origin)
        if target in draft.targets:
            tally.skip(origin, DUPLICATE)
            continue
        draft.targets[target] = 1.0 if weight is None else weight
        tally.kept += 1
        if before:
            tally.note(origin, ALTERNATIVE)
    if draft is not None and row.frequency is not None:
        draft.frequency = max(row.frequency, draft.frequency or 0)


def note_scripts(lexicon: Lexicon) -> None:
    """Note in the tally where a side is mostly not in its language's script: another language's file, or another of its scripts.

    About 200 entries, evenly spread, are looked at.
    """
    step = max(1, len(lexicon.entries) // _LOOKED_AT)
    sample = lexicon.entries[::step]
    for side, language, texts in (
        ("sources", lexicon.source, [entry.source for entry in sample]),
        ("translations", lexicon.target, [entry.best for entry in sample]),
    ):
        if sum(script_matches(text, language) for text in texts) < len(texts) / 2:
            found = next(iter(script_of(" ".join(texts))), "no script")
            what = f"most {side} are in {found}, and {language.name} is written in {language.script}"
            lexicon.tally.note(sample[0].origin, what)


def unusable(text: str) -> str | None:
    """Why a cleaned side cannot be used, or None."""
    if not text:
        return EMPTY
    if len(text) > LONGEST:
        return f"over {LONGEST} characters"
    if text.isprintable() and "<" not in text and "&" not in text:
        return None
    if "\0" in text:
        return "NUL character"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "lone surrogate"
    return MARKUP if _MARKUP.search(text) else None


def _bad_weight(weight: float) -> str | None:
    return None if weight >= 0 and math.isfinite(weight) else "a weight that is not a number from 0 up"


def _entry(source: str, draft: _Draft) -> Entry:
    targets = draft.targets
    if len(targets) > 1 and len(set(targets.values())) > 1:
        targets = dict(sorted(targets.items(), key=lambda item: -item[1]))
    return Entry(source, tuple(targets), tuple(targets.values()), draft.origin, draft.frequency)
