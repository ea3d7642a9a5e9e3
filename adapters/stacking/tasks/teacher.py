"""The teacher: the plain language model, fine-tuned on English task text with LoRA and a bias-free linear head on its pooled states.

A head of as many outputs as a task has classes; or of one output, the score of a text that ends with an option, under a softmax over the
options of a question.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ....mt.config import TrainableConfig
from ....mt.files import staged_folder, write_json
from ...lora import lora_config
from ..data import micro_tokens
from .adapters import copied, only_training, put_back, reading_with
from .grouping import Groups, by_item
from .heads import Head
from .reading import Rows, vectors_of
from .records import Examples
from .subject import Subject
from .tuning import Report, TuningSettings, tune

if TYPE_CHECKING:
    from torch import Tensor

_ADAPTER = "task_teacher"
_TENSORS, _FACTS = "teacher.safetensors", "teacher.json"


@dataclass(frozen=True)
class LoraSize:
    """The teacher's adapter, on all linear layers."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05


@dataclass(frozen=True)
class Lesson:
    """What a teacher learns.

    Attributes:
        english: training items.
        classes: outputs of the head: how many classes the task has, or 1 for scores of options.
        settings: of training.
        lora: size of its adapter.
        seed: of the adapter, the head, the order and the dropout.
    """

    english: Examples
    classes: int
    settings: TuningSettings
    lora: LoraSize
    seed: int

    def digest(self, subject: Subject) -> str:
        """What tells this lesson of this model from any other."""
        facts = {**asdict(self), "model": subject.identity, "longest": subject.longest}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Teacher:
    """A trained teacher, whose adapter is in the subject's model.

    Attributes:
        head: (outputs, d), no bias.
        states: (N, d) its pooled states of the English training text, what students learn to give.
    """

    subject: Subject
    head: Head
    states: Tensor

    def vectors(self, examples: Examples) -> Tensor:
        """(N, d) pooled states of the texts, in whatever language."""
        return _vectors(self.subject, self.subject.text_rows(examples.texts, examples.closings))

    def labels(self, examples: Examples) -> list[int]:
        """The answer to each item."""
        return self.head.labels(self.vectors(examples), examples.sizes)


@contextmanager
def teaching(subject: Subject, lesson: Lesson, *, cache: Path | None = None, report: Report = lambda _: None) -> Iterator[Teacher]:
    """A teacher for the block; its adapter is taken out of the model afterwards.

    Where `cache` holds a teacher of this lesson and model it is read instead of trained: adapter, head and states, bit for bit.
    """
    import torch

    torch.manual_seed(lesson.seed)
    size = lesson.lora
    config = lora_config(TrainableConfig(rank=size.rank, alpha=size.alpha, dropout=size.dropout))
    trained = [one for one in subject.llm.parameters() if one.requires_grad]
    active = subject.llm.active_adapter
    subject.llm.add_adapter(_ADAPTER, config)
    subject.llm.eval()  # a new adapter would drop out
    try:
        kept = cache / lesson.digest(subject) if cache is not None else None
        if kept is not None and (kept / _FACTS).is_file():
            yield _load(subject, kept)
        else:
            teacher = _trained(subject, lesson, report)
            if kept is not None:
                _save(teacher, lesson, kept)
            yield teacher
    finally:
        subject.llm.delete_adapter(_ADAPTER)
        subject.llm.set_adapter(active)
        for one in subject.llm.parameters():
            one.requires_grad_(False)
        for one in trained:
            one.requires_grad_(True)


def _trained(subject: Subject, lesson: Lesson, report: Report) -> Teacher:
    import torch

    english, groups = lesson.english, Groups(lesson.english.sizes)
    rows, labels = subject.text_rows(english.texts, english.closings), torch.tensor(english.labels)
    width = int(subject.llm.config.get_text_config().hidden_size)
    head = torch.nn.Linear(width, lesson.classes, bias=False).to(subject.text_padding.device)

    def loss_of(batch: Sequence[int]) -> Tensor:
        vectors = subject.read_text(*subject.text_padding.tensors([rows[number] for number in groups.texts_of(batch)]))
        logits = by_item(head(vectors.float()), groups.sizes_of(batch))
        return torch.nn.functional.cross_entropy(logits, labels[list(batch)].to(vectors.device))

    with only_training(subject.llm, _ADAPTER) as weights:
        tune(
            [*weights, *head.parameters()],
            loss_of,
            groups.lengths(rows),
            lesson.settings,
            seed=lesson.seed,
            report=report,
            cut=groups.passes(rows, micro_tokens(subject.text_padding.device)),
        )
    return Teacher(subject, Head(head.weight.detach().cpu()), _vectors(subject, rows))


def _vectors(subject: Subject, rows: Rows) -> Tensor:
    with reading_with(subject.llm, _ADAPTER):
        return vectors_of(subject.read_text, rows, subject.text_padding)


def _save(teacher: Teacher, lesson: Lesson, folder: Path) -> None:
    from safetensors.torch import save_file

    tensors: Mapping[str, Tensor] = {**copied(teacher.subject.llm, _ADAPTER), "head": teacher.head.weight, "states": teacher.states}
    facts = {key: value for key, value in asdict(lesson).items() if key != "english"}
    with staged_folder(folder) as staging:
        save_file({name: value.cpu().contiguous() for name, value in tensors.items()}, staging / _TENSORS)
        write_json(staging / _FACTS, {"format": 1, "model": teacher.subject.identity, "texts": len(lesson.english.texts), **facts})


def _load(subject: Subject, folder: Path) -> Teacher:
    from safetensors.torch import load_file

    tensors = load_file(folder / _TENSORS)
    head, states = Head(tensors.pop("head")), tensors.pop("states")
    put_back(subject.llm, _ADAPTER, tensors)
    return Teacher(subject, head, states)
