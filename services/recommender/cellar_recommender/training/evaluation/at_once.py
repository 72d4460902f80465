"""Judges new members the way catalogues are often compared: one question a member, all that they came to like as right answers.

A like asked about as of its own moment lets the world move on between a member's questions; here a member is asked about once, as
of the first of their likes that the split asks about, and the list must hold as many of their likes, then and later, as it can.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from cellar_recommender.training.evaluation.metrics import NEVER, ndcg, ranks_of
from cellar_recommender.training.rows import LikedRows

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

AT_ONCE: Final = ("ndcg_10", "recall_10", "recall_50", "mrr")


@dataclass(frozen=True, slots=True)
class Once:
    """`is_first` (rows,) marks each member's earliest row; `likes` holds, by that row, the catalogue rows of all the member's likes."""

    is_first: npt.NDArray[np.bool_]
    likes: dict[int, Int64s]

    @classmethod
    def of(cls, rows: LikedRows) -> Self:
        """The first row of every member that asks, with the wines of all that member's rows."""
        order = np.lexsort((np.arange(len(rows)), rows.as_of, rows.members))
        starts = np.flatnonzero(np.diff(rows.members[order], prepend=-1))
        likes = {int(part[0]): rows.wine_rows[part] for part in np.split(order, starts[1:]) if len(part)}
        is_first = np.zeros(len(rows), dtype=bool)
        is_first[list(likes)] = True
        return cls(is_first, likes)


@dataclass(slots=True)
class AtOnce:
    """One contestant's measures of each member, gathered some at a time: {measure: [value, ...]} in the order they were added."""

    values: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in AT_ONCE})

    def add(self, scores: npt.NDArray[np.floating], answers: Int64s) -> None:
        """Take one member's `scores` (wines,), -inf where nothing may be recommended, and their right `answers` (likes,)."""
        ranks = ranks_of(np.broadcast_to(scores, (len(answers), len(scores))), answers)
        for name, value in measures_at_once(ranks).items():
            self.values[name].append(value)

    def arrays(self) -> dict[str, Floats]:
        """Each measure's values; (members,)."""
        return {name: np.array(values, dtype=np.float64) for name, values in self.values.items()}


def measures_at_once(ranks: Int64s) -> dict[str, float]:
    """One member's measures from the ranks of all right answers (likes,).

    NDCG@10 is the gain of the first ten places over that of the best ten there could be; recall the share of likes found; MRR of
    the best placed like.
    """
    best = float(ndcg(np.arange(min(10, len(ranks)))).sum())
    first = int(ranks.min(initial=NEVER))
    return {
        "ndcg_10": float(ndcg(ranks[ranks < 10]).sum()) / best,
        "recall_10": float((ranks < 10).mean()),
        "recall_50": float((ranks < 50).mean()),
        "mrr": 1 / (1.0 + first) if first < NEVER else 0.0,
    }
