"""How well probabilities rank and how much they lose; called by the bootstrap, the judge and model selection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cellar_shared.calibration.measure import checked

Floats = NDArray[np.float64]

LOG_LOSS_CLIP: Final = 1e-6  # a certain prediction that fails costs 13.8 nats, not infinity


@dataclass(frozen=True, slots=True)
class Concordance:
    """Rows sorted once by score within groups, so that the liked-above-disliked pairs of any weighting count fast.

    order: (rows,) int64; liked: (rows,) float64 in that order; tie_starts: (ties,) first row of each run of equal
    scores in one group; group_of_tie: (ties,); first_tie: (groups,) the group's first run.
    """

    order: NDArray[np.int64]
    liked: Floats
    tie_starts: NDArray[np.int64]
    group_of_tie: NDArray[np.int64]
    first_tie: NDArray[np.int64]

    @classmethod
    def of(cls, labels: ArrayLike, scores: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Sort rows by finite scores (rows,), within groups (rows,) of any sortable ids where given."""
        y = np.asarray(labels, dtype=np.float64)
        s = np.asarray(scores, dtype=np.float64)
        checked(y, np.zeros(s.shape))
        if not np.isfinite(s).all():
            raise ValueError(f"score in row {int((~np.isfinite(s)).argmax())} is not finite; it cannot be ranked")
        g = np.zeros(y.size, dtype=np.int64) if groups is None else np.unique(groups, return_inverse=True)[1]
        if g.shape != y.shape:
            raise ValueError(f"groups have shape {g.shape}, labels {y.shape}; give one group per row")
        order = np.argsort(s, kind="stable") if groups is None else np.lexsort((s, g))
        s, g = s[order], g[order]
        new_group = np.concatenate(([True], g[1:] != g[:-1]))
        new_tie = new_group | np.concatenate(([True], s[1:] != s[:-1]))
        tie_starts = np.flatnonzero(new_tie)
        return cls(order, y[order], tie_starts, g[tie_starts], np.flatnonzero(new_group[tie_starts]))

    def sums(self, weights: Floats | None = None) -> tuple[Floats, Floats]:
        """Per group (groups,): the weight of concordant pairs (a tie counts half) and of all pairs.

        A pair is one liked and one not liked row of a group; its weight is the product of the rows' weights (rows,).
        """
        weight = np.ones(self.order.size) if weights is None else weights[self.order]
        weight_liked = weight * self.liked
        liked = np.add.reduceat(weight_liked, self.tie_starts)
        disliked = np.add.reduceat(weight - weight_liked, self.tie_starts)
        below = np.cumsum(disliked) - disliked
        below -= below[self.first_tie][self.group_of_tie]
        first = self.first_tie
        concordant = np.add.reduceat(liked * (below + disliked / 2), first)
        pairs = np.add.reduceat(liked, first) * np.add.reduceat(disliked, first)
        return concordant, pairs

    def share(self, weights: Floats | None = None) -> float:
        """Concordant pairs over all pairs, groups together, in [0, 1]; NaN where there is no pair."""
        concordant, pairs = self.sums(weights)
        total = float(pairs.sum())
        return float(concordant.sum()) / total if total > 0 else float("nan")


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Probability that a liked row scores above a not liked one, ties half (Mann-Whitney); NaN with one class only."""
    return Concordance.of(labels, scores).share()


def within_member_auc(labels: ArrayLike, scores: ArrayLike, members: ArrayLike) -> float:
    """The same over pairs of one member's rows only, every pair counting alike; NaN where no member has both classes.

    Knowing which members like everything lifts `auc` but not this: it asks which of a member's own wines they like.
    """
    return Concordance.of(labels, scores, members).share()


def row_log_losses(labels: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Negative log likelihood of each row (rows,), in nats, probabilities clipped to [1e-6, 1 - 1e-6]."""
    y, p = checked(labels, probabilities)
    clipped = np.clip(p, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    losses: Floats = -np.log(np.where(y == 1, clipped, 1 - clipped))
    return losses


def row_squared_errors(labels: ArrayLike, probabilities: ArrayLike) -> Floats:
    """(probability - label)² of each row (rows,), in [0, 1]."""
    y, p = checked(labels, probabilities)
    errors: Floats = (p - y) ** 2
    return errors


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean of `row_log_losses`, in nats: 0 at best, 0.693 for always one half."""
    return float(row_log_losses(labels, probabilities).mean())


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean of `row_squared_errors` (Brier 1950), in [0, 1]: 0.25 for always one half."""
    return float(row_squared_errors(labels, probabilities).mean())
