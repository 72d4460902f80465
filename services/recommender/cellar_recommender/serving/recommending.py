"""From questions to one order of wines: sources, candidates, features, forest; evaluation and serving call the same functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.forest import Forest
from cellar_recommender.serving.merging import NONE, QUOTAS
from cellar_recommender.serving.ranking import FEATURES, IS_RATED, Pool, pair_features
from cellar_recommender.serving.sources import TOWERS, Asked, Proposed, Shelf, Sources, pool_at, pool_of, propose

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CANDIDATES: Final = 300


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Each source's `scores` (M, W) of every wine, and the candidates that were `proposed`."""

    scores: Mapping[str, Float32s]
    proposed: Proposed


def retrieve(sources: Sources, asked: Asked, shelf: Shelf, excluded: Bools, limit: int = CANDIDATES) -> Retrieved:
    """Candidates of all sources for every question; `excluded` (M, W) never come."""
    scores = sources.scores(asked, shelf)
    return Retrieved(scores, propose(scores, excluded, QUOTAS, limit))


def without(retrieved: Retrieved, source: str, excluded: Bools) -> Retrieved:
    """What the other sources propose, within their own quotas and filling what is then free."""
    left = {name: scores for name, scores in retrieved.scores.items() if name != source}
    return Retrieved(retrieved.scores, propose(left, excluded, QUOTAS, retrieved.proposed.rows.shape[1]))


def rank(forest: Forest, sources: Sources, asked: Asked, shelf: Shelf, retrieved: Retrieved) -> Float32s:
    """The towers' score of each candidate plus the forest's correction, -inf past the end; (M, C) as `retrieved.proposed.rows`."""
    pool = pool_of(asked, shelf, retrieved.scores[TOWERS], retrieved.proposed)
    scores = pool.tower + corrections(forest, pair_features(pool, sources.item_item), pool.is_there)
    return np.where(pool.is_there, scores, -np.inf).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Ranking:
    """A shelf ranked for M members: `tower` (M, C), `features` (M, C, FEATURES), the final `scores` (M, C); `pool` lies behind them."""

    pool: Pool
    tower: Float32s
    features: Float32s
    scores: Float32s


def rank_all(forest: Forest, sources: Sources, asked: Asked, vectors: Float32s, shelf: Shelf, totals: Float32s) -> Ranking:
    """Every wine of a small `shelf` ranked for every member, whose `vectors` (M, d) are the towers'.

    `totals` (windows,) are the likes of the catalogue that the shelf was taken from.
    """
    tower = np.asarray(vectors @ shelf.vectors.T, dtype=np.float32)
    rows = np.broadcast_to(np.arange(len(shelf.wines)), tower.shape)
    pool = pool_of(asked, shelf, tower, Proposed(rows, rows), totals)
    features = pair_features(pool, sources.item_item)
    return Ranking(pool, tower, features, (tower + corrections(forest, features, pool.is_there)).astype(np.float32))


def rank_each(
    forest: Forest, sources: Sources, asked: Asked, vectors: Float32s, shelf: Shelf, places: Int64s, totals: Float32s | None
) -> Float32s:
    """The scores of each member's own candidates, at `places` (M, C) of the shelf: (M, C), as `rank_all` gives them for the member alone.

    To the last bit, where all histories are as long (sums over longer rows are rounded elsewhere) and `vectors` (M, d) were made for
    one member at a time.
    """
    tower = np.empty(places.shape, dtype=np.float32)
    for member, rows in enumerate(places):
        tower[member] = vectors[member : member + 1] @ shelf.vectors[rows].T
    pool = pool_at(asked, shelf, tower, places, totals)
    return (tower + corrections(forest, pair_features(pool, sources.item_item), pool.is_there)).astype(np.float32)


def corrections(forest: Forest, features: Float32s, is_there: Bools) -> Float64s:
    """What the forest adds to the towers' score of each candidate: (M, C) of their features (M, C, FEATURES), where `is_there` (M, C).

    It learnt on what people rate, and takes it for a bad sign that nobody has rated a wine. There it knows nothing: such a wine gets
    the middle of what the question's others get, so that the towers alone place it among them.
    """
    given = forest.scores(features)
    is_new = features[..., FEATURES.index(IS_RATED)] == 0
    for question in np.flatnonzero((is_new & is_there).any(axis=1)).tolist():
        rated = given[question, is_there[question] & ~is_new[question]]
        given[question, is_new[question]] = np.median(rated) if len(rated) else 0.0
    return given


def some_of(shelf: Shelf, rows: Int64s) -> Shelf:
    """The shelf's wines at `rows`."""
    return Shelf(shelf.wines[rows], shelf.features[rows], shelf.likes[rows], shelf.vectors[rows])


def order_of_candidates(retrieved: Retrieved, ranked: Float32s) -> Float32s:
    """The ranked scores of every wine (M, W), -inf for what is no candidate."""
    rows = retrieved.proposed.rows
    scores = np.full(retrieved.scores[TOWERS].shape, -np.inf, dtype=np.float32)
    question, place = np.nonzero(rows != NONE)
    scores[question, rows[question, place]] = ranked[question, place]
    return scores


def order_of_all(retrieved: Retrieved, ranked: Float32s) -> Float32s:
    """Scores of every wine (M, W): candidates as ranked, then all others in the towers' order."""
    candidates = order_of_candidates(retrieved, ranked)
    tower = retrieved.scores[TOWERS]
    lowest = np.where(np.isfinite(candidates), candidates, 0.0).min(axis=1, keepdims=True)
    behind = tower - tower.max(axis=1, keepdims=True) + np.minimum(lowest, 0.0) - 1.0
    return np.where(np.isfinite(candidates), candidates, behind).astype(np.float32)
