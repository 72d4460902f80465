"""Where a contestant ranks the wine that was liked next, and what such ranks are worth; the judge and early stopping call it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NEVER: Final = 2**31  # the rank of what may not be recommended, however small the catalogue


def ranks_of(scores: npt.NDArray[np.floating], answers: Int64s) -> Int64s:
    """How many wines stand before each question's answer: higher scores, and equal ones with a lower row; (questions,).

    `scores` (questions, wines), -inf for wines that may not be recommended; NEVER where that is the answer.
    """
    own = np.take_along_axis(scores, answers[:, None], axis=1)
    before = np.arange(scores.shape[1]) < answers[:, None]
    rank = (scores > own).sum(axis=1) + ((scores == own) & before).sum(axis=1)
    return np.asarray(np.where(np.isneginf(own[:, 0]), NEVER, rank), dtype=np.int64)


def ndcg(ranks: Int64s) -> Floats:
    """One right answer, however far down: 1 / log2(2 + rank)."""
    return np.asarray(1 / np.log2(ranks + 2.0), dtype=np.float64)


def ndcg_at_10(ranks: Int64s) -> Floats:
    """One right answer: 1 / log2(2 + rank) within the first ten, else 0."""
    return np.where(ranks < 10, ndcg(ranks), 0.0)


def recall_at(most: int, ranks: Int64s) -> Floats:
    """1 where the answer is within the first `most`."""
    return (ranks < most).astype(np.float64)


def reciprocal_rank(ranks: Int64s) -> Floats:
    """1 / (1 + rank)."""
    return 1 / (1.0 + ranks)


MEASURES: Final = ("ndcg_10", "recall_10", "recall_50", "mrr", "recall_300", "percentile")


def measures(ranks: Int64s, wines: int) -> dict[str, Floats]:
    """Each of MEASURES for each question; the percentile is the share of the catalogue that stands behind."""
    return {
        "ndcg_10": ndcg_at_10(ranks),
        "recall_10": recall_at(10, ranks),
        "recall_50": recall_at(50, ranks),
        "mrr": reciprocal_rank(ranks),
        "recall_300": recall_at(300, ranks),
        "percentile": 1.0 - np.minimum(ranks, wines - 1) / max(1, wines - 1),
    }
