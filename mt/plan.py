"""Which examples are trained on, in which order, in which step: decided completely before the first step.

A plan depends on the examples' lengths, the stage's settings and the seed, never on the device; so a run can be resumed, estimated,
compared between machines and continued by another number of processes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .config import BudgetConfig, MixtureConfig
from .errors import ConfigError

Indices = npt.NDArray[np.int64]
Rng = np.random.Generator

MOST_PASSES = 1000  # a budget beyond this is a slip of the keyboard, and its plan would fill the memory
WINDOW_STEPS = 50  # sequences of this many steps are sorted by length together, then dealt to steps in random order


@dataclass(frozen=True)
class Stream:
    """One corpus in one direction, as sequences of example indices into the stage's `ExampleSet`."""

    name: str
    sequences: list[Indices]
    weight: float = 1.0
    replay: bool = False


@dataclass(frozen=True)
class Plan:
    """The steps of a stage.

    Attributes:
        steps: for each optimizer step the indices of its examples.
        tokens: (S,) real (non-padding) tokens of each step.
        draws: sequences taken from each stream.
        together: so many neighbours of a step belong to one forward pass (2 for a preference's chosen and rejected side).
    """

    steps: list[Indices]
    tokens: npt.NDArray[np.int64]
    draws: dict[str, int]
    together: int = 1

    @property
    def digest(self) -> str:
        """SHA-256 over every index of every step: equal digests mean the same samples in the same order."""
        digest = hashlib.sha256()
        for step in self.steps:
            digest.update(np.int64(len(step)).tobytes() + step.tobytes())
        return digest.hexdigest()


def block_sequences(indices: Sequence[int], lengths: npt.NDArray[np.int64], block: int, rng: Rng) -> list[Indices]:
    """Group whole documents into blocks of at most `block` tokens, best fit first within windows of shuffled documents."""
    order = rng.permutation(np.asarray(indices, dtype=np.int64))
    blocks: list[Indices] = []
    window = 4096  # keeps neighbours random while leaving best-fit enough choice
    for start in range(0, len(order), window):
        blocks += _best_fit(order[start : start + window], lengths, block)
    return blocks


def _best_fit(order: Indices, lengths: npt.NDArray[np.int64], block: int) -> list[Indices]:
    """Best-fit decreasing with one bucket per remaining capacity: O(n * block) at worst, in practice near O(n)."""
    bins: list[list[int]] = []
    by_room: list[list[int]] = [[] for _ in range(block + 1)]
    for index in sorted(order.tolist(), key=lambda i: -int(lengths[i])):
        need = int(lengths[index])
        room = next((r for r in range(need, block + 1) if by_room[r]), None)
        if room is None:
            bins.append([index])
            by_room[block - need].append(len(bins) - 1)
        else:
            chosen = by_room[room].pop()
            bins[chosen].append(index)
            by_room[room - need].append(chosen)
    return [np.asarray(members, dtype=np.int64) for members in bins]


def make_plan(
    streams: Sequence[Stream],
    lengths: npt.NDArray[np.int64],
    *,
    mixture: MixtureConfig,
    budget: BudgetConfig,
    sequences_per_step: int,
    seed: Sequence[int],
    together: int = 1,
) -> Plan:
    """Draw sequences by the mixture until the budget is met, and deal them to steps of like length.

    Args:
        streams: what can be drawn.
        lengths: (N,) tokens of each example.
        mixture: how streams are weighed.
        budget: where to stop; a token budget ends with the step that reaches it.
        sequences_per_step: pairs or blocks per optimizer step.
        seed: entropy for the order.
        together: as in `Plan`; every sequence is so many examples.

    Raises:
        ConfigError: there is nothing to draw, or the budget is thousands of passes over it.
    """
    streams = [stream for stream in streams if stream.sequences]
    if not streams:
        raise ConfigError("the stage has no usable example", hint="look at the skipped rows above")
    rng = np.random.default_rng(list(seed))
    draw = _draw_in_proportion if mixture.kind == "proportional" and mixture.replay is None else _draw_by_probability
    total = sum(len(stream.sequences) for stream in streams)
    _check_passes(budget, total, sequences_per_step, int(sum(lengths[s].sum() for stream in streams for s in stream.sequences)))
    # A budget in epochs may end with a smaller step, so that one epoch is every sequence exactly once.
    limit = max(1, round(budget.epochs * total)) if budget.epochs is not None else None
    pool = draw(streams, mixture, rng)
    steps: list[Indices] = []
    tokens: list[int] = []
    draws = dict.fromkeys((stream.name for stream in streams), 0)
    left = float(limit if limit is not None else budget.tokens or budget.steps or 0)  # of sequences, tokens or steps
    while left > 0:
        wanted = sequences_per_step * WINDOW_STEPS
        window = [next(pool) for _ in range(min(wanted, int(left)) if limit is not None else wanted)]
        for step in _deal(window, streams, lengths, sequences_per_step, rng):
            if left <= 0:
                break
            for stream, _ in step:
                draws[streams[stream].name] += 1
            members = np.concatenate([streams[stream].sequences[position] for stream, position in step])
            steps.append(members)
            tokens.append(int(lengths[members].sum()))
            left -= len(step) if limit is not None else tokens[-1] if budget.tokens is not None else 1
    return Plan(steps, np.asarray(tokens, dtype=np.int64), draws, together)


def _check_passes(budget: BudgetConfig, sequences: int, sequences_per_step: int, tokens: int) -> None:
    passes = budget.epochs or (budget.steps or 0) * sequences_per_step / sequences or (budget.tokens or 0) / tokens
    if passes > MOST_PASSES:
        raise ConfigError(
            f"the budget is {passes:,.0f} passes over {tokens:,} tokens of data", where="budget", allowed=f"at most {MOST_PASSES:,} passes"
        )


Draw = tuple[int, int]  # (stream, position of the sequence in it)
Drawing = Callable[[Sequence[Stream], MixtureConfig, Rng], Iterator[Draw]]


def _draw_in_proportion(streams: Sequence[Stream], mixture: MixtureConfig, rng: Rng) -> Iterator[Draw]:  # noqa: ARG001
    every = [(number, position) for number, stream in enumerate(streams) for position in range(len(stream.sequences))]
    while True:
        yield from (every[i] for i in rng.permutation(len(every)))


def _draw_by_probability(streams: Sequence[Stream], mixture: MixtureConfig, rng: Rng) -> Iterator[Draw]:
    probabilities = stream_probabilities(streams, mixture)
    cycles = [_cycle(len(stream.sequences), np.random.default_rng(rng.integers(2**63))) for stream in streams]
    while True:
        for number in rng.choice(len(streams), size=1024, p=probabilities).tolist():
            yield number, next(cycles[number])


def _cycle(size: int, rng: Rng) -> Iterator[int]:
    while True:
        yield from rng.permutation(size).tolist()


def stream_probabilities(streams: Sequence[Stream], mixture: MixtureConfig) -> npt.NDArray[np.float64]:
    """(K,) probability with which each stream is drawn; replay streams together get `mixture.replay` when it is set."""
    sizes = np.array([len(stream.sequences) for stream in streams], dtype=np.float64)
    weights = np.array([stream.weight for stream in streams], dtype=np.float64)
    if mixture.kind == "probabilities":
        mass = weights
    elif mixture.kind == "temperature":
        mass = (weights * sizes) ** (1.0 / mixture.temperature)
    else:
        mass = sizes
    if mixture.replay is not None:
        replayed = np.array([stream.replay for stream in streams])
        if replayed.any() and not replayed.all():
            mass = np.where(replayed, mixture.replay * mass / mass[replayed].sum(), (1 - mixture.replay) * mass / mass[~replayed].sum())
    probabilities: npt.NDArray[np.float64] = mass / mass.sum()
    return probabilities


def _deal(window: list[Draw], streams: Sequence[Stream], lengths: npt.NDArray[np.int64], size: int, rng: Rng) -> Iterator[list[Draw]]:
    """Sort a window by length and cut it into steps, which come in random order: little padding, and still a random walk."""
    widths = [int(lengths[streams[stream].sequences[position]].max()) for stream, position in window]
    ordered = [window[i] for i in np.argsort(np.asarray(widths), kind="stable")]
    steps = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    for i in rng.permutation(len(steps)):
        yield steps[i]
