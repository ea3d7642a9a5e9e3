"""Mined examples, and the file they are written to: JSONL that `dragoman translate --examples` reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..corpora.records import Origin
from ..files import write_atomically
from ..languages import Language
from ..prompting.records import Shot


@dataclass(frozen=True, slots=True)
class Example:
    """A text and its translation, one of which a model may have made.

    Attributes:
        source: the text.
        target: its translation.
        origin: where the side that people wrote stands.
        score: how much they seem to say the same, higher is better; None where that was not asked.
        language: of the text, where it is not the one that prompts are about.
    """

    source: str
    target: str
    origin: Origin
    score: float | None = None
    language: Language | None = None


def write_examples(examples: Iterable[Example], path: Path) -> None:
    """One JSON object a line: `source`, `target`, `origin` and, where there are any, `score` and `source_language`."""
    write_atomically(path, "".join(json.dumps(_row(example), ensure_ascii=False) + "\n" for example in examples))


def shots_of(examples: Iterable[Example]) -> list[Shot]:
    """The same as examples of a prompt."""
    return [Shot(one.source, one.target, one.origin, one.score, language=one.language) for one in examples]


def _row(example: Example) -> dict[str, object]:
    row: dict[str, object] = {"source": example.source, "target": example.target, "origin": str(example.origin)}
    if example.score is not None:
        row["score"] = round(example.score, 4)
    if example.language is not None:
        row["source_language"] = example.language.bcp47
    return row
