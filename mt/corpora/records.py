"""What a corpus is made of: pairs and segments, each of which knows the place it came from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """The place of a row, printed `file:line`; lines count from 1.

    `item` counts from 1 too and is there only where one line holds many rows (a JSON list without line breaks): `file:line[item]`.
    """

    file: str
    line: int
    item: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.item is None else f"{self.file}:{self.line}[{self.item}]"


@dataclass(frozen=True, slots=True)
class Pair:
    """A source text and its translation, in the corpus's own orientation."""

    source: str
    target: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Preference:
    """A source text with two translations, the first of which was preferred to the second."""

    source: str
    chosen: str
    rejected: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Segment:
    """A monolingual document: one line, one paragraph or one file, as `CorpusConfig.documents` says."""

    text: str
    origin: Origin
