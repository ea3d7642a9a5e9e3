"""Files of examples: any parallel format, with scores and variants where a table or JSON has them; and the file of a direction."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from ..config import CorpusConfig
from ..corpora import read_pairs
from ..corpora.jsonl import json_values
from ..corpora.records import Origin, Pair
from ..corpora.tables import rows as table_rows
from ..corpora.tally import Tally
from ..errors import CorpusError
from ..languages import Language, find_language
from .drafts import DRAFT, example_drafts
from .records import Shot

_TABLES = {".tsv": False, ".tab": False, ".csv": True}
_JSON = (".json", ".jsonl", ".ndjson")
_SCORE = "score"
_VARIANTS = ("formality", "region", "variant")
_LANGUAGE = "source_language"

Facts = Mapping[str, object]


def read_examples(path: str | Path, source: Language, target: Language, tally: Tally, *, variant: str | None = None) -> tuple[Shot, ...]:
    """The examples of a direction.

    Args:
        path: a parallel file of any format (TSV, CSV, JSON as ALMA ships it, ...); a folder, or a path with `{src}` and `{tgt}`, whose file
            of this direction is taken.
        source: language of the texts.
        target: language of their translations.
        tally: rows kept and skipped.
        variant: only the rows that have this under `formality`, `region` or `variant`, whatever its case.

    A table whose first row names `source` and `target`, or the languages, has a header, and its column `score` holds scores; without one,
    a third column of numbers does. In JSON the key is `score`. Variants and drafts (`draft`, in
    JSON with `words` beside it, or a list of several) are columns of a header, or keys, likewise; and so is `source_language`, for examples
    from other languages than the one to be translated.

    Raises:
        LanguageError: a `source_language` nobody knows.
        CorpusError: no file for the direction, or not one usable row (of the variant).
    """
    file = direction_file(str(path), source, target)
    columns, others = _columns(file, source, target)
    corpus = CorpusConfig(str(file), source=_spelled(source), target=_spelled(target), columns=columns)
    pairs = list(read_pairs(corpus, tally))
    facts = {str(origin): found for origin, found in _facts(file, others)}
    if variant is not None:
        pairs = _of_variant(pairs, facts, variant, tally)
    return tuple(_shot(pair, facts.get(str(pair.origin), {}), source) for pair in pairs)


def _shot(pair: Pair, facts: Facts, source: Language) -> Shot:
    said = str(facts.get(_LANGUAGE) or "").strip()
    language = find_language(said) if said and said not in source.spellings else None
    score = _number(facts.get(_SCORE))
    return Shot(pair.source, pair.target, pair.origin, score, example_drafts(facts, pair.origin), language)


def _of_variant(pairs: Sequence[Pair], facts: Mapping[str, Facts], variant: str, tally: Tally) -> list[Pair]:
    """The pairs of a variant; the others move from the kept to the skipped."""
    kept: list[Pair] = []
    there: set[str] = set()
    for pair in pairs:
        own = facts.get(str(pair.origin), {})
        named = {str(own.get(name) or "").strip().casefold() for name in _VARIANTS} - {""}
        there |= named
        if variant.strip().casefold() in named:
            kept.append(pair)
        else:
            tally.kept -= 1
            tally.skip(pair.origin, f"not {variant}")
    if not kept:
        allowed = ", ".join(sorted(there)[:20]) or f"a column or key {', '.join(_VARIANTS)}"
        raise CorpusError(f"no example is {variant!r}", where=pairs[0].origin.file if pairs else None, allowed=allowed)
    return kept


def direction_file(path: str, source: Language, target: Language) -> Path:
    """The file of a direction: the path itself, a member of a folder (`shots.cs-en.json`), or `{src}` and `{tgt}` filled in.

    Raises:
        CorpusError: there is none.
    """
    pairs = list(dict.fromkeys((one, other) for one in source.spellings for other in target.spellings))
    if "{src}" in path or "{tgt}" in path:
        filled = [Path(path.replace("{src}", one).replace("{tgt}", other)).expanduser() for one, other in pairs]
        found = next((file for file in filled if file.is_file()), None)
    else:
        given = Path(path).expanduser()
        if not given.is_dir():
            return given
        members = sorted(file for file in given.iterdir() if file.is_file())
        names = [f"{one}{dash}{other}" for one, other in pairs for dash in "-_"]
        found = next((file for name in names for file in members if _named_after(file, name)), None)
    if found is None:
        raise CorpusError(
            f"no examples from {source.name} to {target.name}",
            where=path,
            allowed=f"a file named after the direction: {source.bcp47}-{target.bcp47}",
        )
    return found


def _named_after(file: Path, name: str) -> bool:
    stem = file.name.removesuffix(".gz").rpartition(".")[0]
    return stem == name or stem.endswith((f".{name}", f"-{name}", f"_{name}"))


def _spelled(language: Language) -> str:
    return language.flores if language.flores and language.bcp47.count("-") == 0 else language.bcp47


def _suffix(file: Path) -> str:
    return Path(file.name.lower().removesuffix(".gz")).suffix


def _columns(file: Path, source: Language, target: Language) -> tuple[list[str | int] | None, Mapping[str, int]]:
    """The columns of a table's header, or None without one; and where scores and variants stand."""
    if _suffix(file) not in _TABLES:
        return None, {}
    rows = table_rows(file, Tally(), quoted=_TABLES[_suffix(file)])
    first = next(rows, None)
    if first is None:
        return None, {}
    cells = [cell.strip() for cell in first[1]]
    at = [_position(cells, ("source", *source.spellings)), _position(cells, ("target", *target.spellings))]
    if at[0] is not None and at[1] is not None:
        others = {name: _position(cells, (name,)) for name in (_SCORE, DRAFT, _LANGUAGE, *_VARIANTS)}
        return [cells[at[0]], cells[at[1]]], {name: at for name, at in others.items() if at is not None}
    numeric = len(cells) > 2 and all(len(row) > 2 and _number(row[2]) is not None for _, row in chain([first], rows))
    return None, {_SCORE: 2} if numeric else {}


def _position(cells: list[str], names: tuple[str, ...]) -> int | None:
    return next((at for at, cell in enumerate(cells) if cell.casefold() in {name.casefold() for name in names}), None)


def _facts(file: Path, columns: Mapping[str, int]) -> Iterator[tuple[Origin, Facts]]:
    """What rows say besides their texts, by name."""
    if _suffix(file) in _JSON:
        yield from ((origin, value) for origin, value in json_values(file, Tally()) if isinstance(value, dict))
    elif columns:
        for origin, cells in table_rows(file, Tally(), quoted=_TABLES[_suffix(file)]):
            yield origin, {name: cells[at] for name, at in columns.items() if at < len(cells)}


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
