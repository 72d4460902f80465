"""The ranker asks about few features, moves with them in the direction that makes sense, and learns from short histories too."""

from __future__ import annotations

import numpy as np
import pytest

from cellar_recommender.serving.forest import Forest
from cellar_recommender.serving.ranking import FEATURES
from cellar_recommender.training.forest_export import export_forest
from cellar_recommender.training.ranker import SEEN, Judged, fit_ranker

ROWS, EACH = 600, 40
SUM_TOLERANCE = 1e-5


def judged(seed: int = 3) -> Judged:
    """Rows whose answers are drawn by their like share and, in rows with ratings, by what goes with them."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(ROWS, EACH, len(FEATURES))).astype(np.float32)
    features[..., FEATURES.index("member_ratings")] = np.repeat(rng.integers(0, 2, ROWS)[:, None], EACH, axis=1)
    goes = features[..., FEATURES.index("item_item")] * features[..., FEATURES.index("member_ratings")]
    worth = features[..., FEATURES.index("tower")] + 1.5 * features[..., FEATURES.index("like_share_365d")] + goes
    answers = (worth + rng.gumbel(size=worth.shape)).argmax(axis=1)
    return Judged(features.reshape(-1, len(FEATURES)), (np.arange(EACH) == answers[:, None]).ravel(), np.full(ROWS, EACH))


@pytest.fixture(scope="module")
def ranker():
    return fit_ranker(judged(), rounds=120, threads=1, seed=1)


def ranks(scores, answers):
    return (scores > np.where(answers, scores, -np.inf).max(axis=1, keepdims=True)).sum(axis=1)


def test_it_orders_rows_it_never_saw_better_than_the_towers(ranker):
    other = judged(seed=4)
    tower = other.features[:, FEATURES.index("tower")]
    answers = other.is_answer.reshape(ROWS, EACH)
    ranked = ranks((tower + ranker.predict(other.features)).reshape(ROWS, EACH), answers)
    plain = ranks(tower.reshape(ROWS, EACH), answers)
    assert ranked.mean() < 0.7 * plain.mean()


def test_it_asks_only_about_what_it_may_see(ranker):
    used = {FEATURES[place] for place in np.flatnonzero(ranker.feature_importance())}
    assert "like_share_365d" in used
    assert used <= set(SEEN)


@pytest.mark.parametrize("name", [name for name, way in SEEN.items() if way == 1])
def test_more_of_what_speaks_for_a_wine_never_lowers_it(ranker, name):
    features = judged(seed=5).features[:500]
    forest = Forest(export_forest(ranker))
    before = forest.scores(features)
    for more in (0.1, 1.0, 5.0):
        raised = features.copy()
        raised[:, FEATURES.index(name)] += more
        assert (forest.scores(raised) >= before - SUM_TOLERANCE).all()


def test_the_same_rows_make_the_same_ranker(ranker):
    again = fit_ranker(judged(), rounds=120, threads=1, seed=1)
    assert again.model_to_string() == ranker.model_to_string()
