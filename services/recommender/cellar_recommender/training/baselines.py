"""What the recommender must beat: neighbours of wines, EASE and implicit matrix factorisation; evaluation calls them.

Each learns from who liked what in a split's past, and then scores every wine for histories of likes. (Popularity, the other
baseline, needs no learning: it is a source.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellar_recommender.training.item_item import SHRINK, ease, neighbours

Float32s = npt.NDArray[np.float32]
Scorer = Callable[[Float32s], Float32s]  # likes of histories (questions, wines), 1 or 0, to scores (questions, wines)

# Chosen on a validation slice.
RIDGE: Final = 400.0  # of EASE
FACTORS: Final = 64
ALPHA: Final = 10.0  # confidence of a like over that of nothing
FACTOR_RIDGE: Final = 150.0
ROUNDS: Final = 10
SEED: Final = 20


def item_knn(likes: sparse.csr_array) -> Scorer:
    """Sums of shrunken cosines with the wines liked before."""
    weights = neighbours(likes, likes, likes.shape[1], SHRINK)
    return lambda histories: np.asarray(sparse.csr_array(histories) @ weights.toarray(), dtype=np.float32)


def ease_alone(likes: sparse.csr_array) -> Scorer:
    """EASE on everything the split allows."""
    weights = ease(likes, likes, RIDGE)
    return lambda histories: np.asarray(sparse.csr_array(histories) @ weights, dtype=np.float32)


def ials(likes: sparse.csr_array, factors: int = FACTORS, alpha: float = ALPHA, ridge: float = FACTOR_RIDGE) -> Scorer:
    """Implicit alternating least squares (Hu, Koren, Volinsky, ICDM 2008); histories are folded in."""
    wines = np.random.default_rng(SEED).normal(0.0, 0.1, (likes.shape[1], factors))
    by_wine = likes.T.tocsr()
    for _ in range(ROUNDS):
        members = _solve(likes, wines, alpha, ridge)
        wines = _solve(by_wine, members, alpha, ridge)
    return lambda histories: np.asarray(_solve(sparse.csr_array(histories), wines, alpha, ridge) @ wines.T, dtype=np.float32)


def _solve(rows: sparse.csr_array, other: npt.NDArray[np.float64], alpha: float, ridge: float) -> npt.NDArray[np.float64]:
    """The factors of each row given those of the columns."""
    factors = other.shape[1]
    shared = other.T @ other + ridge * np.eye(factors)
    solved = np.zeros((rows.shape[0], factors))
    for row in range(rows.shape[0]):
        own = other[rows.indices[rows.indptr[row] : rows.indptr[row + 1]]]
        if len(own):
            solved[row] = np.linalg.solve(shared + alpha * own.T @ own, (1 + alpha) * own.sum(axis=0))
    return solved


BASELINES: Final[dict[str, Callable[[sparse.csr_array], Scorer]]] = {"item kNN": item_knn, "EASE": ease_alone, "iALS": ials}
