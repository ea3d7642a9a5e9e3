"""Texts with labels, questions with options, and the tasks that hold them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, Self

from ....mt.corpora.tally import Tally
from ....mt.languages import Language
from ....mt.splitting import sentences

Split = Literal["train", "dev", "test"]
Translate = Callable[[Sequence[str]], list[str]]


class Examples(Protocol):
    """Items of one split in one language, each with a right answer."""

    @property
    def labels(self) -> tuple[int, ...]:
        """The right answer of each item: which of the task's classes, or which of the item's options."""

    @property
    def texts(self) -> tuple[str, ...]:
        """What is read: one text an item, or one an option, those of an item together."""

    @property
    def closings(self) -> tuple[str, ...]:
        """The end of each text that must not be lost where a text is too long; empty where the end may go."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many texts each item has."""

    def first(self, count: int | None) -> Self:
        """The first `count` items; all where it is None."""

    def translated(self, translate: Translate) -> Self:
        """The same items in what a translator makes of their text."""


@dataclass(frozen=True)
class Labelled:
    """Texts of one split in one language; `labels` are positions in the task's classes, one a text."""

    texts: tuple[str, ...]
    labels: tuple[int, ...]

    @property
    def closings(self) -> tuple[str, ...]:
        """Nothing: a text that is too long loses its end."""
        return ("",) * len(self.texts)

    @property
    def sizes(self) -> tuple[int, ...]:
        """One text an item."""
        return (1,) * len(self.texts)

    def first(self, count: int | None) -> Labelled:
        """The first `count` texts; all where it is None."""
        return Labelled(self.texts[:count], self.labels[:count])

    def translated(self, translate: Translate) -> Labelled:
        """Every text translated whole."""
        return replace(self, texts=tuple(translate(self.texts)))


@dataclass(frozen=True)
class Choice:
    """A question about a context, and what may be the answer."""

    context: str
    question: str
    options: tuple[str, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """Context, question and options."""
        return (self.context, self.question, *self.options)


@dataclass(frozen=True)
class Choices:
    """Multiple-choice items of one split in one language; `labels` are positions in each item's own options, whose number may differ.

    A candidate's text is context, question and option with a space between: many an encoder has never seen a line break, and its tokenizer
    has no piece for one.
    """

    items: tuple[Choice, ...]
    labels: tuple[int, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """One an option."""
        return tuple(f"{item.context} {item.question} {option}" for item in self.items for option in item.options)

    @property
    def closings(self) -> tuple[str, ...]:
        """Question and option: where a text is too long it is the context that loses its end."""
        return tuple(f"{item.question} {option}" for item in self.items for option in item.options)

    @property
    def sizes(self) -> tuple[int, ...]:
        """As many texts as options."""
        return tuple(len(item.options) for item in self.items)

    def first(self, count: int | None) -> Choices:
        """The first `count` items; all where it is None."""
        return Choices(self.items[:count], self.labels[:count])

    def translated(self, translate: Translate) -> Choices:
        """Every part translated by itself and sentence by sentence, as translation models learn; what occurs twice is translated once."""
        cut = {part: [one.strip() for one in sentences(part) if one.strip()] for item in self.items for part in item.parts}
        known = list(dict.fromkeys(sentence for found in cut.values() for sentence in found))
        english = dict(zip(known, translate(known), strict=True))
        whole = {part: " ".join(filter(None, (english[sentence] for sentence in found))) for part, found in cut.items()}
        items = (Choice(whole[one.context], whole[one.question], tuple(whole[option] for option in one.options)) for one in self.items)
        return replace(self, items=tuple(items))


class Reader(Protocol):
    """Reads a task's files as they are published."""

    def languages(self, folder: Path, split: Split) -> list[Language]:
        """Those that the folder has, by name; what is no language's is passed over."""

    def read(self, folder: Path, language: Language, split: Split, tally: Tally) -> Examples:
        """One split in one of these languages; unusable rows are counted and left out.

        Raises:
            CorpusError: a file that cannot be read, lacks a column, or has not one usable row.
        """


@dataclass(frozen=True)
class Task:
    """A task as it is published.

    Attributes:
        name: `nusax`.
        classes: the labels, as they are spelled in the files; empty where each item has options of its own.
        below: its folder within the folder of all data.
        unit: what its items are called.
        reader: of its files.
        licence: of the data.
    """

    name: str
    classes: tuple[str, ...]
    below: str
    unit: str
    reader: Reader
    licence: str

    @property
    def outputs(self) -> int:
        """Of a head: one a class, or one, the score of a candidate."""
        return len(self.classes) or 1

    @property
    def measures(self) -> tuple[str, ...]:
        """What of a `TaskScore` has a meaning: options are no classes over which an F1 could be averaged."""
        return ("accuracy", "macro_f1") if self.classes else ("accuracy",)


@dataclass(frozen=True)
class TaskData:
    """A task's English training items, and the test items of every language asked for."""

    task: Task
    train: Examples
    tests: tuple[tuple[Language, Examples], ...]

    @property
    def languages(self) -> Sequence[Language]:
        """The languages tested, in order."""
        return [language for language, _ in self.tests]
