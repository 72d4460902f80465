"""Decides what a contestant's windows are worth on statements of wineries it was not told of; called by `evaluate`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from cellar_drinkability.training.rows import Rows
from cellar_shared.ageing.curve import REACH, Curves
from cellar_shared.evaluation.bootstrap import (
    MEAN_RESAMPLES,
    RANK_RESAMPLES,
    cluster_codes,
    draw_counts,
    interval_95,
    resample_ratios,
    sum_by_cluster,
)
from cellar_shared.evaluation.estimate import Estimate

Floats = npt.NDArray[np.float64]

AGES: Final = np.arange(0.5, 30.0)  # the middles of the first thirty years of life: where in-window is asked
SIDES: Final = ("start", "end")
# name of each measure: what it says, and whether less is better (None: neither).
MEASURES: Final[dict[str, tuple[str, bool | None]]] = {
    "start_mae": ("years between stated and answered start, mean", True),
    "end_mae": ("years between stated and answered end, mean", True),
    "end_mae_both": ("the same for statements of both ends", True),
    "start_concordance": ("share of pairs of statements put in the right order by start", False),
    "end_concordance": ("share of pairs of statements put in the right order by end", False),
    "start_coverage": ("share of stated starts within the 80 % interval", None),
    "end_coverage": ("share of stated ends within the 80 % interval", None),
    "brier": ("squared error of the chance to be in window, over the first 30 years of wines with both ends stated", True),
    "iou": ("years in both windows as a share of years in either, mean of wines with both ends stated", False),
    "impossible": ("share of windows that end before they begin", True),
    "before_start": ("share of windows that end before the start that was stated", True),
}


class Contestant(msgspec.Struct, frozen=True):
    """One contestant: its measures by name, and its errors by kind of statement (`start range` and so on) in years with their numbers."""

    measures: dict[str, Estimate]
    by_kind: dict[str, tuple[Estimate, int]]


class Coverage(msgspec.Struct, frozen=True):
    """How often an interval of `level` held the stated side."""

    side: str
    level: float
    share: float


def judge(rows: Rows, windows: Curves, seed: int = 0) -> Contestant:
    """Judge `windows`, one a row, on what `rows` state. Intervals are 95 % bootstraps over wineries; equal seeds draw equal wineries."""
    ages, middles, scales = rows.ages, np.stack([windows.m1, windows.m2]), np.stack([windows.s1, windows.s2])
    codes, clusters = cluster_codes(rows.winery)
    both = np.asarray(np.isfinite(ages).all(axis=0), np.bool_)
    off = np.abs(np.exp(middles) - ages)
    within = np.abs(np.log(ages) - middles) <= REACH * scales
    values: dict[str, tuple[Floats, npt.NDArray[np.bool_]]] = {
        "start_mae": (off[0], np.isfinite(ages[0])),
        "end_mae": (off[1], np.isfinite(ages[1])),
        "end_mae_both": (off[1], both),
        "start_coverage": (within[0].astype(float), np.isfinite(ages[0])),
        "end_coverage": (within[1].astype(float), np.isfinite(ages[1])),
        "brier": (in_window_error(ages, windows), both),
        "iou": (overlap(ages, np.exp(middles)), both),
        "impossible": ((middles[1] <= middles[0]).astype(float), np.ones(len(rows), np.bool_)),
        "before_start": ((np.exp(middles[1]) < ages[0]).astype(float), np.isfinite(ages[0])),
    }
    for side, name in enumerate(SIDES):
        for kind in np.unique(rows.kind[np.isfinite(ages[side])]):
            values[f"{name} {kind}"] = (off[side], np.isfinite(ages[side]) & (rows.kind == kind))
    sums = [np.column_stack([sum_by_cluster(codes, part, clusters) for part in parts]) for parts in _sums(values)]
    resampled = resample_ratios(sums[0], sums[1], MEAN_RESAMPLES, seed)
    found = {name: _estimate(_mean(*values[name]), resampled[:, column]) for column, name in enumerate(values)}
    for side, name in enumerate(SIDES):
        found[f"{name}_concordance"] = _concordance(ages[side], middles[side], codes, clusters, seed)
    by_kind = {name: (found[name], int(use.sum())) for name, (_, use) in values.items() if name not in MEASURES}
    return Contestant({name: found[name] for name in MEASURES}, by_kind)


def coverages(rows: Rows, windows: Curves) -> list[Coverage]:
    """The share of stated sides within the intervals of several levels, for the picture."""
    found = []
    for name, ages, middle, scale in zip(SIDES, rows.ages, (windows.m1, windows.m2), (windows.s1, windows.s2), strict=True):
        stated = np.isfinite(ages)
        away = (np.abs(np.log(ages) - middle) / scale)[stated]
        for level in np.round(np.arange(0.1, 1.0, 0.1), 2):
            found.append(Coverage(name, float(level), float((away <= math.log((1 + level) / (1 - level))).mean())))
    return found


def in_window_error(ages: Floats, windows: Curves) -> Floats:
    """Mean over AGES of (chance of being in window less whether the stated window says so) squared; NaN without both ends."""
    chance = np.stack([windows.drinkability(np.full(len(windows.m1), age)) for age in AGES])
    inside = (ages[0] <= AGES[:, None]) & (AGES[:, None] < ages[1])
    error = np.square(chance - inside).mean(axis=0)
    return np.where(np.isfinite(ages).all(axis=0), error, np.nan)


def overlap(ages: Floats, answered: Floats) -> Floats:
    """Length of what stated and answered windows (2, rows) share, over the length of either; NaN without both ends."""
    shared = np.minimum(ages[1], answered[1]) - np.maximum(ages[0], answered[0])
    either = np.maximum(ages[1], answered[1]) - np.minimum(ages[0], answered[0])
    return np.asarray(np.maximum(shared, 0) / either)


def _sums(values: Mapping[str, tuple[Floats, npt.NDArray[np.bool_]]]) -> tuple[list[Floats], list[Floats]]:
    return [np.where(use, value, 0.0) for value, use in values.values()], [use.astype(float) for _, use in values.values()]


def _mean(value: Floats, use: npt.NDArray[np.bool_]) -> float:
    return float(value[use].mean()) if use.any() else math.nan


def _concordance(ages: Floats, middle: Floats, codes: npt.NDArray[np.int64], clusters: int, seed: int) -> Estimate:
    stated = np.flatnonzero(np.isfinite(ages))
    one, other = ages[stated], middle[stated]
    earlier = one[:, None] < one[None]
    right = earlier * (0.5 * (1 + np.sign(other[None] - other[:, None]))).astype(np.float32)
    pairs = earlier.astype(np.float32)

    def share(weights: npt.NDArray[Any]) -> float:
        below = float(weights @ (pairs @ weights))
        return float(weights @ (right @ weights)) / below if below else math.nan

    draws = np.array([share(counts[codes[stated]].astype(np.float32)) for counts in draw_counts(clusters, RANK_RESAMPLES, seed)])
    return _estimate(share(np.ones(len(stated), np.float32)), draws)


def _estimate(value: float, resampled: Floats) -> Estimate:
    low, high = interval_95(value, resampled)
    return Estimate(*(number if math.isfinite(number) else None for number in (value, low, high)))
