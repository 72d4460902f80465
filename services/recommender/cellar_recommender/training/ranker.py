"""Trains the ranker: LightGBM's lambdarank over the candidates of rows that the sources had not learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import lightgbm
import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.ranking import FEATURES, pair_features
from cellar_recommender.serving.recommending import retrieve
from cellar_recommender.serving.sources import TOWERS, Sources, pool_of
from cellar_recommender.training.asking import groups
from cellar_recommender.training.rows import LikedRows
from cellar_shared.errors import BadInput

MOST_ROWS: Final = 9_000  # the latest; with NEGATIVES of their candidates they fit in half a gigabyte
NEGATIVES: Final = 0.4  # of the candidates that were no answer
ROUNDS: Final = 150
FEWEST: Final = 50  # rows whose wine is among the candidates
LAMBDARANK: Final = {
    "objective": "lambdarank",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "lambdarank_truncation_level": 20,
    "verbose": -1,
    "deterministic": True,
    "force_row_wise": True,
}


@dataclass(frozen=True, slots=True)
class Judged:
    """Candidates of rows: `features` (pairs, FEATURES) float32, `is_answer` (pairs,), `sizes` (rows,) pairs of each row."""

    features: npt.NDArray[np.float32]
    is_answer: npt.NDArray[np.bool_]
    sizes: npt.NDArray[np.int64]


def judged_candidates(rows: LikedRows, sources: Sources, seed: int) -> Judged:
    """The candidates of the latest rows, some of them at random; rows whose wine is not proposed are left out."""
    rng = np.random.default_rng(seed)
    features, answers, sizes = [], [], []
    for group in groups(rows, rows.latest(), sources):
        retrieved = retrieve(sources, group.asked, group.shelf, group.rated)
        pool = pool_of(group.asked, group.shelf, retrieved.scores[TOWERS], retrieved.proposed)
        is_answer = retrieved.proposed.rows == rows.wine_rows[group.places][:, None]
        # Negatives are kept at one rate wherever they stand: another rate for some would teach that the others are seldom right.
        kept = pool.is_there & (is_answer | (rng.random(is_answer.shape) < NEGATIVES)) & is_answer.any(axis=1, keepdims=True)
        features.append(pair_features(pool, sources.item_item)[kept])
        answers.append(is_answer[kept])
        sizes.append(kept.sum(axis=1))
    size = np.concatenate(sizes) if sizes else np.zeros(0, dtype=np.int64)
    if (size > 0).sum() < FEWEST:
        raise BadInput(f"{int((size > 0).sum())} likes are too few to teach a ranker; {FEWEST} is the least: bring more ratings")
    return Judged(np.concatenate(features), np.concatenate(answers), size[size > 0])


def fit_ranker(judged: Judged, rounds: int, threads: int, seed: int) -> lightgbm.Booster:
    """A forest that, added to the towers' scores, orders the candidates of each row.

    It begins at the towers' order, so where likes are few it stays near it.
    """
    tower = judged.features[:, FEATURES.index("tower")].astype(np.float64)
    answers = judged.is_answer.astype(np.int32)
    data = lightgbm.Dataset(judged.features, answers, group=judged.sizes, init_score=tower, feature_name=list(FEATURES))
    return lightgbm.train({**LAMBDARANK, "num_threads": threads, "seed": seed}, data, rounds)
