"""Fits the calibrator: one line for all, and each cell's own as far as its rows insist; training calls it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.calibration.apply import Calibrator, Counts

Float64s = npt.NDArray[np.float64]

# Strength of the pull of a cell's (log slope, offset) to the common line's, as a prior's inverse variance: a cell is
# believed to differ by about 0.2 in offset and 0.1 in log slope before its rows are seen (judgement).
OFFSET_PULL: Final = 1 / 0.2**2
SLOPE_PULL: Final = 1 / 0.1**2
COMMON_PULL: Final = 1e-3
STEPS: Final = 50
TOLERANCE: Final = 1e-9


def fit_calibrator(
    logits: Float64s,
    labels: Float64s,
    tastings: Counts,
    ratings: Counts,
    *,
    tastings_from: tuple[int, ...],
    ratings_from: tuple[int, ...],
    weights: Float64s | None = None,
) -> Calibrator:
    """The calibrator that makes `labels` (rows,) of `logits` (rows,) most likely, cells drawn to a common line.

    ValueError when there are no rows or labels are not 0 or 1.
    """
    if not len(logits) or not np.isin(labels, (0.0, 1.0)).all():
        raise ValueError("a calibrator needs rows, and labels that are 0 or 1")
    weights = np.ones(len(logits)) if weights is None else weights
    common = _newton(logits, labels, weights, np.zeros(2), COMMON_PULL, COMMON_PULL)
    shape = (len(tastings_from), len(ratings_from))
    line = Calibrator(tastings_from, ratings_from, np.full(shape, np.exp(common[0])), np.full(shape, common[1]))
    slopes, offsets = line.slopes.copy(), line.offsets.copy()
    cell = np.ravel_multi_index(line.cells(tastings, ratings), shape)
    for place in np.unique(cell):
        rows = cell == place
        own = _newton(logits[rows], labels[rows], weights[rows], common, SLOPE_PULL, OFFSET_PULL)
        slopes.flat[place], offsets.flat[place] = np.exp(own[0]), own[1]
    return Calibrator(tastings_from, ratings_from, slopes, offsets)


def _newton(logits: Float64s, labels: Float64s, weights: Float64s, centre: Float64s, slope_pull: float, offset_pull: float) -> Float64s:
    """(log slope, offset) with the least weighted log loss plus the pull to `centre`; damped Newton steps."""
    pull = np.array([slope_pull, offset_pull])

    def cost(at: Float64s) -> float:
        exponent = np.exp(at[0]) * logits + at[1]
        return float((weights * (np.logaddexp(0.0, exponent) - labels * exponent)).sum() + 0.5 * (pull * (at - centre) ** 2).sum())

    at, now = centre.copy(), cost(centre)
    for _ in range(STEPS):
        slope = np.exp(at[0])
        chance = 1.0 / (1.0 + np.exp(-np.clip(slope * logits + at[1], -700, 700)))
        error, spread = weights * (chance - labels), weights * chance * (1 - chance)
        reach = slope * logits
        gradient = np.array([(error * reach).sum(), error.sum()]) + pull * (at - centre)
        # The term error * reach of the second derivative is left out (Gauss-Newton): the matrix stays positive definite.
        mixed = (spread * reach).sum()
        curvature = np.array([[(spread * reach**2).sum(), mixed], [mixed, spread.sum()]]) + np.diag(pull)
        move = np.linalg.solve(curvature, gradient)
        size = 1.0
        while (then := cost(at - size * move)) > now and size > 1e-6:
            size /= 2
        if now - then < TOLERANCE * max(1.0, abs(now)):
            break
        at, now = at - size * move, then
    return at
