"""Localisation files (XLIFF 1.2, 2.x): a unit with a translation that nobody has marked as undone is a pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..config import CorpusConfig
from ..errors import CorpusError
from ..languages import Language, find_language
from .records import Origin, Pair
from .tally import Tally
from .xml_units import EntityError, child, is_in, local, plain_text, units

_HOLDING = frozenset({"g", "mrk", "pc"})
_NAMES = {"file": ("source-language", "target-language"), "xliff": ("srcLang", "trgLang")}
# States of 1.2 that say what stands there is no translation yet, or one that failed a review.
_UNDONE = {
    "new",
    "needs-translation",
    "needs-adaptation",
    "needs-l10n",
    "needs-review-translation",
    "needs-review-adaptation",
    "needs-review-l10n",
}


def read(files: Sequence[Path], corpus: CorpusConfig, tally: Tally) -> Iterator[Pair]:
    """Pairs of every file in turn, placed at the unit's line; where a file runs the other way, its sides are swapped.

    Raises:
        CorpusError: not well-formed, entities declared, not one unit, or languages that are not the corpus's.
    """
    assert corpus.source is not None and corpus.target is not None, "asked for by read_pairs"
    source, target = find_language(corpus.source), find_language(corpus.target)
    for path in files:
        for unit in units(path, ["trans-unit", "segment"], "XLIFF 1.2 or 2.x"):
            origin = Origin(str(path), unit.sourceline)
            swapped = _swapped(unit, source, target, origin)
            pair = _pair(unit, origin, tally)
            if pair is not None:
                yield Pair(pair.target, pair.source, origin) if swapped else pair


def _pair(unit: Any, origin: Origin, tally: Tally) -> Pair | None:
    source, target = child(unit, "source"), child(unit, "target")
    state = unit.get("state") or (target.get("state") if target is not None else None)
    if source is None or target is None:
        tally.skip(origin, "untranslated unit")
        return None
    if state in _UNDONE or (state == "initial" and local(unit) == "segment"):
        tally.skip(origin, "unit marked as undone")
        return None
    try:
        sides = plain_text(source, _HOLDING), plain_text(target, _HOLDING)
    except EntityError:
        tally.skip(origin, "an entity in a text")
        return None
    if not sides[1][0].strip():
        tally.skip(origin, "untranslated unit")
        return None
    if sides[0][1] or sides[1][1]:
        tally.note(origin, "inline codes left out")
    return Pair(sides[0][0], sides[1][0], origin)


def _swapped(unit: Any, source: Language, target: Language, origin: Origin) -> bool:
    """Whether the file runs from the corpus's target to its source."""
    given = next((each for each in unit.iterancestors() if each.get(_NAMES.get(local(each), ("none",))[0])), None)
    if given is None:
        return False
    here, there = (str(given.get(name) or "") for name in _NAMES[local(given)])
    if is_in(here, source) and (not there or is_in(there, target)):
        return False
    if is_in(here, target) and (not there or is_in(there, source)):
        return True
    raise CorpusError(
        f"a file from {here[:40]} to {there[:40] or 'no language'}, which are not the languages of this corpus",
        where=str(origin),
        allowed=f"{source.name} and {target.name}",
    )
