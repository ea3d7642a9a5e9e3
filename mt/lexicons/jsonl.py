"""JSONL lexicons: an object a line, `{"source": ..., "target": ...}` or the sides under their languages' codes.

The target is a text, a list of texts, or an object of texts and weights; `weight` (of a single text) and `frequency` may stand beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..corpora.lines import decoded_lines
from ..corpora.tally import Tally
from .records import Row
from .requests import LexiconRequest

_Targets = list[tuple[str, float | None]]


def read(request: LexiconRequest, tally: Tally) -> Iterator[Row]:
    """Entries of a JSONL file; lines that are not such objects are counted."""
    sources = ("source", *request.source.spellings)
    targets = ("target", "targets", *request.target.spellings)
    for origin, line in decoded_lines(request.path, tally):
        if not line.strip():
            tally.skip(origin, "blank line")
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            tally.skip(origin, "not a JSON object")
            continue
        source, found = _first(value, sources), _targets(_first(value, targets), _number(value.get("weight")))
        if not isinstance(source, str) or not found:
            tally.skip(origin, f"no text under {sources[0]} and {targets[0]}, nor under the languages' codes")
            continue
        frequency = _number(value.get("frequency"))
        yield Row(source, found, origin, int(frequency) if frequency is not None and 0 <= frequency < float("inf") else None)


def _first(row: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((row[key] for key in keys if key in row), None)


def _targets(value: Any, weight: float | None) -> _Targets:
    if isinstance(value, str):
        return [(value, weight)]
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return [(text, None) for text in value]
    if isinstance(value, dict):
        return [(text, _number(one)) for text, one in value.items()]
    return []


def _number(value: Any) -> float | None:
    """A number; None where there is none, NaN (which no weight may be) for anything else."""
    if value is None:
        return None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else float("nan")
