"""Looking before leaping: what will be trained, what is masked, how long it takes and how much memory, before the first step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .batches import MicroBatch, StepDataset
from .config import PreferenceConfig
from .cost import Ceiling, CostModel, cost_model, real_work, spoken
from .examples import Example, end_of_text
from .losses import target_loss
from .memory import largest_batch, step_memory
from .precision import mixed_precision
from .preference_loss import StepSize, preference_loss
from .stage_data import StageData

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Loss = Callable[[torch.nn.Module, MicroBatch], torch.Tensor]


@dataclass(frozen=True)
class StageSummary:
    """A stage in numbers.

    Attributes:
        steps, tokens, target_tokens: of the whole plan.
        padding: share of computed tokens that is padding.
        lengths: median, 95th percentile and longest example, tokens.
        eos_trained: share of examples whose last trained token is EOS (below 1 only for split documents).
    """

    name: str
    steps: int
    tokens: int
    target_tokens: int
    padding: float
    lengths: tuple[int, int, int]
    eos_trained: float


def summarise(name: str, data: StageData, dataset: StepDataset, tokenizer: PreTrainedTokenizerBase) -> StageSummary:
    """The numbers of one stage."""
    lengths = data.examples.lengths()
    end = end_of_text(tokenizer)
    quantiles = (int(np.percentile(lengths, 50)), int(np.percentile(lengths, 95)), int(lengths.max()))
    return StageSummary(
        name,
        len(data.plan.steps),
        int(data.plan.tokens.sum()),
        data.target_tokens,
        dataset.padding_share(),
        quantiles,
        float(np.mean(data.examples.last_tokens() == end)),
    )


def show_stage(console: Console, summary: StageSummary, data: StageData) -> None:
    """Print the summary, the streams, what was skipped and where."""
    console.rule(f"[bold]stage {summary.name}[/]")
    if data.told:
        console.print(Text(data.told, style="dim"))
    table = Table("corpus", "examples", "sequences drawn", box=None, pad_edge=False)
    for label, count in data.streams.items():
        table.add_row(Text(label), f"{count:,}", f"{data.plan.draws.get(label, 0):,}")
    console.print(table)
    for label, tallies in data.tallies.items():
        for tally in tallies:
            for line in tally.lines():
                console.print(Text(f"  {label}, {line}", style="" if tally.skipped.total() == 0 else "yellow"))
    for language, fertility in data.fertility.items():
        note = "; the tokenizer spells it nearly letter by letter: consider new vocabulary" if fertility.is_high else ""
        console.print(Text(f"  {language}: {fertility}{note}", style="yellow" if note else ""))
    median, late, longest = summary.lengths
    console.print(
        f"{summary.steps:,} steps, {summary.tokens:,} tokens ({summary.target_tokens / max(1, summary.tokens):.0%} in the loss), "
        f"padding {summary.padding:.1%}, example length median {median}, 95% {late}, longest {longest} tokens; "
        f"EOS trained in {summary.eos_trained:.1%} of the examples"
    )


def show_first(console: Console, data: StageData, tokenizer: PreTrainedTokenizerBase) -> None:
    """The first example of the first step; of a preference both sides."""
    titles = ["first example"] if data.plan.together == 1 else ["first preference, chosen", "the same, rejected"]
    for title, index in zip(titles, data.plan.steps[0].tolist(), strict=False):
        show_example(console, data.examples[index], tokenizer, title)


def show_example(console: Console, example: Example, tokenizer: PreTrainedTokenizerBase, title: str) -> None:
    """One example as the model sees it: context dim, trained tokens green, token borders as a thin bar."""
    pieces = [str(tokenizer.decode([i])) for i in example.ids]
    shown = Text()
    for position, piece in enumerate(pieces):
        trained = position >= example.target_start
        shown.append(piece.replace("\n", "⏎\n"), style="bold green" if trained else "dim")
        if trained:
            shown.append("|", style="dim")
    console.print(Text(f"{title} ({example.origin}); dim: context only, green: trained", style="italic"))
    console.print(shown)


@dataclass(frozen=True)
class Estimate:
    """What a stage will take, measured on one of its steps.

    Attributes:
        memory: bytes, added up.
        tokens_per_second: real tokens.
        operations: needed for a real token, on average over the step.
        cost: where they come from.
    """

    memory: int
    tokens_per_second: float
    operations: float
    cost: CostModel

    def lines(self, ceiling: Ceiling) -> list[str]:
        """Operations, bytes and the share of the device's ceiling, for people."""
        reached = self.operations * self.tokens_per_second
        return [
            f"cost: {spoken(self.operations)} a token; {self.cost.moved(1) / 1e9:.2f} GB of weights moved by a step of one pass",
            f"device: a matrix product reaches {spoken(ceiling.per_second)}/s, training {spoken(reached)}/s "
            f"({ceiling.share(reached, 1.0):.0%} of it, MFU)",
        ]


def estimate(
    model: torch.nn.Module,
    dataset: StepDataset,
    preference: PreferenceConfig | None = None,
    *,
    mixed: bool = False,
    recompute: bool = False,
) -> Estimate:
    """Time one forward and backward pass on a typical step (after a warm-up) and add up weights, gradients, optimizer and activations.

    Neither weights, gradients nor the random state are different afterwards.

    Args:
        model: as it will be trained.
        dataset: the stage's steps.
        preference: the stage's, where it has one.
        mixed: products in bfloat16, see `DeviceChoice.mixed`.
        recompute: activations are computed again, as `memory.set_recompute` made the model do.
    """
    random_state = torch.random.get_rng_state()
    order = np.argsort(dataset.plan.tokens)
    batches = dataset[int(order[len(order) // 2])]
    model.train()
    try:
        loss = partial(preference_loss, settings=preference, step=StepSize.of(batches)) if preference else target_loss
        _pass(model, loss, batches[:1], mixed=mixed)
        started = time.perf_counter()
        _pass(model, loss, batches, mixed=mixed)
        seconds = time.perf_counter() - started
    finally:
        model.zero_grad(set_to_none=True)
        torch.random.set_rng_state(random_state)
    cost, work = cost_model(model, recompute=recompute), real_work(batches)
    weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    memory = weights + step_memory(model, largest_batch(dataset), mixed=mixed).total(recompute=recompute)
    return Estimate(memory, work.tokens / seconds, cost.needed(work) / work.tokens, cost)


def _pass(model: torch.nn.Module, loss: Loss, batches: Sequence[MicroBatch], *, mixed: bool) -> None:
    for batch in batches:
        with mixed_precision(model, enabled=mixed, longest=batch.input_ids.shape[1]):
            loss(model, batch).backward()
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def show_estimate(console: Console, guess: Estimate, summary: StageSummary, ceiling: Ceiling, processes: int) -> None:
    """Print what a stage will take; `processes` share its tokens."""
    console.print(
        f"estimate: {guess.memory / 1e9:.1f} GB, {guess.tokens_per_second:.0f} tokens/s, "
        f"{summary.tokens / guess.tokens_per_second / processes / 60:.1f} minutes for stage {summary.name}"
    )
    for line in guess.lines(ceiling):
        console.print(line)
