"""One stage of a stack on transformers' Trainer: a dataset item is a whole optimizer step, checkpoints hold only what moves."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from ...mt.checkpoints import prune, publish, step_folder
from ...mt.config import CheckpointConfig
from ...mt.files import named_errors
from ...mt.precision import mixed_precision
from ...mt.runs import RunFolder
from ...mt.schedules import multiplier
from ...mt.training import Progress, common_arguments, milestones, non_finite_loss
from .config import StackStageConfig
from .data import StackExample, StepDataset
from .distillation import distillation_loss, generation_loss, targets, token_distillation_loss
from .model import StackedModel
from .saving import load_trained, save_trained

Report = Callable[[str], None]
# What moves in each kind of stage, by the beginnings of parameter names; an adapter's names begin with `llm.` and hold `lora_`.
_MOVES = {"distil": ("projection.", "llm."), "mapping": ("projection.", "end"), "generation": ("projection.", "end", "llm.")}


@dataclass(frozen=True)
class StackJob:
    """Everything a stage needs besides the model.

    Attributes:
        stage: its settings.
        dataset: the steps.
        run: where checkpoints and events go.
        seed: of the stage.
        facts: what its checkpoints depend on.
        checkpoints: how often, and how many are kept.
        opening: ids of a prompt before the encoder's states.
        report: a line for people.
    """

    stage: StackStageConfig
    dataset: StepDataset
    run: RunFolder
    seed: int
    facts: dict[str, Any]
    checkpoints: CheckpointConfig
    opening: int
    report: Report

    @property
    def folder(self) -> Path:
        """Where the stage's checkpoints go."""
        return self.run.checkpoints(self.stage.name)


def choose_moving(stack: StackedModel, kind: str) -> list[str]:
    """Let only what a kind of stage trains want gradients; returns their names."""
    moving = []
    for name, parameter in stack.named_parameters():
        moves = name.startswith(_MOVES[kind]) and ("lora_" in name or not name.startswith("llm."))
        parameter.requires_grad_(moves)
        if moves:
            moving.append(name)
    return moving


class StackTrainer(Trainer):
    """Trains one `StackJob`."""

    def __init__(self, stack: StackedModel, job: StackJob, *, mixed: bool) -> None:
        self.job, self.stack, self._mixed = job, stack, mixed
        self.progress = Progress()
        arguments = TrainingArguments(**common_arguments(job.stage, job.folder, len(job.dataset), job.seed, stack.end.device, mixed=mixed))
        super().__init__(model=stack, args=arguments, train_dataset=job.dataset)
        for printer in (PrinterCallback, ProgressCallback):
            self.pop_callback(printer)
        self.add_callback(_Watch(self))

    def get_train_dataloader(self) -> DataLoader[list[list[StackExample]]]:
        """The steps of the plan, in order."""
        return DataLoader(self.job.dataset, batch_size=1, sampler=SequentialSampler(range(len(self.job.dataset))), collate_fn=_only)

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LambdaLR:
        """The recipe's schedule."""
        self.lr_scheduler = LambdaLR(optimizer or self.optimizer, multiplier(self.job.stage.schedule, num_training_steps))
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def training_step(self, model: Any, inputs: list[list[StackExample]], num_items_in_batch: Any = None) -> torch.Tensor:  # noqa: ARG002
        """Gradients of the step's mean loss: over its texts (distil) or its target tokens, however it is cut into passes."""
        started, stage = time.perf_counter(), self.job.stage
        model.train()
        if "llm." not in _MOVES[stage.kind]:
            self.stack.llm.eval()  # an adapter that does not move need not drop out
        distil = stage.kind == "distil"
        weight = sum(len(batch) if distil else targets(batch) for batch in inputs)
        total = torch.zeros((), device=self.args.device)
        for batch in inputs:
            with mixed_precision(self.stack, enabled=self._mixed, longest=batch[0].length):
                loss = self._loss(batch) / weight
            self._refuse_non_finite(loss, batch)
            self.accelerator.backward(loss)
            total += loss.detach()
        self.progress.tokens += sum(example.length for batch in inputs for example in batch)
        self.progress.computed += sum(len(batch) * batch[0].length for batch in inputs)
        self.progress.seconds += time.perf_counter() - started
        return total

    def _loss(self, batch: list[StackExample]) -> torch.Tensor:
        """Of one forward pass, summed over its texts or target tokens."""
        stage = self.job.stage
        if stage.kind != "distil":
            return generation_loss(self.stack, batch, self.job.opening)
        distil = token_distillation_loss if stage.states == "tokens" else distillation_loss
        return distil(self.stack, batch, stage.loss)

    def _refuse_non_finite(self, loss: torch.Tensor, batch: list[StackExample]) -> None:
        if not torch.isfinite(loss):
            origins = [example.origin for example in batch]
            raise non_finite_loss(loss.item(), self.state.global_step + 1, self.job.stage, self.job.run, origins)

    def floating_point_ops(self, inputs: Any) -> int:  # noqa: ARG002
        """Not counted here."""
        return 0

    # ---- checkpoints ----

    def _get_output_dir(self, trial: Any) -> str:  # noqa: ARG002
        return str(self._staging)

    @property
    def _staging(self) -> Path:
        return self.job.folder / ".writing"

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Trainer's checkpoint, written aside; hashed; renamed into place; older ones pruned."""
        step = self.state.global_step
        final = step_folder(self.job.folder, step)
        shutil.rmtree(self._staging, ignore_errors=True)
        try:
            with named_errors(final):
                super()._save_checkpoint(model, trial)
            written = self._staging / f"checkpoint-{step}"
            publish(written, final, {**self.job.facts, "step": step, "steps": len(self.job.dataset), "progress": vars(self.progress)})
        finally:
            shutil.rmtree(self._staging, ignore_errors=True)
        prune(self.job.folder, keep=self.job.checkpoints.keep, protect=None)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ARG002
        """Projection, end vector and adapter; the parents are where they were."""
        assert output_dir is not None
        folder = Path(output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_trained(folder, self.stack)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:  # noqa: ARG002
        load_trained(Path(resume_from_checkpoint), self.stack)


def _only(items: list[list[list[StackExample]]]) -> list[list[StackExample]]:
    return items[0]


class _Watch(TrainerCallback):
    """Saves at the stage's milestones; writes and tells every logged step."""

    def __init__(self, trainer: StackTrainer) -> None:
        self._trainer = trainer
        job = trainer.job
        steps = len(job.dataset)
        self._save_at = set(milestones(job.checkpoints.every, steps)) | {steps}

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:  # noqa: ARG002
        control.should_save = state.global_step in self._save_at
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:  # noqa: ARG002
        if not logs or "loss" not in logs:
            return
        job, done = self._trainer.job, self._trainer.progress
        event = {
            "event": "train",
            "stage": job.stage.name,
            "step": state.global_step,
            "loss": logs["loss"],
            "grad_norm": logs.get("grad_norm"),
            "learning_rate": logs.get("learning_rate"),
            "tokens": done.tokens,
            "padding": round(1 - done.tokens / done.computed, 4) if done.computed else 0.0,
            "seconds": round(done.seconds, 2),
        }
        job.run.append(event)
        speed = done.tokens / done.seconds if done.seconds else 0.0
        job.report(f"{job.stage.name}: step {state.global_step}/{state.max_steps}  loss {logs['loss']:.4f}  {speed:.0f} tokens/s")
