"""The tasks: NusaX sentiment (Winata et al. 2023), SIB-200 topics (Adelani et al. 2024), Belebele, as their repositories ship them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ....mt.corpora.tally import Tally
from ....mt.errors import ConfigError, LanguageError, nearest
from ....mt.languages import Language, find_language
from .belebele import Belebele
from .label_tables import LabelTables
from .records import Examples, Split, Task, TaskData

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

_SENTIMENTS = ("negative", "neutral", "positive")
_TOPICS = ("science/technology", "travel", "politics", "sports", "health", "entertainment", "geography")

TASKS = (
    Task(
        name="nusax",
        classes=_SENTIMENTS,
        below="nusax/sentiment",
        unit="texts",
        reader=LabelTables(
            classes=_SENTIMENTS,
            folders=_NUSAX,
            file="{split}.csv",
            splits=(("train", "train"), ("dev", "valid"), ("test", "test")),
            columns=("text", "label"),
            quoted=True,
        ),
        licence="CC-BY-SA-4.0",
    ),
    Task(
        name="sib200",
        classes=_TOPICS,
        below="sib200",
        unit="texts",
        reader=LabelTables(
            classes=_TOPICS,
            folders=(),
            file="{split}.tsv",
            splits=(("train", "train"), ("dev", "dev"), ("test", "test")),
            columns=("text", "category"),
            quoted=False,
        ),
        licence="CC-BY-SA-4.0",
    ),
    Task(name="belebele", classes=(), below="belebele", unit="questions", reader=Belebele(), licence="CC-BY-SA-4.0"),
)


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
        found = Path(os.environ["DRAGOMAN_DATA"]) / task.below
    else:
        raise ConfigError(f"where is the data of {task.name}?", where="--data", hint="set --data, or DRAGOMAN_DATA to the folder above it")
    if not found.is_dir():
        raise ConfigError("no such folder", where=found, allowed=f"the folder of {task.name} that has a folder or a file a language")
    return found


def languages_of(task: Task, folder: Path) -> list[Language]:
    """The languages that the folder has test items of, by name; what is no language's is passed over."""
    return task.reader.languages(folder, "test")


def read_split(task: Task, folder: Path, language: Language, split: Split, tally: Tally) -> Examples:
    """One split of one language; unusable rows are counted and left out.

    Raises:
        LanguageError: the task has no such language here.
        CorpusError: the file cannot be read, lacks a column, or has not one usable row.
    """
    there = task.reader.languages(folder, split)
    if language not in there:
        known = ", ".join(each.code for each in there)
        raise LanguageError(f"{task.name} has no {language.name} here", where=str(folder), allowed=known or "no language is there")
    return task.reader.read(folder, language, split, tally)


def read_task(task: Task, folder: Path, languages: Iterable[Language], tally: Tally, rows_of_each: int | None = None) -> TaskData:
    """English training items and the test items of `languages`; `rows_of_each` keeps so many of every split.

    Raises:
        DragomanError: as `read_split`.
    """
    english = find_language(ENGLISH)
    tests = tuple((language, read_split(task, folder, language, "test", tally).first(rows_of_each)) for language in languages)
    return TaskData(task, read_split(task, folder, english, "train", tally).first(rows_of_each), tests)
