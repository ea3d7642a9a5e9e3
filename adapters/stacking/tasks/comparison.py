"""The whole comparison: for each seed a teacher and a student, and every system on every language."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ....mt.languages import Language, find_language
from .heads import Head, fit_head
from .readers import ENGLISH
from .reading import vectors_of
from .records import Examples, TaskData
from .scores import TaskScore, task_score
from .student import Student, distilled
from .subject import Subject
from .teacher import Lesson, LoraSize, Teacher, teaching
from .tuning import Report, TuningSettings

if TYPE_CHECKING:
    from torch import Tensor


STACK, LLM, ENCODER, TRANSLATE = "stack", "LLM alone", "encoder + head", "translate-test"
SYSTEMS = (STACK, LLM, ENCODER, TRANSLATE)


@dataclass(frozen=True)
class ComparisonSettings:
    """How systems are trained and compared.

    Attributes:
        seeds: a teacher and a student for each.
        teacher, student: how they are trained.
        lora: size of the teacher's adapter; the student trains the stack's own.
        systems: out of `SYSTEMS`.
        cache: where teachers are kept, None for nowhere.
    """

    seeds: tuple[int, ...] = (1, 2, 3)
    teacher: TuningSettings = field(default_factory=TuningSettings)
    student: TuningSettings = field(default_factory=TuningSettings)
    lora: LoraSize = field(default_factory=LoraSize)
    systems: tuple[str, ...] = SYSTEMS
    cache: Path | None = None


@dataclass(frozen=True)
class Result:
    """One system on one language; `seed` is None for a system that has none, and was measured once."""

    system: str
    language: Language
    seed: int | None
    score: TaskScore


@dataclass(frozen=True)
class Comparison:
    """Everything measured.

    Attributes:
        results: a row a system, language and seed.
        seconds: spent on each part, over all seeds.
        losses: the student's mean squared error of each epoch, by seed.
    """

    data: TaskData
    results: tuple[Result, ...]
    seconds: dict[str, float]
    losses: dict[int, tuple[float, ...]]

    def scores(self, system: str, language: Language) -> list[TaskScore]:
        """A score a seed, or one."""
        return [each.score for each in self.results if each.system == system and each.language == language]


class _Seconds:
    """Adds up what parts take."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.since(begun, part)

    def since(self, begun: float, part: str) -> None:
        self.spent[part] = self.spent.get(part, 0.0) + time.perf_counter() - begun


def compare(subject: Subject, data: TaskData, settings: ComparisonSettings, report: Report = lambda _: None) -> Comparison:
    """Train on English, test on every language of the data.

    `LLM alone`: the teacher reads the text itself. `encoder + head`: a linear head on the frozen encoder's mean states of the English text.
    `translate-test`: the teacher reads what the encoder's own decoder makes of the text in English (not for English), of a question with
    options part by part. `stack`: the student.
    """
    clock = _Seconds()
    results: list[Result] = []
    losses: dict[int, tuple[float, ...]] = {}
    translated = _translations(subject, data, settings, clock, report)
    if ENCODER in settings.systems:
        with clock.of(ENCODER):
            results += _encoder_alone(subject, data)
    for seed in settings.seeds:
        say = _prefixed(report, seed)
        lesson = Lesson(data.train, data.task.outputs, settings.teacher, settings.lora, seed)
        begun = time.perf_counter()
        with teaching(subject, lesson, cache=settings.cache, report=say("teacher")) as teacher:
            clock.since(begun, "teacher")
            results += _by_teacher(teacher, data, translated, settings, seed, clock)
            states, head = teacher.states, teacher.head
        if STACK in settings.systems:
            found, losses[seed] = _by_student(subject, data, states, head, settings, seed, clock, say("student"))
            results += found
    return Comparison(data, tuple(results), {part: round(spent, 1) for part, spent in clock.spent.items()}, losses)


def _prefixed(report: Report, seed: int) -> Callable[[str], Report]:
    return lambda who: lambda line: report(f"seed {seed}, {who}: {line}")


def _is_english(language: Language) -> bool:
    return language.same_as(find_language(ENGLISH))


def _translations(
    subject: Subject, data: TaskData, settings: ComparisonSettings, clock: _Seconds, report: Report
) -> dict[Language, Examples]:
    translate = subject.translate
    if TRANSLATE not in settings.systems or translate is None:
        return {}
    translated: dict[Language, Examples] = {}
    for language, test in data.tests:
        if not _is_english(language):
            into_english = _Counting(translate, language)
            with clock.of("translation"):
                translated[language] = test.translated(into_english)
            lost = f", {into_english.empty} pieces to nothing" if into_english.empty else ""
            done = f"{len(test.labels)} {data.task.unit} translated{lost}"
            report(f"{language.name}: {done}, the first as {translated[language].texts[0]!r}")
    return translated


class _Counting:
    """A translator from one language that counts what comes out empty: longer than the model reads, say."""

    def __init__(self, translate: Callable[[Sequence[str], Language], list[str]], language: Language) -> None:
        self.empty, self._translate, self._language = 0, translate, language

    def __call__(self, texts: Sequence[str]) -> list[str]:
        drafts = self._translate(texts, self._language)
        self.empty += sum(not draft for draft in drafts)
        return drafts


def _scored(system: str, language: Language, seed: int | None, given: Sequence[int], test: Examples, classes: int) -> Result:
    return Result(system, language, seed, task_score(given, test.labels, classes))


def _by_teacher(
    teacher: Teacher,
    data: TaskData,
    translated: dict[Language, Examples],
    settings: ComparisonSettings,
    seed: int,
    clock: _Seconds,
) -> list[Result]:
    found, classes = [], len(data.task.classes)
    for language, test in data.tests:
        if LLM in settings.systems:
            with clock.of(LLM):
                labels = teacher.labels(test)
            found.append(_scored(LLM, language, seed, labels, test, classes))
        if language in translated:
            with clock.of(TRANSLATE):
                labels = teacher.labels(translated[language])
            found.append(_scored(TRANSLATE, language, seed, labels, test, classes))
    return found


def _by_student(
    subject: Subject, data: TaskData, states: Tensor, head: Head, settings: ComparisonSettings, seed: int, clock: _Seconds, report: Report
) -> tuple[list[Result], tuple[float, ...]]:
    english, classes, begun = find_language(ENGLISH), len(data.task.classes), time.perf_counter()
    with distilled(subject, data.train, english, states, head, settings.student, seed=seed, report=report) as student:
        clock.since(begun, "student")
        with clock.of(STACK):
            found = _student_results(student, data, seed, classes)
    return found, student.losses


def _student_results(student: Student, data: TaskData, seed: int, classes: int) -> list[Result]:
    return [_scored(STACK, language, seed, student.labels(test, language), test, classes) for language, test in data.tests]


def _encoder_alone(subject: Subject, data: TaskData) -> list[Result]:
    def vectors(examples: Examples, language: Language) -> Tensor:
        rows = subject.source_rows(examples.texts, language, examples.closings)
        return vectors_of(subject.read_encoder, rows, subject.source_padding)

    train, classes = data.train, len(data.task.classes)
    head = fit_head(vectors(train, find_language(ENGLISH)), train.labels, data.task.outputs, sizes=train.sizes)
    return [
        _scored(ENCODER, language, None, head.labels(vectors(test, language), test.sizes), test, classes) for language, test in data.tests
    ]
