"""Labelled texts, and the tables of tasks that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ....mt.languages import Language

Split = Literal["train", "dev", "test"]


@dataclass(frozen=True)
class Labelled:
    """Texts of one split in one language; `labels` are positions in the task's classes, one a text."""

    texts: tuple[str, ...]
    labels: tuple[int, ...]

    def first(self, count: int | None) -> Labelled:
        """The first `count` texts; all where it is None."""
        return Labelled(self.texts[:count], self.labels[:count])


@dataclass(frozen=True)
class Task:
    """A classification task as it is published, a folder a language.

    Attributes:
        name: `nusax`.
        classes: the labels, as they are spelled in the files.
        folders: name of a folder and the code of its language; empty where folders are named by FLORES codes.
        file: of a split, within the language's folder.
        splits: our names of the splits -> the files'.
        columns: header of the text's column and of the label's.
        quoted: CSV; else tab-separated without quotes.
        licence: of the data.
    """

    name: str
    classes: tuple[str, ...]
    folders: tuple[tuple[str, str], ...]
    file: str
    splits: tuple[tuple[Split, str], ...]
    columns: tuple[str, str]
    quoted: bool
    licence: str


@dataclass(frozen=True)
class TaskData:
    """A task's English training text, and the test text of every language asked for."""

    task: Task
    train: Labelled
    tests: tuple[tuple[Language, Labelled], ...]

    @property
    def languages(self) -> Sequence[Language]:
        """The languages tested, in order."""
        return [language for language, _ in self.tests]
