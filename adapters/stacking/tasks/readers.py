"""NusaX sentiment (Winata et al. 2023) and SIB-200 topics (Adelani et al. 2024), as their repositories ship them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ....mt.corpora.tables import rows
from ....mt.corpora.tally import Tally
from ....mt.errors import ConfigError, CorpusError, LanguageError, nearest
from ....mt.languages import Language, find_language
from .records import Labelled, Split, Task, TaskData

ENGLISH = "eng_Latn"

_NUSAX = (
    ("acehnese", "ace_Latn"),
    ("balinese", "ban_Latn"),
    ("banjarese", "bjn_Latn"),
    ("buginese", "bug_Latn"),
    ("english", "eng_Latn"),
    ("indonesian", "ind_Latn"),
    ("javanese", "jav_Latn"),
    ("madurese", "mad"),
    ("minangkabau", "min_Latn"),
    ("ngaju", "nij"),
    ("sundanese", "sun_Latn"),
    ("toba_batak", "bbc"),
)

TASKS = (
    Task(
        name="nusax",
        classes=("negative", "neutral", "positive"),
        folders=_NUSAX,
        file="{split}.csv",
        splits=(("train", "train"), ("dev", "valid"), ("test", "test")),
        columns=("text", "label"),
        quoted=True,
        licence="CC-BY-SA-4.0",
    ),
    Task(
        name="sib200",
        classes=("science/technology", "travel", "politics", "sports", "health", "entertainment", "geography"),
        folders=(),
        file="{split}.tsv",
        splits=(("train", "train"), ("dev", "dev"), ("test", "test")),
        columns=("text", "category"),
        quoted=False,
        licence="CC-BY-SA-4.0",
    ),
)
_BELOW = {"nusax": "nusax/sentiment", "sib200": "sib200"}


def find_task(name: str) -> Task:
    """A task by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    for task in TASKS:
        if task.name == name:
            return task
    raise ConfigError(f"unknown task {name!r}", where="--task", allowed=nearest(name, [task.name for task in TASKS]))


def task_folder(task: Task, given: Path | None) -> Path:
    """Where the task's languages lie: the folder given, else under `DRAGOMAN_DATA`.

    Raises:
        ConfigError: neither is there.
    """
    if given is not None:
        found = given
    elif os.environ.get("DRAGOMAN_DATA"):
        found = Path(os.environ["DRAGOMAN_DATA"]) / _BELOW[task.name]
    else:
        raise ConfigError(f"where is the data of {task.name}?", where="--data", hint="set --data, or DRAGOMAN_DATA to the folder above it")
    if not found.is_dir():
        raise ConfigError("no such folder", where=found, allowed=f"the folder of {task.name} that has a folder a language")
    return found


def languages_of(task: Task, folder: Path) -> list[Language]:
    """The languages that the folder has, by name; folders that are no language's are passed over."""
    return [language for language, _ in _folders(task, folder)]


def read_split(task: Task, folder: Path, language: Language, split: Split, tally: Tally) -> Labelled:
    """One split of one language; rows without a text or with a label that the task does not have are counted and left out.

    Raises:
        LanguageError: the task has no such language here.
        CorpusError: the file cannot be read, lacks a column, or has not one usable row.
    """
    places = dict(_folders(task, folder))
    if language not in places:
        known = ", ".join(each.code for each in places)
        raise LanguageError(f"{task.name} has no {language.name} here", where=str(folder), allowed=known or "no language is there")
    path = places[language] / task.file.format(split=dict(task.splits)[split])
    table = rows(path, tally, quoted=task.quoted)
    header = [cell.strip() for cell in next(table, (None, []))[1]]
    missing = [column for column in task.columns if column not in header]
    if missing:
        raise CorpusError(f"no column named {' or '.join(missing)}", where=path, allowed=", ".join(header))
    places_of = [header.index(column) for column in task.columns]
    texts, labels = [], []
    for origin, cells in table:
        if len(cells) <= max(places_of):
            tally.skip(origin, f"fewer than {max(places_of) + 1} columns")
            continue
        text, label = (cells[place].strip() for place in places_of)
        if not text or label not in task.classes:
            tally.skip(origin, f"the label {label!r}" if text else "no text")
            continue
        tally.keep()
        texts.append(text)
        labels.append(task.classes.index(label))
    if not texts:
        raise CorpusError("not one usable row", where=path)
    return Labelled(tuple(texts), tuple(labels))


def read_task(task: Task, folder: Path, languages: Iterable[Language], tally: Tally, rows_of_each: int | None = None) -> TaskData:
    """English training text and the test text of `languages`; `rows_of_each` keeps so many rows of every split.

    Raises:
        DragomanError: as `read_split`.
    """
    english = find_language(ENGLISH)
    tests = tuple((language, read_split(task, folder, language, "test", tally).first(rows_of_each)) for language in languages)
    return TaskData(task, read_split(task, folder, english, "train", tally).first(rows_of_each), tests)


def _folders(task: Task, folder: Path) -> list[tuple[Language, Path]]:
    named = dict(task.folders)
    found = []
    for path in sorted(each for each in folder.iterdir() if each.is_dir()):
        try:
            found.append((find_language(named.get(path.name, path.name) if named else path.name), path))
        except LanguageError:
            continue
    return found
