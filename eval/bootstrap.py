"""Percentile bootstrap over segments (Koehn 2004), from sufficient statistics.

A corpus metric is a function of sums of per-segment statistics, so a resample needs no re-scoring: how often each segment was drawn,
times the statistics, gives the sums of every resample at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_BLOCK = 4_000_000  # draws held in memory at once: 32 MB, whatever the size of the test set


def draw_counts(segments: int, samples: int, seed: int) -> Iterator[Array]:
    """How often each segment is drawn in each resample, in blocks of shape (resamples of the block, segments).

    The draws are those of sacrebleu's own bootstrap for the same seed, and do not depend on the size of the blocks.
    """
    generator = np.random.default_rng(seed)
    rows = max(1, _BLOCK // segments)
    for start in range(0, samples, rows):
        size = min(rows, samples - start)
        draws = generator.integers(0, segments, size=(size, segments))
        draws += segments * np.arange(size)[:, None]
        yield np.bincount(draws.ravel(), minlength=size * segments).reshape(size, segments).astype(np.float64)


def resampled_sums(statistics: Sequence[Array], samples: int, seed: int) -> list[Array]:
    """Sums of the statistics over each resample.

    Args:
        statistics: one (segments, k) array per metric; all metrics see the same resamples, so their intervals are comparable.
        samples: number of resamples.
        seed: of the draws.

    Returns:
        One (samples, k) array per metric.
    """
    blocks: list[list[Array]] = [[] for _ in statistics]
    for counts in draw_counts(len(statistics[0]), samples, seed):
        for sums, table in zip(blocks, statistics, strict=True):
            sums.append(counts @ table)
    return [np.concatenate(sums) for sums in blocks]


def interval(values: Array, confidence: float) -> tuple[float, float]:
    """The percentile interval that holds the `confidence` share of the resampled values in its middle."""
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
