"""How far probabilities are from what happened; called by calibrator fitting, evaluation, gates and monitoring."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

NORMAL_95: Final = 1.959963984540054  # the standard normal's 97.5 % point
GRID: Final = 1 << 13  # cells of [0, 1] in which smECE smooths: finer than any bandwidth that a million rows reach
SMECE_TOLERANCE: Final = 1e-6  # width at which the search for smECE's bandwidth stops


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows of like probability: mean probability, share liked, how many, and the share's 95 % Wilson interval."""

    probability: float
    liked: float
    count: int
    low: float
    high: float


def checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Floats, Floats]:
    """Labels (rows,) and probabilities (rows,) as float64; ValueError says which row or length is wrong."""
    y = np.asarray(labels, dtype=np.float64)
    p = np.asarray(probabilities, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape:
        raise ValueError(f"labels have shape {y.shape}, probabilities {p.shape}; give one of each per row")
    if y.size == 0:
        raise ValueError("there are no rows to measure; give at least one label and its probability")
    wrong = ~((p >= 0) & (p <= 1))  # also true for a NaN
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"probability {p[row]} in row {row} is not within [0, 1]; give probabilities, not raw scores")
    wrong = (y != 0) & (y != 1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"label {y[row]} in row {row} is neither 0 nor 1; give 1 for liked, 0 for not liked")
    return y, p


def bias(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean probability minus share liked, in [-1, 1]: positive promises too much."""
    y, p = checked(labels, probabilities)
    return float(p.mean() - y.mean())


def ece(labels: ArrayLike, probabilities: ArrayLike, bins: int = 15) -> float:
    """Expected calibration error over bins of equal mass, in [0, 1].

    The mean over rows of |mean probability - share liked| of the row's bin. Bins are those of `reliability`.
    """
    y, p = checked(labels, probabilities)
    bin_of = _equal_mass_bins(p, bins)
    return float(np.abs(np.bincount(bin_of, p - y)).sum() / y.size)


def reliability(labels: ArrayLike, probabilities: ArrayLike, bins: int = 15) -> tuple[ReliabilityBin, ...]:
    """The rows in at most `bins` bins of about equal count, by rising probability.

    Rows of equal probability share one bin, so the outcome does not depend on the rows' order, and few distinct
    probabilities or few rows give fewer bins. The interval is Wilson's (1927), which stays honest near 0 and 1.
    """
    y, p = checked(labels, probabilities)
    bin_of = _equal_mass_bins(p, bins)
    counts = np.bincount(bin_of)
    sums = np.bincount(bin_of, p)
    liked = np.bincount(bin_of, y)
    found = []
    for i in np.flatnonzero(counts):
        count = int(counts[i])
        share = float(liked[i]) / count
        low, high = _wilson_95(share, count)
        found.append(ReliabilityBin(float(sums[i]) / count, share, count, low, high))
    return tuple(found)


def smece(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Smooth calibration error, in [0, 1] (Blasiok & Nakkiran 2023, "Smooth ECE", arXiv 2309.12236).

    smECE_s is the integral over t in [0, 1] of |mean over rows of (label - probability) K_s(t, probability)|, K_s the
    Gaussian of standard deviation s reflected at 0 and 1. The result is the one s with smECE_s = s: no bin to choose.
    Residuals go to the two nearest of 8192 grid points in proportion and are smoothed as cosine series, so the cost
    is O(rows) and 20 short transforms. Against the direct integral the result is off by less than 1e-4, and by less
    than 0.1 % of itself where it exceeds 0.002.
    """
    y, p = checked(labels, probabilities)
    waves = _cosine_series(_on_grid(p, (y - p) / y.size))
    low, high = 0.0, 1.0
    while high - low > SMECE_TOLERANCE:  # smoothing more only cancels more, so the error falls while s rises
        middle = (low + high) / 2
        low, high = (middle, high) if _smoothed_error(waves, middle) > middle else (low, middle)
    return low


def noise_floor(measure: Callable[[Floats, Floats], float], probabilities: ArrayLike, draws: int = 200, seed: int = 0) -> float:
    """What `measure` shows on average for these probabilities when they are perfectly calibrated.

    The mean of measure(labels, probabilities) over `draws` sets of labels, each label 1 with its row's probability.
    A measured error near its floor is what this number of rows cannot tell from zero. `measure` must not depend on
    the rows' order.
    """
    if draws < 1:
        raise ValueError(f"draws is {draws}; a noise floor needs at least one")
    _, p = checked(np.zeros(np.shape(probabilities)), probabilities)
    p = np.sort(p)  # once, so that a measure that sorts is quick
    generator = np.random.default_rng(seed)
    return float(np.mean([measure((generator.random(p.size) < p).astype(np.float64), p) for _ in range(draws)]))


def _equal_mass_bins(p: Floats, bins: int) -> NDArray[np.int64]:
    """The bin of each row: where the middle of its run of equal probabilities stands among all rows."""
    if bins < 1:
        raise ValueError(f"bins is {bins}; give at least one")
    order = np.argsort(p, kind="stable")
    ordered = p[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    lengths = np.diff(starts, append=p.size)
    bin_of = np.empty(p.size, dtype=np.int64)
    bin_of[order] = np.repeat((2 * starts + lengths) * bins // (2 * p.size), lengths)
    return bin_of


def _wilson_95(share: float, count: int) -> tuple[float, float]:
    z2 = NORMAL_95**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = NORMAL_95 / (1 + z2 / count) * (share * (1 - share) / count + z2 / (4 * count**2)) ** 0.5
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def _on_grid(p: Floats, masses: Floats) -> Floats:
    """Each row's mass shared between the two nearest cell centres; beyond the first and last the mirror is the same."""
    place = p * GRID - 0.5
    left = np.floor(place)
    to_right = masses * (place - left)
    cell = left.astype(np.int64)
    grid = np.bincount(np.maximum(cell, 0), masses - to_right, GRID)
    return np.add(grid, np.bincount(np.minimum(cell + 1, GRID - 1), to_right, GRID), dtype=np.float64)


def _cosine_series(field: Floats) -> Floats:
    """Coefficients of cos(pi k t), k = 0 .. GRID - 1: smoothing with reflection at both ends scales each by itself."""
    mirrored = np.fft.rfft(np.concatenate((field, field[::-1])))[:GRID]
    waves: Floats = (mirrored * np.exp(-0.5j * np.pi * np.arange(GRID) / GRID)).real
    return waves


def _smoothed_error(waves: Floats, bandwidth: float) -> float:
    """smECE at one bandwidth, summed over 16 points per bandwidth: a smooth field needs no more."""
    points = min(GRID, 1 << max(6, math.ceil(math.log2(16 / bandwidth))))
    k = np.arange(min(points, math.ceil(2.5 / bandwidth)))  # waves beyond are damped below 1e-13
    damped = waves[: k.size] * np.exp(-0.5 * (np.pi * bandwidth * k) ** 2 + 0.5j * np.pi * k / points)
    return float(np.abs(np.fft.irfft(damped, 2 * points)[:points]).sum())
