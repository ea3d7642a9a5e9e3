"""Paired significance over any number of systems: the bootstrap (Koehn 2004) and approximate randomisation (Riezler & Maxwell 2005).

Both work on sums of sufficient statistics. One matrix of draws (or of swaps) times the statistics of all systems side by side gives the
sums of every resample of every system at once, and every pair of systems sees the same draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal

import numpy as np

from ..mt.errors import ConfigError
from .bootstrap import Array, interval, resampled_sums
from .metrics import check_bootstrap
from .records import Comparison

TestMethod = Literal["bootstrap", "randomisation"]

_BLOCK = 4_000_000  # swaps held in memory at once
_TIE = 1e-9  # differences nearer than rounding are ties, and a tie speaks for chance
_SHOWN = {"bootstrap": "paired bootstrap", "randomisation": "approximate randomisation"}


@dataclass(frozen=True)
class PairedMetric:
    """One metric over all systems.

    Attributes:
        name: the metric's.
        from_sums: (n, k) sums of statistics -> (n,) scores.
        tables: one (segments, k) array of statistics a system, all over the same segments.
    """

    name: str
    from_sums: Callable[[Array], Array]
    tables: tuple[Array, ...]


@dataclass(frozen=True)
class TestSettings:
    """How systems are tested.

    Attributes:
        method: what gives the p-values; intervals are always the bootstrap's.
        samples: resamples of the bootstrap.
        trials: shuffles of the randomisation.
        seed: of both.
        confidence: of the intervals.
    """

    __test__ = False  # pytest would take the name for a test class

    method: TestMethod = "randomisation"
    samples: int = 1000
    trials: int = 10_000
    seed: int = 12345
    confidence: float = 0.95

    def check(self) -> None:
        """Refuse settings that mean nothing.

        Raises:
            ConfigError: an unknown method, no samples, no trials, a confidence that is not a share.
        """
        check_bootstrap(self.samples, self.confidence)
        if self.method not in _SHOWN:
            raise ConfigError(f"unknown test {self.method!r}", allowed=" or ".join(_SHOWN))
        if self.trials < 1:
            raise ConfigError(f"{self.trials} trials test nothing", allowed="1 or more; 10000 is usual")


def segment_mean(name: str, scores: Sequence[Sequence[float]]) -> PairedMetric:
    """A metric that is the mean of its segment scores (COMET), from one sequence of them a system."""
    tables = tuple(np.column_stack([np.asarray(one, dtype=np.float64), np.ones(len(one))]) for one in scores)
    return PairedMetric(name, lambda sums: sums[:, 0] / sums[:, 1], tables)


def system_pairs(systems: int, *, all_pairs: bool = False) -> list[tuple[int, int]]:
    """Which systems are compared, as (system, what it is compared with): each with the first one, or each with each."""
    if all_pairs:
        return [(second, first) for first, second in combinations(range(systems), 2)]
    return [(system, 0) for system in range(1, systems)]


def resampled_scores(metrics: Sequence[PairedMetric], samples: int, seed: int) -> list[Array]:
    """Scores of every bootstrap resample: one (systems, samples) array a metric, all over the same draws."""
    if not metrics:
        return []
    sums = resampled_sums([_stacked(metrics)], samples, seed)[0]
    return [np.stack([metric.from_sums(part) for part in parts]) for metric, parts in zip(metrics, _unstacked(sums, metrics), strict=True)]


def compare(
    metrics: Sequence[PairedMetric],
    names: Sequence[str],
    pairs: Sequence[tuple[int, int]],
    settings: TestSettings,
    *,
    resampled: Sequence[Array] | None = None,
) -> tuple[Comparison, ...]:
    """Every pair on every metric.

    The randomisation's p-value is two-sided: the share of shuffles with a difference at least as large as the real one, the real one
    counted in (Morgan 2006). The bootstrap's is that of Moses and of sacrebleu: the share of resamples whose absolute difference exceeds
    the mean of all absolute differences by the real difference, likewise with one added. For differences well away from 0 that is a
    one-sided test, about half of the randomisation's p. Ties count for chance, so a system compared with itself has p = 1.

    Args:
        metrics: over all systems.
        names: the systems'.
        pairs: positions of the systems compared, see `system_pairs`.
        settings: test, samples, trials, seed.
        resampled: what `resampled_scores` gave for the same samples and seed, if it is at hand.

    Raises:
        ConfigError: settings that mean nothing.
    """
    settings.check()
    if not metrics or not pairs:
        return ()
    if resampled is None:
        resampled = resampled_scores(metrics, settings.samples, settings.seed)
    if settings.method == "bootstrap":
        p_values = [[_bootstrap_p(metric, scores, pair) for pair in pairs] for metric, scores in zip(metrics, resampled, strict=True)]
    else:
        p_values = _randomisation_p(metrics, pairs, settings)
    found = []
    for metric, scores, row in zip(metrics, resampled, p_values, strict=True):
        for (first, second), p_value in zip(pairs, row, strict=True):
            low, high = interval(scores[first] - scores[second], settings.confidence)
            difference = _difference(metric, first, second)
            found.append(Comparison(metric.name, names[first], names[second], difference, low, high, p_value, _SHOWN[settings.method]))
    return tuple(found)


def _difference(metric: PairedMetric, first: int, second: int) -> float:
    values = [metric.from_sums(metric.tables[each].sum(axis=0, keepdims=True))[0] for each in (first, second)]
    return float(values[0] - values[1])


def _p_value(statistics: Array, real: float) -> float:
    """With one added above and below, so that no test of n draws claims a p-value of 0."""
    return float((np.count_nonzero(statistics >= real - _TIE) + 1) / (len(statistics) + 1))


def _bootstrap_p(metric: PairedMetric, scores: Array, pair: tuple[int, int]) -> float:
    first, second = pair
    differences = np.abs(scores[first] - scores[second])
    return _p_value(differences - differences.mean(), abs(_difference(metric, first, second)))


def _randomisation_p(metrics: Sequence[PairedMetric], pairs: Sequence[tuple[int, int]], settings: TestSettings) -> list[list[float]]:
    stacked = _stacked(metrics)
    swapped = _unstacked(_swapped_sums(stacked, settings.trials, settings.seed), metrics)
    totals = _unstacked(stacked.sum(axis=0, keepdims=True), metrics)
    found = []
    for metric, sums, total in zip(metrics, swapped, totals, strict=True):
        row = []
        for first, second in pairs:
            # A shuffled system has one system's segments where the draw says so and the other's elsewhere; its twin has the rest.
            moved = sums[first] - sums[second]
            shuffled = metric.from_sums(total[second] + moved) - metric.from_sums(total[first] - moved)
            row.append(_p_value(np.abs(shuffled), abs(_difference(metric, first, second))))
        found.append(row)
    return found


def _swapped_sums(table: Array, trials: int, seed: int) -> Array:
    """(trials, k) sums of the rows that each trial's coin flips choose; the flips are those of sacrebleu for the same seed."""
    generator = np.random.default_rng(seed)
    # Flips come from 32-bit words: blocks of whole words draw the same flips as one large block.
    rows = max(32, _BLOCK // len(table) // 32 * 32)
    blocks = []
    for start in range(0, trials, rows):
        flips = generator.integers(2, size=(min(rows, trials - start), len(table)), dtype=bool)
        blocks.append(flips.astype(np.float64) @ table)
    return np.concatenate(blocks)


def _stacked(metrics: Sequence[PairedMetric]) -> Array:
    """All statistics of all systems side by side: (segments, sum of k)."""
    return np.hstack([table for metric in metrics for table in metric.tables])


def _unstacked(sums: Array, metrics: Sequence[PairedMetric]) -> list[list[Array]]:
    """The columns of `_stacked` again, by metric and system."""
    found: list[list[Array]] = []
    start = 0
    for metric in metrics:
        widths = [table.shape[1] for table in metric.tables]
        edges = np.cumsum([start, *widths])
        found.append([sums[:, left:right] for left, right in pairwise(edges)])
        start = int(edges[-1])
    return found
