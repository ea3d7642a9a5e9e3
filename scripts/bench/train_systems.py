"""The trainers that the training benchmarks compare, fed the same tokenised examples: ours, and TRL's SFTTrainer in several settings."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PrinterCallback, TrainerCallback

from dragoman.mt.batches import MICRO_TOKENS, StepDataset, layout_for
from dragoman.mt.config import BatchConfig, BudgetConfig, CheckpointConfig, CorpusConfig, MixtureConfig, ScheduleConfig, StageConfig
from dragoman.mt.cost import Work
from dragoman.mt.examples import ExampleSet
from dragoman.mt.plan import Plan, Stream, make_plan
from dragoman.mt.runs import RunFolder
from dragoman.mt.training import StageJob, StageTrainer

BATCH = 8  # TRL's default; ours takes as many


@dataclass(frozen=True)
class System:
    """A trainer and its settings; `trl` is None for ours, else what its SFTConfig gets beside the defaults."""

    name: str
    trl: dict[str, Any] | None = None


SYSTEMS = (
    System("dragoman"),
    System("TRL, defaults", {}),
    System("TRL, activations kept", {"gradient_checkpointing": False}),
    System("TRL, packed", {"gradient_checkpointing": False, "packing": True, "max_length": 512, "per_device_train_batch_size": 1}),
)


@dataclass
class Timing:
    """Seconds from the first step's start to the last step's end, and what was done in them."""

    seconds: float = 0.0
    tokens: int = 0
    computed: int = 0
    work: Work = field(default_factory=Work)
    losses: list[float] = field(default_factory=list)

    def __add__(self, other: Timing) -> Timing:
        return Timing(
            self.seconds + other.seconds,
            self.tokens + other.tokens,
            self.computed + other.computed,
            self.work + other.work,
            self.losses + other.losses,
        )

    @property
    def speed(self) -> float:
        """Real tokens a second."""
        return self.tokens / self.seconds

    @property
    def padding(self) -> float:
        """Share of the computed tokens that is padding."""
        return 1 - self.tokens / self.computed


class Clock(TrainerCallback):
    """Times the steps of either trainer, without its set-up and its saving."""

    def __init__(self) -> None:
        self.started = self.ended = 0.0
        self.losses: list[float] = []

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """The first one starts the clock."""
        self.started = self.started or _now()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """The last one stops it."""
        if state.global_step >= state.max_steps:
            self.ended = _now()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:  # noqa: ARG002
        """Keep the losses."""
        if logs and "loss" in logs:
            self.losses.append(float(logs["loss"]))


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


class Counter:
    """Counts the tokens that go through a model, padding included."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.computed = 0
        self._hook = model.get_input_embeddings().register_forward_pre_hook(self._count)  # type: ignore[operator]

    def _count(self, _: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        self.computed += inputs[0].numel()

    def close(self) -> None:
        """Stop counting."""
        self._hook.remove()


def work_of(examples: ExampleSet, members: Sequence[int]) -> Work:
    """What these examples ask for, whoever trains on them."""
    chosen = np.asarray(members)
    lengths = examples.lengths()[chosen]
    return Work(int(lengths.sum()), int(examples.target_lengths()[chosen].sum()), int((lengths**2).sum()))


def train(
    system: System,
    model: Any,
    tokenizer: Any,
    examples: ExampleSet,
    members: Sequence[int],
    *,
    mixed: bool,
    rate: float = 1e-4,
    in_order: bool = False,
) -> Timing:
    """One pass over `members`, `BATCH` a step, at a constant rate.

    `mixed` lets either trainer multiply in bfloat16; `in_order` gives every trainer the same steps.
    """
    counter, clock = Counter(model), Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = (
            our_trainer(model, examples, members, Path(folder), rate, in_order, mixed)
            if system.trl is None
            else trl_trainer(model, tokenizer, examples, members, Path(folder), rate, in_order, {"bf16": mixed, **system.trl})
        )
        trainer.add_callback(clock)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    counter.close()
    work = work_of(examples, members)
    # With checkpointing the embeddings are outside what is computed again, so a token counts once.
    return Timing(clock.ended - clock.started, work.tokens, counter.computed, work, clock.losses)


def our_trainer(model: Any, examples: ExampleSet, members: Sequence[int], folder: Path, rate: float, in_order: bool, mixed: bool) -> Any:
    """The trainer of `dragoman train`, with its own plan unless the steps are given."""
    device = next(model.parameters()).device.type
    schedule = ScheduleConfig(kind="constant", peak=rate, warmup=0.0)
    stage = StageConfig("bench", [CorpusConfig(path="none", source="eng", target="deu")], schedule=schedule, batch=BatchConfig(BATCH))
    dataset = StepDataset(
        plan_of(examples, members, in_order), examples, layout=layout_for("auto", device), micro_tokens=MICRO_TOKENS[device], padding=0
    )
    job = StageJob(stage, dataset, RunFolder(folder), seed=1, facts={}, checkpoints=CheckpointConfig())
    return StageTrainer(model, job, mixed=mixed)


def plan_of(examples: ExampleSet, members: Sequence[int], in_order: bool) -> Plan:
    """Steps of `BATCH` examples: as they come, or as `dragoman train` would deal them."""
    lengths = examples.lengths()
    if in_order:
        steps = [np.asarray(members[start : start + BATCH], dtype=np.int64) for start in range(0, len(members), BATCH)]
        return Plan(steps, np.asarray([lengths[step].sum() for step in steps]), {})
    stream = Stream("pairs", [np.asarray([index], dtype=np.int64) for index in members])
    return make_plan([stream], lengths, mixture=MixtureConfig(), budget=BudgetConfig(epochs=1.0), sequences_per_step=BATCH, seed=[1])


def trl_trainer(
    model: Any,
    tokenizer: Any,
    examples: ExampleSet,
    members: Sequence[int],
    folder: Path,
    rate: float,
    in_order: bool,
    extra: dict[str, Any],
) -> Any:
    """TRL's trainer over the same token ids, with the loss on the same positions."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = []
    for index in members:
        example = examples[index]
        length, start = len(example.ids), example.target_start
        rows.append({"input_ids": list(example.ids), "completion_mask": [0] * start + [1] * (length - start)})
    on_cpu = next(model.parameters()).device.type == "cpu"
    settings = {
        "use_cpu": on_cpu,
        "per_device_train_batch_size": BATCH,
        "completion_only_loss": True,
        "num_train_epochs": 1,
        "learning_rate": rate,
        "lr_scheduler_type": "constant",
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "seed": 1,
        **({"train_sampling_strategy": "sequential", "logging_steps": 1, "logging_nan_inf_filter": False} if in_order else {}),
        **extra,
    }
    arguments = SFTConfig(str(folder), **settings)
    return SFTTrainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
