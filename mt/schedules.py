"""Learning-rate schedules as functions of the step, each returning a multiple of the peak."""

from __future__ import annotations

import math
from collections.abc import Callable

from .config import ScheduleConfig

Shape = Callable[[int, int, int, int], float]  # (step, warm-up steps, anneal steps, all steps) -> multiple of the peak


def _constant(step: int, warmup: int, anneal: int, total: int) -> float:  # noqa: ARG001
    return 1.0


def _linear(step: int, warmup: int, anneal: int, total: int) -> float:  # noqa: ARG001
    return (total - step) / max(1, total - warmup)


def _cosine(step: int, warmup: int, anneal: int, total: int) -> float:  # noqa: ARG001
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def _inverse_sqrt(step: int, warmup: int, anneal: int, total: int) -> float:  # noqa: ARG001
    return math.sqrt(max(1, warmup) / max(1, warmup, step))


def _infinite(step: int, warmup: int, anneal: int, total: int) -> float:  # noqa: ARG001
    return min(1.0, (total - step) / max(1, anneal))


SHAPES: dict[str, Shape] = {
    "constant": _constant,
    "linear": _linear,
    "cosine": _cosine,
    "inverse-sqrt": _inverse_sqrt,
    "infinite": _infinite,
}


def multiplier(schedule: ScheduleConfig, total: int) -> Callable[[int], float]:
    """For a stage of `total` steps, the function step (from 0) -> multiple of the peak rate; linear warm-up first."""
    warmup = math.ceil(schedule.warmup * total)
    anneal = math.ceil(schedule.anneal * total)
    shape = SHAPES[schedule.kind]

    def at(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return max(0.0, shape(step, warmup, anneal, total))

    return at
