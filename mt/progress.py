"""What a person sees while a stage trains, and what metrics.jsonl and TensorBoard keep of it."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from transformers import TrainerCallback

from .preference_loss import MEANS
from .runs import RunFolder

if TYPE_CHECKING:
    from .training import StageTrainer


class MetricsWriter(TrainerCallback):
    """One `train` event per logging interval: loss, rate, real tokens, tokens/s of the interval, padding share, ETA."""

    def __init__(self, run: RunFolder, stage: str, total_tokens: int, console: Console) -> None:
        self.run, self.stage, self.total_tokens = run, stage, total_tokens
        self.trainer: StageTrainer | None = None
        self.bar = _ProgressLine(console, stage, total_tokens)
        self._before = (0, 0.0)
        self._tensorboard = _tensorboard_writer(run, stage)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Start counting from where a resumed run stands."""
        assert self.trainer is not None
        self._before = (self.trainer.progress.tokens, self.trainer.progress.seconds)
        self.bar.start()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:  # noqa: ARG002
        """Write a training log line; evaluation results have events of their own."""
        assert self.trainer is not None
        if not logs or "loss" not in logs:
            return
        done = self.trainer.progress
        tokens, seconds = done.tokens - self._before[0], done.seconds - self._before[1]
        self._before = (done.tokens, done.seconds)
        speed = tokens / seconds if seconds > 0 else math.nan
        event = {
            "event": "train",
            "stage": self.stage,
            "step": state.global_step,
            "loss": logs["loss"],
            "grad_norm": logs.get("grad_norm"),
            "learning_rate": logs.get("learning_rate"),
            "tokens": done.tokens,
            "tokens_per_second": round(speed, 1),
            "padding": round(1 - done.tokens / done.computed, 4) if done.computed else 0.0,
            "seconds": round(done.seconds, 2),
            **self.trainer.preferred.report(),
        }
        self.run.append(event)
        self.bar.update(state, event)
        if self._tensorboard:
            for name in ("loss", "grad_norm", "learning_rate", "tokens_per_second", *MEANS):
                if event.get(name) is not None:
                    self._tensorboard.add_scalar(f"{self.stage}/{name}", event[name], state.global_step)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **_: Any) -> None:  # noqa: ARG002
        """Show and chart the dev scores."""
        named = {key.removeprefix("eval_"): value for key, value in (metrics or {}).items() if key.startswith("eval_")}
        shown = "  ".join(f"{name} {value:.2f}" for name, value in named.items())
        self.bar.say(f"[bold]{self.stage}[/] step {state.global_step}/{state.max_steps}  dev: {shown}")
        if self._tensorboard:
            for name, value in named.items():
                self._tensorboard.add_scalar(f"{self.stage}/dev {name}", value, state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Close the bar and the chart file."""
        self.close()

    def close(self) -> None:
        """Stop drawing; safe to call twice."""
        self.bar.stop()
        if self._tensorboard:
            self._tensorboard.close()


def _tensorboard_writer(run: RunFolder, stage: str) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(run.path / "tensorboard" / stage))


class _ProgressLine:
    """A live bar on a terminal; elsewhere a plain line now and then."""

    QUIET_SECONDS = 15.0

    def __init__(self, console: Console, stage: str, total_tokens: int) -> None:
        self.console, self.stage, self.total_tokens = console, stage, total_tokens
        self._last_line = 0.0
        self._bar: Progress | None = None
        self._task: Any = None

    def start(self) -> None:
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("[bold]{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[text]}"),
                TimeElapsedColumn(),
                console=self.console,
            )
            self._task = self._bar.add_task(self.stage, total=self.total_tokens, text="")
            self._bar.start()

    def update(self, state: Any, event: dict[str, Any]) -> None:
        speed = event["tokens_per_second"]
        left = (self.total_tokens - event["tokens"]) / speed if speed and speed == speed else math.nan
        eta = f"{int(left // 60)}:{int(left % 60):02d}" if left == left else "?"
        means = "".join(f"  {name} {event[name]:.2f}" for name in MEANS if name in event)
        text = (
            f"step {state.global_step}/{state.max_steps}  loss {event['loss']:.3f}{means}  {speed:.0f} tokens/s"
            f"  padding {100 * event['padding']:.1f}%  ETA {eta}"
        )
        if self._bar:
            self._bar.update(self._task, completed=event["tokens"], text=text)
        elif time.monotonic() - self._last_line >= self.QUIET_SECONDS or state.global_step == state.max_steps:
            self._last_line = time.monotonic()
            self.console.print(f"{self.stage}: {text}")

    def say(self, line: str) -> None:
        self.console.print(line)

    def stop(self) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None
