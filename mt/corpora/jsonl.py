"""JSON, one object a line, or one list of objects in the whole file (as ALMA's data is shipped).

A pair is `{"translation": {"de": ..., "en": ...}}`, the same without the envelope, `{"source": ..., "target": ...}`, or whatever two keys
`columns` names; languages may be spelled in any of their codes. A segment is `{"text": ...}` or the one key `columns` names. A preference
is `{"source": ..., "chosen": ..., "rejected": ...}`, as the playground exports it, or the three keys `columns` names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config import CorpusConfig
from ..errors import CorpusError
from ..languages import find_language
from .lines import byte_lines, decoded_lines, read_bytes
from .records import Origin, Pair, Preference, Segment
from .tally import Tally

_BAD_JSON = "not valid JSON"


@dataclass(frozen=True)
class _Key:
    """The spellings under which one text of a row may stand, the first one present wins."""

    spellings: tuple[str, ...]

    def text(self, row: Mapping[str, object]) -> object:
        """The value, or None where the row has none of the spellings."""
        return next((row[spelling] for spelling in self.spellings if spelling in row), None)


def read_pairs(files: Sequence[Path], corpus: CorpusConfig, tally: Tally) -> Iterator[Pair]:
    """Pairs of every file in turn; rows that are not JSON or lack a side are counted.

    Raises:
        CorpusError: `columns` is not two keys, no row at all has the keys, or a whole-file list that breaks off.
    """
    source, target = _pair_keys(corpus)
    rows: Iterator[tuple[Origin, Sequence[str]]] = _texts(files, [source, target], tally)
    return (Pair(texts[0], texts[1], origin) for origin, texts in rows)


def read_segments(files: Sequence[Path], corpus: CorpusConfig, tally: Tally) -> Iterator[Segment]:
    """Segments of every file in turn; errors as `read_pairs`."""
    if corpus.columns is not None and len(corpus.columns) != 1:
        raise CorpusError(f"{len(corpus.columns)} keys are given", where="columns", allowed="one: the text's")
    key = _Key((str(corpus.columns[0]),)) if corpus.columns else _Key(("text", *_spellings(corpus.language)))
    return (Segment(texts[0], origin) for origin, texts in _texts(files, [key], tally))


def read_preferences(files: Sequence[Path], corpus: CorpusConfig, tally: Tally) -> Iterator[Preference]:
    """Preferences of every file in turn; errors as `read_pairs`.

    Counted: rows that lack one of the three texts, and rows that name another `source_language` or `target_language` than the corpus.
    """
    names = [str(column) for column in corpus.columns or ("source", "chosen", "rejected")]
    if len(names) != 3:
        allowed = "three: the source's, the chosen and the rejected translation's"
        raise CorpusError(f"{len(names)} keys are given", where="columns", allowed=allowed)
    rows = _texts(files, [_Key((name,)) for name in names], tally, lambda row: _another_direction(row, corpus))
    return (Preference(texts[0], texts[1], texts[2], origin) for origin, texts in rows)


def _another_direction(row: Mapping[str, object], corpus: CorpusConfig) -> str | None:
    for key, language in (("source_language", corpus.source), ("target_language", corpus.target)):
        named = row.get(key)
        if isinstance(named, str) and named not in _spellings(language):
            return f"another {key}"
    return None


def _spellings(language: str | None) -> tuple[str, ...]:
    return (language, *find_language(language).spellings) if language else ()


def _pair_keys(corpus: CorpusConfig) -> tuple[_Key, _Key]:
    if corpus.columns is not None:
        if len(corpus.columns) != 2:
            raise CorpusError(f"{len(corpus.columns)} keys are given", where="columns", allowed="two: the source's and the target's")
        return _Key((str(corpus.columns[0]),)), _Key((str(corpus.columns[1]),))
    sides = (corpus.source, "source"), (corpus.target, "target")
    first, second = (_Key(tuple(dict.fromkeys([*_spellings(language), name]))) for language, name in sides)
    return first, second


def _texts(
    files: Sequence[Path], keys: Sequence[_Key], tally: Tally, refuse: Callable[[Mapping[str, object]], str | None] = lambda _: None
) -> Iterator[tuple[Origin, list[str]]]:
    """The texts of every row that has all of `keys`; `refuse` gives a reason to leave such a row out."""
    found = False
    seen: dict[str, None] = {}  # keys of the rows that have none of ours, for the error
    for path in files:
        for origin, value in json_values(path, tally):
            row = _row(value)
            if row is None:
                tally.skip(origin, "not a JSON object")
                continue
            values = [key.text(row) for key in keys]
            texts = [value for value in values if isinstance(value, str)]
            if len(texts) == len(keys):
                found = True
                if reason := refuse(row):
                    tally.skip(origin, reason)
                else:
                    yield origin, texts
                continue
            absent = [key.spellings[0] for key, value in zip(keys, values, strict=True) if value is None]
            tally.skip(origin, f"no text under {' or '.join(absent)}" if absent else "a value that is not text")
            if absent and not found:
                seen.update(dict.fromkeys(row))
    if seen and not found:
        wanted = " and ".join(key.spellings[0] for key in keys)
        raise CorpusError(f"no row has text under {wanted}", where=files[0], allowed=", ".join(list(seen)[:20]), hint="set `columns`")


def _row(value: object) -> dict[str, object] | None:
    """The object that holds the texts: what is under `translation`, where there is such an envelope."""
    if isinstance(value, dict):
        inner = value.get("translation")
        return inner if isinstance(inner, dict) else value
    return None


def json_values(path: Path, tally: Tally) -> Iterator[tuple[Origin, object]]:
    """Every value of a file, one a line or the items of one list, with its place; lines that are not JSON are counted."""
    first = next((line for line in byte_lines(path) if line.strip()), b"")
    if first.lstrip().startswith(b"["):
        yield from _listed(path)
        return
    for origin, line in decoded_lines(path, tally):
        if not line.strip():
            tally.skip(origin, "blank line")
            continue
        try:
            yield origin, json.loads(line)
        except (ValueError, RecursionError):
            tally.skip(origin, _BAD_JSON)


def _listed(path: Path) -> Iterator[tuple[Origin, object]]:
    """The items of a whole-file list, one by one, so that each has its line."""
    content = read_bytes(path)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CorpusError("a JSON list that is not valid UTF-8", where=f"{path}:{line}") from None
    decoder = json.JSONDecoder()
    flat = "\n" not in text.strip()
    at, line, item = _skip(text, text.index("[") + 1), 1, 0
    line += text.count("\n", 0, at)
    while not text.startswith("]", at):
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise CorpusError(f"not a JSON list: {error}", where=f"{path}:{line}", hint="write one object a line instead") from None
        item += 1
        yield Origin(str(path), line, item if flat else None), value
        after = _skip(text, end)
        if text.startswith(",", after):
            after = _skip(text, after + 1)
        elif not text.startswith("]", after):
            raise CorpusError("a JSON list that breaks off", where=f"{path}:{line + text.count(chr(10), at, after)}")
        line += text.count("\n", at, after)
        at = after
    if _skip(text, at + 1) < len(text):
        raise CorpusError("something follows the end of the JSON list", where=f"{path}:{line}", hint="write one object a line instead")


def _skip(text: str, at: int) -> int:
    """The next position that is not JSON whitespace."""
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at
