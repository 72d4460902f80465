"""Trains the ranker: LightGBM trees by a softmax over the candidates of rows that the sources had not learnt from.

Rows are many, wines are few and rows lie within months: trees that could tell wines apart learnt which wines those months liked,
and next to nothing that held later. So the ranker sees few of the features, may use most of them only in the direction that makes
sense (a wine that more people like lately never stands lower for it), and learns probabilities, not swaps: on a validation slice of
4,330 likes NDCG@10 over the towers' own order, all histories / the first five ratings / none, moved by

    lambdarank over all features, learnt from whole histories    +.0004 / -.0003 / -.0159
    softmax over the same few features, in any direction         -.0016 / +.0001 / -.0001
    softmax over the few, each in its direction                  +.0029 / +.0036 / +.0040
    the same with today's weights between wines, slower          +.0038 / +.0063 / +.0037
    with what members make of a producer, a grape and the like   +.0032 / +.0049 / +.0034
    half of the rows without a history, 240 rounds               +.0035 / +.0045 / +.0049

where popularity is at +.0050 for members without a history. What members make of a producer and the like is no better and no worse for
sure; it is kept for the reasons that it can give.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Final

import lightgbm
import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.ranking import FEATURES, pair_features
from cellar_recommender.serving.recommending import retrieve
from cellar_recommender.serving.sources import TOWERS, Sources, pool_of
from cellar_recommender.training.asking import groups
from cellar_recommender.training.cutting import Shares, cut_histories
from cellar_recommender.training.rows import LikedRows
from cellar_shared.errors import BadInput

Floats = npt.NDArray[np.float64]

MOST_ROWS: Final = 9_000  # the latest; with NEGATIVES of their candidates they fit in half a gigabyte
LOOKS: Final = 2  # at each row, its history cut anew
NEGATIVES: Final = 0.2  # of the candidates that were no answer
LEAST_CURVATURE: Final = 1e-6  # a pair's, so that no leaf divides by nothing
ROUNDS: Final = 240
FEWEST: Final = 50  # rows whose wine is among the candidates
# Short histories are many, so that the trees learn how much one is worth; those of nothing most, as all of a day ask the same.
SHARES: Final = Shares(whole=0.2, nothing=0.46, first=0.19)

# What the ranker sees, and which way a score may move with it: 1 only up, 0 either way.
SEEN: Final = {
    "tower": 0,
    "like_share_30d": 1,
    "like_share_90d": 1,
    "like_share_365d": 1,
    "member_ratings": 0,
    "item_item": 1,
    "item_item_lately": 1,
    "item_item_best": 1,
    "taste_same_producer": 1,
    "taste_same_region_and_type": 1,
    "taste_shared_grapes": 1,
    "taste_same_country": 1,
    "taste_same_type": 1,
    "wine_chance": 1,
    "price_distance": 0,  # missing where a source has no prices
}
# Chosen on a validation slice. Bins are many because the most popular wines, which matter, are few of the candidates.
TREES: Final = {
    "learning_rate": 0.05,
    "num_leaves": 12,
    "max_bin": 1023,
    "min_data_in_leaf": 40,
    "min_sum_hessian_in_leaf": 2.0,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 20.0,
    "monotone_constraints_method": "advanced",
    "verbose": -1,
    "deterministic": True,
    "force_row_wise": True,
}


@dataclass(frozen=True, slots=True)
class Judged:
    """Candidates of rows: `features` (pairs, FEATURES) float32, `is_answer` (pairs,), `sizes` (looks at rows,) pairs of each."""

    features: npt.NDArray[np.float32]
    is_answer: npt.NDArray[np.bool_]
    sizes: npt.NDArray[np.int64]


def judged_candidates(rows: LikedRows, sources: Sources, seed: int) -> Judged:
    """The candidates of the rows, some of them at random, LOOKS times with histories cut at random.

    Rows whose wine is not proposed are left out; BadInput where too few are left.
    """
    rng = np.random.default_rng(seed)
    features, answers, sizes = [], [], []
    looks = (groups(rows, cut_histories(rows.full, SHARES, rng), sources) for _ in range(LOOKS))
    for group in chain.from_iterable(looks):
        retrieved = retrieve(sources, group.asked, group.shelf, group.rated)
        pool = pool_of(group.asked, group.shelf, retrieved.scores[TOWERS], retrieved.proposed)
        is_answer = retrieved.proposed.rows == rows.wine_rows[group.places][:, None]
        # Negatives are kept at one rate wherever they stand: another rate for some would teach that the others are seldom right.
        kept = pool.is_there & (is_answer | (rng.random(is_answer.shape) < NEGATIVES)) & is_answer.any(axis=1, keepdims=True)
        features.append(pair_features(pool, sources.item_item)[kept])
        answers.append(is_answer[kept])
        sizes.append(kept.sum(axis=1))
    size = np.concatenate(sizes) if sizes else np.zeros(0, dtype=np.int64)
    if (size > 0).sum() < FEWEST * LOOKS:
        raise BadInput(f"{int((size > 0).sum()) // LOOKS} likes are too few to teach a ranker; {FEWEST} is the least: bring more ratings")
    return Judged(np.concatenate(features), np.concatenate(answers), size[size > 0])


def fit_ranker(judged: Judged, rounds: int, threads: int, seed: int) -> lightgbm.Booster:
    """A forest over FEATURES, of which it asks about SEEN only, that is added to the towers' scores to order the candidates of a row.

    It begins at the towers' order, so where likes are few it stays near it.
    """
    seen = [FEATURES.index(name) for name in SEEN]
    features = np.zeros_like(judged.features)  # a column that is the same everywhere is never asked about
    features[:, seen] = judged.features[:, seen]
    tower = judged.features[:, FEATURES.index("tower")].astype(np.float64)
    answers = judged.is_answer.astype(np.float64)
    given = {
        **TREES,
        "objective": _softmax(answers, judged.sizes),
        "monotone_constraints": [SEEN.get(name, 0) for name in FEATURES],
        "num_threads": threads,
        "seed": seed,
    }
    binned = {"max_bin": TREES["max_bin"]}
    data = lightgbm.Dataset(features, answers, init_score=tower, feature_name=list(FEATURES), params=binned)
    return lightgbm.train(given, data, rounds)


def _softmax(answers: Floats, sizes: npt.NDArray[np.int64]) -> Callable[[Floats, lightgbm.Dataset], tuple[Floats, Floats]]:
    """Gradient and curvature, in every pair's score, of the cross entropy between a softmax over each row's pairs and its answer."""
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])

    def objective(scores: Floats, _: lightgbm.Dataset) -> tuple[Floats, Floats]:
        raised = np.exp(scores - np.repeat(np.maximum.reduceat(scores, starts), sizes))
        chance = raised / np.repeat(np.add.reduceat(raised, starts), sizes)
        return chance - answers, np.maximum(chance * (1 - chance), LEAST_CURVATURE)

    return objective
