"""Files of examples: any parallel format, with scores where a table or JSON has them; and the file of a direction among several."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

from ..config import CorpusConfig
from ..corpora import read_pairs
from ..corpora.jsonl import json_values
from ..corpora.tables import rows as table_rows
from ..corpora.tally import Tally
from ..errors import CorpusError
from ..languages import Language
from .records import Shot

_TABLES = {".tsv": False, ".tab": False, ".csv": True}
_JSON = (".json", ".jsonl", ".ndjson")
_SCORE = "score"


def read_examples(path: str | Path, source: Language, target: Language, tally: Tally) -> tuple[Shot, ...]:
    """The examples of a direction.

    Args:
        path: a parallel file of any format (TSV, CSV, JSON as ALMA ships it, ...); a folder, or a path with `{src}` and `{tgt}`, whose file
            of this direction is taken.
        source: language of the texts.
        target: language of their translations.
        tally: rows kept and skipped.

    A table whose first row names `source` and `target`, or the languages, has a header, and its column `score` holds scores; without one,
    a third column of numbers does. In JSON the key is `score`.

    Raises:
        CorpusError: no file for the direction, or not one usable row.
    """
    file = direction_file(str(path), source, target)
    columns, score_column = _columns(file, source, target)
    corpus = CorpusConfig(str(file), source=_spelled(source), target=_spelled(target), columns=columns)
    pairs = list(read_pairs(corpus, tally))
    scores = _scores(file, score_column)
    return tuple(Shot(pair.source, pair.target, pair.origin, scores.get(str(pair.origin))) for pair in pairs)


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


def _columns(file: Path, source: Language, target: Language) -> tuple[list[str | int] | None, int | None]:
    """The columns of a table's header, or None without one; and the column of the scores."""
    if _suffix(file) not in _TABLES:
        return None, None
    rows = table_rows(file, Tally(), quoted=_TABLES[_suffix(file)])
    first = next(rows, None)
    if first is None:
        return None, None
    cells = [cell.strip() for cell in first[1]]
    at = [_position(cells, ("source", *source.spellings)), _position(cells, ("target", *target.spellings))]
    if at[0] is not None and at[1] is not None:
        return [cells[at[0]], cells[at[1]]], _position(cells, (_SCORE,))
    numeric = len(cells) > 2 and all(len(row) > 2 and _number(row[2]) is not None for _, row in chain([first], rows))
    return None, 2 if numeric else None


def _position(cells: list[str], names: tuple[str, ...]) -> int | None:
    return next((at for at, cell in enumerate(cells) if cell.casefold() in {name.casefold() for name in names}), None)


def _scores(file: Path, column: int | None) -> Mapping[str, float]:
    """Scores by place."""
    found = _json_scores(file) if _suffix(file) in _JSON else _table_scores(file, column) if column is not None else iter(())
    return {place: score for place, score in found if score is not None}


def _table_scores(file: Path, column: int) -> Iterator[tuple[str, float | None]]:
    for origin, cells in table_rows(file, Tally(), quoted=_TABLES[_suffix(file)]):
        if column < len(cells):
            yield str(origin), _number(cells[column])


def _json_scores(file: Path) -> Iterator[tuple[str, float | None]]:
    for origin, value in json_values(file, Tally()):
        if isinstance(value, dict):
            yield str(origin), _number(value.get(_SCORE))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
