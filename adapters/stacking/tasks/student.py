"""The student: the stack, trained to give the teacher's vectors for the same English text; only its LoRA moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....mt.languages import Language
from ..data import micro_tokens
from .adapters import copied, only_training, put_back, reading_with
from .grouping import Groups
from .heads import Head
from .reading import vectors_of
from .records import Examples
from .subject import Subject
from .tuning import Report, TuningSettings, tune

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Student:
    """A distilled stack under the teacher's head; `losses` are the mean squared errors of the epochs."""

    subject: Subject
    head: Head
    losses: tuple[float, ...]

    def vectors(self, examples: Examples, language: Language) -> Tensor:
        """(N, d) pooled states of the texts, in a language that the encoder knows."""
        rows = self.subject.source_rows(examples.texts, language, examples.closings)
        with reading_with(self.subject.llm, self.subject.adapter):
            return vectors_of(self.subject.read_source, rows, self.subject.source_padding)

    def labels(self, examples: Examples, language: Language) -> list[int]:
        """The answer to each item."""
        return self.head.labels(self.vectors(examples, language), examples.sizes)


@contextmanager
def distilled(
    subject: Subject,
    english: Examples,
    language: Language,
    states: Tensor,
    head: Head,
    settings: TuningSettings,
    *,
    seed: int,
    report: Report = lambda _: None,
) -> Iterator[Student]:
    """A student for the block; afterwards the stack's adapter has the weights that it had before.

    Args:
        english: the items whose texts the teacher's `states` (N, d) are of.
        language: of the items: English.
        head: the teacher's, which no student changes.
        settings, seed: of training.
    """
    import torch

    rows, before = subject.source_rows(english.texts, language, english.closings), copied(subject.llm, subject.adapter)
    targets, groups = states.to(subject.source_padding.device), Groups(english.sizes)

    def loss_of(batch: Sequence[int]) -> Tensor:
        numbers = groups.texts_of(batch)
        vectors = subject.read_source(*subject.source_padding.tensors([rows[number] for number in numbers]))
        return torch.nn.functional.mse_loss(vectors.float(), targets[numbers])

    try:
        with only_training(subject.llm, subject.adapter) as weights:
            losses = tune(
                weights,
                loss_of,
                groups.lengths(rows),
                settings,
                seed=seed,
                report=report,
                cut=groups.passes(rows, micro_tokens(subject.source_padding.device)),
                size=lambda batch: len(groups.texts_of(batch)),
            )
        yield Student(subject, head, tuple(losses))
    finally:
        put_back(subject.llm, subject.adapter, before)
