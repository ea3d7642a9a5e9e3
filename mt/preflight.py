"""Looking before leaping: what will be trained, what is masked, how long it takes and how much memory, before the first step."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .batches import StepDataset
from .config import PreferenceConfig
from .cost import Ceiling, CostModel, cost_model, real_work, spoken
from .examples import Example, end_of_text
from .losses import CHUNK_BYTES, target_loss
from .preference_loss import StepSize, preference_loss
from .stage_data import StageData

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


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


def estimate(model: torch.nn.Module, dataset: StepDataset, preference: PreferenceConfig | None = None) -> Estimate:
    """Time one forward and backward pass on a typical step (after a warm-up) and add up weights, gradients, optimizer and activations.

    Neither weights, gradients nor the random state are different afterwards. `preference` is the stage's, where it has one.
    """
    random_state = torch.random.get_rng_state()
    order = np.argsort(dataset.plan.tokens)
    batches = dataset[int(order[len(order) // 2])]
    largest = max(dataset[int(order[-1])], key=lambda batch: batch.padded_tokens)
    model.train()
    try:
        loss = partial(preference_loss, settings=preference, step=StepSize.of(batches)) if preference else target_loss
        loss(model, batches[0]).backward()
        _wait()
        started = time.perf_counter()
        for batch in batches:
            loss(model, batch).backward()
        _wait()
        seconds = time.perf_counter() - started
    finally:
        model.zero_grad(set_to_none=True)
        torch.random.set_rng_state(random_state)
    cost, work = cost_model(model), real_work(batches)
    memory = _memory(model, largest.padded_tokens, largest.targets)
    return Estimate(memory, work.tokens / seconds, cost.needed(work) / work.tokens, cost)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _memory(model: torch.nn.Module, tokens: int, head_positions: int) -> int:
    """Bytes: weights as they are; gradient and two Adam moments in float32 per trained weight; activations about 18 vectors of width d
    a layer and token (attention and MLP of a Llama block); logits and their gradient for one chunk of the head's positions."""
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    config = getattr(model, "config", None)
    width, layers = getattr(config, "hidden_size", 0), getattr(config, "num_hidden_layers", 0)
    size = next(model.parameters()).element_size()
    activations = tokens * layers * width * 18 * max(2, size)
    rows = getattr(config, "vocab_size", 0) * 4
    logits = min(head_positions * rows, CHUNK_BYTES[next(model.parameters()).device.type]) * 3 if rows else 0
    return int(weights + trained * 12 + activations + logits)
