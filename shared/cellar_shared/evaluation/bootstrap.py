"""How far a number would move with other members (or wines): the cluster bootstrap, called by the judge.

Rows of one member resemble each other, so members are drawn with replacement, never rows: intervals from rows would
be too narrow. The same seed and number of clusters draw the same members, so two contestants can be compared in pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

MEAN_RESAMPLES: Final = 1000
RANK_RESAMPLES: Final = 200  # each passes over all rows; an end's standard error is then a twentieth of the interval's width


def cluster_codes(ids: ArrayLike) -> tuple[NDArray[np.int64], int]:
    """Each row's cluster as 0 .. clusters - 1 (rows,) int64, and the number of clusters."""
    found, codes = np.unique(np.asarray(ids), return_inverse=True)
    return codes.astype(np.int64, copy=False), found.size


def sum_by_cluster(codes: NDArray[np.int64], values: Floats, clusters: int) -> Floats:
    """The sum of `values` (rows,) in each cluster (clusters,) float64."""
    return np.asarray(np.bincount(codes, values, clusters), dtype=np.float64)


def draw_counts(clusters: int, resamples: int, seed: int) -> Iterator[Floats]:
    """For each resample how often each cluster was drawn (clusters,) float64, adding up to `clusters`."""
    generator = np.random.default_rng(seed)
    for _ in range(resamples):
        drawn = generator.integers(0, clusters, clusters)
        yield np.bincount(drawn, minlength=clusters).astype(np.float64)


def resample_ratios(numerators: Floats, denominators: Floats, resamples: int = MEAN_RESAMPLES, seed: int = 0) -> Floats:
    """Resampled sum(numerator) / sum(denominator) of each column: (resamples, columns) float64, NaN where 0 / 0.

    Both inputs hold one row per cluster and one column per statistic, (clusters, columns): for the mean loss per row
    the cluster's summed losses and its number of rows, for pairs its concordant pairs and its pairs.
    """
    if numerators.ndim != 2 or numerators.shape != denominators.shape:
        raise ValueError(f"numerators have shape {numerators.shape}, denominators {denominators.shape}; give both as clusters x columns")
    clusters, columns = numerators.shape
    both = np.hstack((numerators, denominators))
    sums = np.stack([counts @ both for counts in draw_counts(clusters, resamples, seed)])
    below = sums[:, columns:]
    ratios: Floats = np.divide(sums[:, :columns], below, out=np.full_like(below, np.nan), where=below > 0)
    return ratios


def resample_weighted(
    statistic: Callable[[Floats], float],
    codes: NDArray[np.int64],
    clusters: int,
    resamples: int = RANK_RESAMPLES,
    seed: int = 0,
) -> Floats:
    """Resampled values (resamples,) of a statistic that takes row weights (rows,), for what is no ratio of cluster sums."""
    return np.array([statistic(counts[codes]) for counts in draw_counts(clusters, resamples, seed)])


def interval_95(value: float, resampled: Floats) -> tuple[float, float]:
    """The 95 % percentile interval of the finite resampled values, widened where needed so that it holds `value`.

    (NaN, NaN) where no resample has a value.
    """
    finite = resampled[np.isfinite(resampled)]
    if finite.size == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(finite, (0.025, 0.975))
    return min(float(low), value), max(float(high), value)
