"""One stage of training: transformers' Trainer with our steps, our loss, our checkpoints."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate.utils import DistributedType
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Sampler
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments

from ..eval.corpus_metrics import find_metric
from .batches import MicroBatch, StepDataset
from .checkpoints import complete_steps, prune, publish, step_folder
from .config import CheckpointConfig, OptimizerConfig, ScheduleConfig, StageConfig
from .corpora.records import Origin
from .cost import cost_model, real_work
from .errors import RunError
from .files import named_errors
from .losses import target_loss
from .precision import mixed_precision
from .preference_loss import Preferred, StepSize, preference_loss
from .processes import Processes
from .runs import RunFolder
from .schedules import multiplier

Evaluate = Callable[[int], dict[str, float]]  # step -> metric name -> value; writes its own events


@dataclass
class StageJob:
    """Everything one stage needs: settings, data in order, where to write, how to evaluate."""

    stage: StageConfig
    dataset: StepDataset
    run: RunFolder
    seed: int
    facts: dict[str, Any]  # what a checkpoint depends on; kept in its manifest
    checkpoints: CheckpointConfig
    evaluate: Evaluate | None = None
    metric: str = "chrF++"
    patience: int | None = None
    evaluate_first: bool = False
    callbacks: list[TrainerCallback] = field(default_factory=list)
    processes: Processes = field(default_factory=Processes)
    recompute: bool = False  # whether the model computes activations again (see `settle`), for the cost model

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole stage."""
        return len(self.dataset)

    @property
    def folder(self) -> Path:
        """Where the stage's checkpoints go."""
        return self.run.checkpoints(self.stage.name)


@dataclass
class Progress:
    """Running totals, kept in the checkpoint so that a resumed run reports like an unbroken one."""

    tokens: int = 0
    computed: int = 0
    seconds: float = 0.0
    operations: int = 0  # those the real tokens need, see `cost.CostModel.needed`


def optimizer_for(device: torch.device) -> str:
    """Trainer's name for AdamW: one kernel for all of its arithmetic where torch has one."""
    return "adamw_torch_fused" if device.type in ("cpu", "cuda") else "adamw_torch"


class _Scheduled(Protocol):
    """A stage, of this or another trainer."""

    @property
    def name(self) -> str:
        """As in `StageConfig`."""

    @property
    def schedule(self) -> ScheduleConfig:
        """As in `StageConfig`."""

    @property
    def optimizer(self) -> OptimizerConfig:
        """As in `StageConfig`."""


def common_arguments(stage: _Scheduled, folder: Path, steps: int, seed: int, device: torch.device, *, mixed: bool) -> dict[str, Any]:
    """What every trainer here tells transformers' Trainer: a dataset item is a step, milestones decide when to save, nobody else reports.

    Args:
        stage: its schedule and optimizer.
        folder: of its checkpoints.
        steps: of the stage.
        seed: of the stage.
        device: where the model is.
        mixed: products in bfloat16, see `DeviceChoice.mixed`.
    """
    on_cpu, optimizer = device.type == "cpu", stage.optimizer
    return {
        "output_dir": str(folder),
        "max_steps": steps,
        "per_device_train_batch_size": 1,
        "learning_rate": stage.schedule.peak,
        "weight_decay": optimizer.weight_decay,
        "adam_beta1": optimizer.betas[0],
        "adam_beta2": optimizer.betas[1],
        "adam_epsilon": optimizer.epsilon,
        "max_grad_norm": optimizer.clip,
        "optim": optimizer_for(device),
        "bf16": mixed and not on_cpu,  # on a CPU it would also wrap the forward passes of evaluation
        "use_cpu": on_cpu,
        "logging_steps": max(1, steps // 50),
        "logging_nan_inf_filter": False,
        "save_steps": 10**9,  # milestones decide
        "seed": seed,
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "report_to": [],
    }


def milestones(every: float | int | None, steps: int) -> list[int]:
    """The steps at which something happens: each `every` steps (or share of the stage when below 1), and the last."""
    if every is None:
        return [steps]
    width = max(1, round(steps * every) if 0 < every < 1 else int(every))
    return sorted({*range(width, steps + 1, width), steps} - set(range(steps - width // 2, steps)))


def non_finite_loss(loss: float, step: int, stage: _Scheduled, run: RunFolder, origins: Sequence[Origin]) -> RunError:
    """The error for a loss that is no number: the step, the rows of its batch, a rate to try."""
    places = ", ".join(map(str, origins[:5])) + (f" and {len(origins) - 5} more" if len(origins) > 5 else "")
    lower = f"stages.{stage.name}.schedule.peak={stage.schedule.peak / 2:g}"
    return RunError(
        f"the loss is {loss} at step {step} of stage {stage.name}; its batch holds {places}",
        where=run.path,
        hint=f"look at those rows, or a lower rate: {lower} with --resume --accept-changes",
    )


class _StepOrder(Sampler[list[int]]):
    """Steps 0, 1, 2, ... as batches of one, so that accelerate can skip the ones a resumed run has done."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        return iter([step] for step in range(self.steps))


class StageTrainer(Trainer):
    """Trains one `StageJob`. A dataset item is a whole optimizer step (a list of micro-batches)."""

    control: Any

    def __init__(self, model: torch.nn.Module, job: StageJob, *, mixed: bool) -> None:
        self.job, self._mixed = job, mixed
        self.progress = Progress()
        self.preferred = Preferred()
        stage = job.stage
        self.cost = cost_model(model, recompute=job.recompute)
        arguments = TrainingArguments(
            **common_arguments(stage, job.folder, job.steps, job.seed, next(model.parameters()).device, mixed=mixed),
            ddp_find_unused_parameters=False,
            eval_strategy="steps" if job.evaluate else "no",
            eval_steps=10**9,
            eval_on_start=job.evaluate is not None and job.evaluate_first,
            metric_for_best_model=job.metric if job.evaluate else None,
            greater_is_better=find_metric(job.metric).higher_is_better,
        )
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=job.dataset,
            eval_dataset=job.dataset if job.evaluate else None,
            callbacks=job.callbacks,
        )
        self.pop_callback(type(_printer(self)))
        self.add_callback(_Milestones(job))
        if job.patience and job.evaluate:
            self.add_callback(EarlyStoppingCallback(early_stopping_patience=job.patience))

    # ---- data: the plan's steps, in order ----

    def get_train_dataloader(self) -> DataLoader[list[MicroBatch]]:
        """Steps of the plan; each process takes its share inside `StepDataset`, so accelerate must not shard again."""
        return DataLoader(self.job.dataset, batch_sampler=_StepOrder(self.job.steps), collate_fn=_only)

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LambdaLR:
        """The recipe's schedule, over the steps of the plan."""
        shape = multiplier(self.job.stage.schedule, num_training_steps)
        self.lr_scheduler = LambdaLR(optimizer or self.optimizer, shape)
        self._created_lr_scheduler = True
        return self.lr_scheduler

    # ---- one step ----

    def training_step(self, model: torch.nn.Module, inputs: list[MicroBatch], num_items_in_batch: Any = None) -> torch.Tensor:  # noqa: ARG002
        """Gradients of the mean loss over all target tokens of the step, whatever micro-batches or processes they are spread over.

        Returns:
            The step's loss (nats per target token) times nothing: averaging it over processes gives the global mean.
        """
        model.train()
        started = time.perf_counter()
        world = self.args.world_size
        totals = self._totals(inputs)
        share = self._share_of(inputs, world / totals[0])  # DDP averages gradients over processes; times `world` makes that a sum
        total = torch.zeros((), device=self.args.device)
        for number, batch in enumerate(inputs):
            precision = mixed_precision(model, enabled=self._mixed, longest=batch.input_ids.shape[1])
            with self._sync_only(model, last=number == len(inputs) - 1), self.compute_loss_context_manager(), precision:
                loss = share(model, batch)
                self._refuse_non_finite(loss, batch)
                self._backward(loss)
            total += loss.detach()
        self.progress.tokens += totals[1]
        self.progress.computed += totals[2]
        self.progress.operations += totals[3]
        self.progress.seconds += time.perf_counter() - started
        return total

    def _share_of(self, inputs: list[MicroBatch], scale: float) -> Callable[[torch.nn.Module, MicroBatch], torch.Tensor]:
        """What a micro-batch adds to the step's loss."""
        settings = self.job.stage.preference
        if settings is None:
            return lambda model, batch: target_loss(model, batch) * scale
        return partial(preference_loss, settings=settings, step=StepSize.of(inputs), seen=self.preferred)

    def _totals(self, inputs: list[MicroBatch]) -> list[int]:
        """Targets, real tokens, computed tokens and needed operations of the step, over all processes."""
        work = real_work(inputs)
        counts = [work.positions, work.tokens, sum(batch.padded_tokens for batch in inputs), self.cost.needed(work)]
        if self.args.world_size == 1:
            return counts
        counted = torch.tensor(counts, dtype=torch.int64, device=self.args.device)
        return [int(count) for count in self.accelerator.reduce(counted, "sum").tolist()]

    def _sync_only(self, model: torch.nn.Module, *, last: bool) -> Any:
        return contextlib.nullcontext() if last else self.accelerator.no_sync(model)

    def _backward(self, loss: torch.Tensor) -> None:
        if self.accelerator.distributed_type == DistributedType.DEEPSPEED:
            self.accelerator.backward(loss, scale_wrt_gas=False)
        else:
            self.accelerator.backward(loss)

    def _refuse_non_finite(self, loss: torch.Tensor, batch: MicroBatch) -> None:
        if not torch.isfinite(loss):
            origins = list(dict.fromkeys(self.job.dataset.examples.origin(index) for index in batch.members))
            raise non_finite_loss(loss.item(), self.state.global_step + 1, self.job.stage, self.job.run, origins)

    def floating_point_ops(self, inputs: Any) -> int:  # noqa: ARG002
        """Not counted here: Trainer's estimate would count padding."""
        return 0

    # ---- evaluation and checkpoints ----

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Translate the dev set and score it; transformers' own evaluation loss is not used for any decision."""
        assert self.job.evaluate is not None
        processes = self.job.processes
        scores = processes.from_main(self.job.evaluate(self.state.global_step) if processes.is_main else None)
        metrics = {f"eval_{name}": value for name, value in scores.items()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _get_output_dir(self, trial: Any) -> str:  # noqa: ARG002
        return str(self._staging)

    @property
    def _staging(self) -> Path:
        return self.job.folder / ".writing-0"

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Trainer's checkpoint, written aside by all processes; then the first one hashes it, renames it and prunes older ones."""
        processes = self.job.processes
        if processes.is_main:
            shutil.rmtree(self._staging, ignore_errors=True)
        processes.wait()
        try:
            with named_errors(step_folder(self.job.folder, self.state.global_step)):
                super()._save_checkpoint(model, trial)
            processes.wait()
            if processes.is_main:
                self._publish(self.state.global_step)
        finally:
            if processes.is_main:
                shutil.rmtree(self._staging, ignore_errors=True)
        processes.wait()

    def _publish(self, step: int) -> None:
        """A whole checkpoint into its place."""
        final, written = step_folder(self.job.folder, step), self._staging / f"checkpoint-{step}"
        publish(written, final, {**self.job.facts, "step": step, "steps": self.job.steps, "progress": vars(self.progress)})
        prune(self.job.folder, keep=self.job.checkpoints.keep, protect=self.state.best_global_step)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Weights only, as safetensors (Trainer would add a pickle of its arguments)."""
        assert output_dir is not None
        model = self.accelerator.unwrap_model(self.model)
        # An adapter holds the embeddings that move; peft would look for the base to see whether others grew.
        adapter = {"save_embedding_layers": False} if hasattr(model, "peft_config") else {}
        model.save_pretrained(output_dir, state_dict=state_dict, **adapter)

    def chosen_step(self) -> int:
        """The step whose weights the stage ends with: the best one by the dev metric, or the last."""
        last = complete_steps(self.job.folder)[-1]
        if not self.job.stage.keep_best or self.job.evaluate is None:
            return last
        return self.state.best_global_step or last


def _only(items: list[list[MicroBatch]]) -> list[MicroBatch]:
    return items[0]


def _printer(trainer: Trainer) -> TrainerCallback:
    """Trainer's own printing callback, which ours replaces."""
    return next(
        callback for callback in trainer.callback_handler.callbacks if type(callback).__name__ in ("PrinterCallback", "ProgressCallback")
    )


class _Milestones(TrainerCallback):
    """Evaluates and saves at the stage's milestones, and only there."""

    def __init__(self, job: StageJob) -> None:
        evaluate = milestones(job.stage.evaluate_every, job.steps)
        every = job.checkpoints.every
        # Every evaluated step is saved too: the best one must exist as a checkpoint.
        self.evaluate_at = set(evaluate) if job.evaluate else set()
        self.save_at = self.evaluate_at | set(milestones(every, job.steps) if every is not None else evaluate)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:  # noqa: ARG002
        control.should_evaluate = state.global_step in self.evaluate_at
        control.should_save = state.global_step in self.save_at
        return control
