"""The student: the stack, trained to give the teacher's vectors for the same English text; only its LoRA moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....mt.languages import Language
from .adapters import copied, only_training, put_back, reading_with
from .heads import Head
from .reading import vectors_of
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

    def vectors(self, texts: Sequence[str], language: Language) -> Tensor:
        """(N, d) pooled states of texts in a language that the encoder knows."""
        rows = self.subject.source_rows(texts, language)
        with reading_with(self.subject.llm, self.subject.adapter):
            return vectors_of(self.subject.read_source, rows, self.subject.source_padding)

    def labels(self, texts: Sequence[str], language: Language) -> list[int]:
        """The class of each text."""
        return self.head.labels(self.vectors(texts, language))


@contextmanager
def distilled(
    subject: Subject,
    texts: Sequence[str],
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
        texts: the text that the teacher's `states` (N, d) are of.
        language: of the texts: English.
        head: the teacher's, which no student changes.
        settings, seed: of training.
    """
    import torch

    rows, before = subject.source_rows(texts, language), copied(subject.llm, subject.adapter)
    targets = states.to(subject.source_padding.device)

    def loss_of(batch: Sequence[int]) -> Tensor:
        vectors = subject.read_source(*subject.source_padding.tensors([rows[number] for number in batch]))
        return torch.nn.functional.mse_loss(vectors.float(), targets[list(batch)])

    try:
        with only_training(subject.llm, subject.adapter) as weights:
            losses = tune(weights, loss_of, [len(row) for row in rows], settings, seed=seed, report=report)
        yield Student(subject, head, tuple(losses))
    finally:
        put_back(subject.llm, subject.adapter, before)
