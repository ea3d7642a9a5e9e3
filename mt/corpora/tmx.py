"""Translation memories (TMX): a `tu` with texts in both languages is a pair; texts in other languages are not looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..config import CorpusConfig
from ..languages import Language, find_language
from .records import Origin, Pair
from .tally import Tally
from .xml_units import XML_LANG, EntityError, child, is_in, local, plain_text, units

_HOLDING = frozenset({"hi"})  # every other inline element holds the markup of some program


def read(files: Sequence[Path], corpus: CorpusConfig, tally: Tally) -> Iterator[Pair]:
    """Pairs of every memory in turn, placed at the unit's line. Inline codes are left out, which is noted.

    Raises:
        CorpusError: not well-formed, entities declared, or not one unit.
    """
    assert corpus.source is not None and corpus.target is not None, "asked for by read_pairs"
    source, target = find_language(corpus.source), find_language(corpus.target)
    for path in files:
        for unit in units(path, ["tu"], "TMX"):
            yield from _pairs(unit, Origin(str(path), unit.sourceline), (source, target), tally)


def _pairs(unit: Any, origin: Origin, languages: tuple[Language, Language], tally: Tally) -> Iterator[Pair]:
    sides: list[str] = []
    codes = False
    for language in languages:
        found = next((each for each in unit if local(each) == "tuv" and is_in(_code(each), language)), None)
        segment = None if found is None else child(found, "seg")
        if segment is None:
            tally.skip(origin, f"a unit without a text in {language.name}")
            return
        try:
            said, left_out = plain_text(segment, _HOLDING)
        except EntityError:
            tally.skip(origin, "an entity in a text")
            return
        sides.append(said)
        codes = codes or left_out
    if codes:
        tally.note(origin, "inline codes left out")
    yield Pair(sides[0], sides[1], origin)


def _code(version: Any) -> str:
    return str(version.get(XML_LANG) or version.get("lang") or "")
