"""Belebele (Bandarkar et al. 2024, arXiv 2308.16884): reading comprehension with four options in 122 languages, `LANG.jsonl` each.

It is a test set; its repository has a script, `assemble_training_set.py`, that puts an English training set together from six others and
writes it as a table, `belebele_training_set.tsv`, with columns of other names. That table is read, or `train.jsonl` in the columns of the
test files, which comes first where both are there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ....mt.corpora.jsonl import json_values
from ....mt.corpora.records import Origin
from ....mt.corpora.tables import rows
from ....mt.corpora.tally import Tally
from ....mt.errors import CorpusError, LanguageError
from ....mt.languages import Language, find_language
from .records import Choice, Choices, Split

_ENGLISH = "eng_Latn"
_TEST_FILE = re.compile(r"[a-z]{3}_[A-Za-z]{4}\.jsonl")
_TRAINING_TABLE = "belebele_training_set.tsv"
_NUMBER = re.compile(r"([0-9]+)(\.0)?")  # a table that was once a column of floats has `2.0`
_BREAKS = re.compile(r"\s*\n\s*")


@dataclass(frozen=True)
class Columns:
    """What a row's parts are called; `option` counts from 1, as `correct_answer_num` does."""

    context: str
    option: str
    question: str = "question"
    right: str = "correct_answer_num"

    def options(self, row: Mapping[str, object]) -> list[object]:
        """As many as the row has columns for."""
        found: list[object] = []
        while (name := self.option.format(len(found) + 1)) in row:
            found.append(row[name])
        return found


PUBLISHED = Columns("flores_passage", "mc_answer{}")
ASSEMBLED = Columns("passage", "answer{}")


@dataclass(frozen=True)
class Belebele:
    """Reads the folder of the language files; line breaks within a part become spaces."""

    def languages(self, folder: Path, split: Split) -> list[Language]:
        """Those that have a test file; English alone has the other splits."""
        if split != "test":
            return [find_language(_ENGLISH)]
        return [language for language, _ in _test_files(folder)]

    def read(self, folder: Path, language: Language, split: Split, tally: Tally) -> Choices:
        """One split; rows that lack a part, or whose right answer is none of theirs, are counted and left out.

        Raises:
            CorpusError: there is no such file, it cannot be read, or it has not one usable row.
        """
        path = dict(_test_files(folder))[language] if split == "test" else _english_file(folder, split)
        assembled = path.name == _TRAINING_TABLE
        columns, code = (ASSEMBLED, None) if assembled else (PUBLISHED, path.stem if split == "test" else _ENGLISH)
        table = _table_rows(path, split, tally) if assembled else _json_rows(path, tally)
        items, labels = [], []
        for origin, row in table:
            try:
                item, label = _choice(row, columns)
            except _UnusableError as reason:
                tally.skip(origin, str(reason))
                continue
            tally.keep()
            if code and str(row.get("dialect", code)).lower() != code.lower():
                tally.note(origin, f"says that its dialect is {row['dialect']!r}")
            items.append(item)
            labels.append(label)
        if not items:
            needed = (columns.context, columns.question, columns.option.format(1), "...", columns.right)
            raise CorpusError("not one usable row", where=path, allowed=", ".join(needed))
        return Choices(tuple(items), tuple(labels))


class _UnusableError(Exception):
    """Why a row cannot be used."""


def _choice(row: Mapping[str, object], columns: Columns) -> tuple[Choice, int]:
    context, question = (_text(row.get(name), name) for name in (columns.context, columns.question))
    options = tuple(_text(option, columns.option.format(number)) for number, option in enumerate(columns.options(row), start=1))
    if len(options) < 2:
        raise _UnusableError("fewer than two options")
    number = _NUMBER.fullmatch(str(row.get(columns.right)).strip())
    right = int(number[1]) if number else 0
    if not 1 <= right <= len(options):
        raise _UnusableError(f"the right answer is number {row.get(columns.right)!r}")
    return Choice(context, question, options), right - 1


def _text(value: object, name: str) -> str:
    text = _BREAKS.sub(" ", value).strip() if isinstance(value, str) else ""
    if not text:
        raise _UnusableError(f"no {name}")
    return text


def _json_rows(path: Path, tally: Tally) -> Iterator[tuple[Origin, Mapping[str, object]]]:
    for origin, value in json_values(path, tally):
        if isinstance(value, dict):
            yield origin, value
        else:
            tally.skip(origin, "not a JSON object")


def _table_rows(path: Path, split: Split, tally: Tally) -> Iterator[tuple[Origin, Mapping[str, object]]]:
    table = rows(path, tally, quoted=True, delimiter="\t")
    header = [cell.strip() for cell in next(table, (None, []))[1]]
    for origin, cells in table:
        row = dict(zip(header, cells, strict=False))
        if row.get("split", split) != split:
            tally.skip(origin, f"of the split {row['split']!r}")
        else:
            yield origin, row


def _english_file(folder: Path, split: Split) -> Path:
    for path in (folder / f"{split}.jsonl", folder / _TRAINING_TABLE):
        if path.is_file():
            return path
    raise CorpusError(
        f"no {split} set: Belebele itself is for tests alone",
        where=folder,
        allowed=f"{split}.jsonl or {_TRAINING_TABLE}",
        hint="assemble_training_set.py of Belebele's repository writes the second",
    )


def _test_files(folder: Path) -> list[tuple[Language, Path]]:
    found = []
    for path in sorted(each for each in folder.iterdir() if _TEST_FILE.fullmatch(each.name)):
        try:
            found.append((find_language(path.stem), path))
        except LanguageError:
            continue
    return found
