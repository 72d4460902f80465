"""What diversity costs: NDCG@10 of the ranked list as `diversity` reorders it, on some of a split's questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.diversity import diversify
from cellar_recommender.serving.merging import NONE
from cellar_recommender.training.evaluation.judge import estimate_of
from cellar_recommender.training.evaluation.metrics import NEVER, ndcg_at_10
from cellar_recommender.training.evaluation.verdict import DiversityPrice

Float32s = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]

LEVELS: Final = (0.0, 0.1, 0.3, 0.5)
PLACES: Final = 20  # the limit of an answer that does not say: the first so many are chosen for diversity
MOST_ASKED: Final = 1_500  # questions, drawn at random: differences within a question scatter little


@dataclass(slots=True)
class Prices:
    """NDCG@10 of each question at each level, gathered some at a time; also how alike the first ten are, from 0 to 1."""

    gains: dict[float, list[float]] = field(default_factory=lambda: {level: [] for level in LEVELS})
    likeness: dict[float, list[float]] = field(default_factory=lambda: {level: [] for level in LEVELS})

    def add(self, candidates: Int64s, ranked: Float32s, vectors: Float32s, answer: int) -> None:
        """Take one question's `candidates` (C,) catalogue rows with their `ranked` scores (C,), the catalogue's `vectors` (W, d)."""
        order = np.argsort(-ranked, kind="stable")
        order = order[(candidates[order] != NONE) & np.isfinite(ranked[order])]
        rows = candidates[order]
        for level in LEVELS:
            listed = rows[diversify(ranked[order], vectors[rows], level, PLACES)]
            at = np.flatnonzero(listed == answer)
            self.gains[level].append(float(ndcg_at_10(np.array([at[0] if len(at) else NEVER]))[0]))
            self.likeness[level].append(_mean_cosine(vectors[listed[:10]]))

    def told(self, clusters: Int64s, seed: int) -> list[DiversityPrice]:
        """Each level's NDCG@10, what it costs against none on the same questions, and the likeness; `clusters` (questions,)."""
        gains: Mapping[float, npt.NDArray[np.float64]] = {level: np.array(of) for level, of in self.gains.items()}
        return [
            DiversityPrice(
                level,
                estimate_of(gains[level], clusters, seed),
                estimate_of(gains[LEVELS[0]] - gains[level], clusters, seed),
                float(np.mean(self.likeness[level])),
            )
            for level in LEVELS
        ]


def _mean_cosine(vectors: Float32s) -> float:
    """The mean cosine of any two of some vectors; 1 of fewer than two."""
    if len(vectors) < 2:
        return 1.0
    wide = vectors.astype(np.float64)
    units = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    together = units @ units.T
    return float((together.sum() - np.trace(together)) / (len(vectors) * (len(vectors) - 1)))
