"""Contributions of features along the paths of a forest: with the base they are the score, and they go to what a path asks."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellar_recommender.serving.contributions import TREES_FILE, Trees, contributions
from cellar_recommender.serving.forest import Forest
from cellar_recommender.serving.golden import GoldenCases
from cellar_recommender.serving.ranking import FEATURES, pair_features
from cellar_recommender.serving.recommender import GOLDEN_FILE, Recommender
from cellar_recommender.serving.recommending import retrieve
from cellar_recommender.serving.sources import TOWERS, pool_of
from cellar_recommender.training.forest_export import export_forest, plain_trees
from cellar_shared.errors import BadInput
from cellar_shared.events.moments import MICROSECONDS_PER_DAY

WIDTH = 6
SUM_TOLERANCE = 1e-5  # the ONNX forest adds 40 leaves of size .1 up in float32
# One tree: asks feature 1 at .5, and left of it feature 0 at -1; a missing feature 1 goes right, a missing feature 0 left.
TREE = Trees(
    roots=np.array([0], dtype=np.int32),
    feature=np.array([1, 0, 0, 0, 0], dtype=np.int32),
    threshold=np.array([0.5, -1.0, 0.0, 0.0, 0.0], dtype=np.float32),
    is_missing_left=np.array([False, True, False, False, False]),
    left=np.array([1, 2, 2, 3, 4], dtype=np.int32),
    right=np.array([4, 3, 2, 3, 4], dtype=np.int32),
    value=np.array([1.0, 2.0, 5.0, -1.0, -3.0]),
)


@pytest.fixture(scope="module")
def forest() -> tuple[Trees, Forest]:
    rng = np.random.default_rng(8)
    values = rng.normal(size=(2000, WIDTH)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    answer = np.nan_to_num(values[:, 0]) * (np.nan_to_num(values[:, 3]) > 0) + np.nan_to_num(values[:, 4]) > 0.5
    given = {"objective": "lambdarank", "verbose": -1, "num_leaves": 31, "num_threads": 1, "seed": 1, "min_data_in_leaf": 5}
    content = export_forest(lightgbm.train(given, lightgbm.Dataset(values[:, :5], answer, group=[10] * 200), 40))
    return plain_trees(content), Forest(content)


@given(arrays(np.float32, st.tuples(st.integers(0, 8), st.just(5)), elements=st.floats(width=32)))
def test_base_and_contributions_are_the_score(forest, rows):
    trees, onnx = forest
    base, added = contributions(trees, rows)
    assert added.shape == rows.shape
    np.testing.assert_allclose(base + added.sum(axis=1), onnx.scores(rows), atol=SUM_TOLERANCE)


@given(arrays(np.float32, (5, 5), elements=st.floats(-3, 3, width=32)), st.integers(0, 4))
def test_a_row_alone_is_what_it_is_among_others(forest, rows, place):
    _, among = contributions(forest[0], rows)
    _, alone = contributions(forest[0], rows[[place]])
    np.testing.assert_allclose(alone[0], among[place], atol=1e-12)


@pytest.mark.parametrize(
    ("row", "added"),
    [
        ((-1.0, 0.5), (3.0, 1.0)),  # on both thresholds: left and left
        ((0.0, 0.0), (-3.0, 1.0)),
        ((-9.0, 1.0), (0.0, -4.0)),  # feature 0 is never asked
        ((np.nan, 0.0), (3.0, 1.0)),
        ((0.0, np.nan), (0.0, -4.0)),
        ((-np.inf, -np.inf), (3.0, 1.0)),
        ((np.inf, np.inf), (0.0, -4.0)),
    ],
)
def test_each_step_is_credited_to_the_feature_that_was_asked(row, added):
    base, found = contributions(TREE, np.array([row], dtype=np.float32))
    assert base == 1.0
    np.testing.assert_array_equal(found[0], added)


def test_a_forest_adds_its_trees_up():
    twice = Trees(np.array([0, 0], dtype=np.int32), *(getattr(TREE, name) for name in list(TREE.__slots__)[1:]))
    base, found = contributions(twice, np.array([[0.0, 0.0]], dtype=np.float32))
    assert (base, found.tolist()) == (2.0, [[-6.0, 2.0]])


def test_fewer_features_than_are_asked_for_are_refused():
    with pytest.raises(BadInput, match="asks for 2 features and was given 1"):
        contributions(TREE, np.zeros((3, 1), dtype=np.float32))


def test_a_bundle_holds_the_forest_that_it_ranks_with(line):
    recommender = Recommender.open(line.bundle)
    assert TREES_FILE in recommender.manifest.files
    golden = GoldenCases.from_bytes((line.bundle / GOLDEN_FILE).read_bytes())
    asked = recommender.asked(golden.questions, golden.counts)
    shelf = recommender.sources.shelf(golden.wines, golden.counts, golden.as_of // MICROSECONDS_PER_DAY)
    retrieved = retrieve(recommender.sources, asked, shelf, np.zeros((len(asked.tasted), len(golden.wines)), dtype=bool), limit=40)
    pool = pool_of(asked, shelf, retrieved.scores[TOWERS], retrieved.proposed)
    features = pair_features(pool, recommender.sources.item_item).reshape(-1, len(FEATURES))
    base, added = contributions(recommender.trees, features)
    np.testing.assert_allclose(base + added.sum(axis=1), recommender.forest.scores(features), atol=SUM_TOLERANCE)
    assert np.ptp(added.sum(axis=1)) > 0.01
