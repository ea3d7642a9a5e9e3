"""How good labels are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import eq
from statistics import fmean, stdev


@dataclass(frozen=True)
class TaskScore:
    """Accuracy and macro-F1 in percent, over `size` items; no F1 where the task has no classes."""

    accuracy: float
    macro_f1: float | None
    size: int

    def value(self, measure: str) -> float:
        """Of `accuracy` or `macro_f1`, which it must have."""
        found = {"accuracy": self.accuracy, "macro_f1": self.macro_f1}[measure]
        assert found is not None, measure
        return found


def task_score(given: Sequence[int], wanted: Sequence[int], classes: int) -> TaskScore:
    """Score labels against the right ones; `classes` is 0 where labels are options, which mean something else in every item.

    Macro-F1 is the mean over all classes of the task of 2 * hits / (given + wanted); a class that neither side has counts 0, as
    scikit-learn's does with `labels=range(classes)`.
    """
    assert len(given) == len(wanted) and given, (len(given), len(wanted))
    if not classes:
        return TaskScore(100 * sum(map(eq, given, wanted)) / len(wanted), None, len(wanted))
    hits = [0] * classes
    for one, other in zip(given, wanted, strict=True):
        hits[other] += one == other
    of_class = [2 * hits[each] / max(1, list(given).count(each) + list(wanted).count(each)) for each in range(classes)]
    return TaskScore(100 * sum(hits) / len(wanted), 100 * fmean(of_class), len(wanted))


def mean_and_spread(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean and the sample standard deviation; None for the spread of one value."""
    return fmean(values), stdev(values) if len(values) > 1 else None
