"""The exported forest takes LightGBM's leaf for every row of float32: on thresholds, beside them, missing and infinite."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_recommender.serving.contributions import Trees, contributions
from cellar_recommender.serving.forest import Forest
from cellar_recommender.training.forest_export import export_forest, plain_trees, threshold_of

# Leaves are of size .1; 60 of them are added up in float32 in one and in float64 in the other.
SUM_TOLERANCE = 1e-5


def booster(with_missing: bool, objective: str = "regression") -> lightgbm.Booster:
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(size=(3000, 3)), rng.integers(-3, 4, (3000, 2)), np.exp(rng.normal(0, 12, (3000, 1)))], axis=1)
    values = values.astype(np.float32)
    if with_missing:
        values[rng.random(values.shape) < 0.1] = np.nan
    answer = (
        np.nan_to_num(values[:, 0]) * (np.nan_to_num(values[:, 3]) > 0) + np.log1p(np.nan_to_num(values[:, 5])) / 9 + rng.normal(size=3000)
    )
    given = {"objective": objective, "verbose": -1, "num_leaves": 15, "num_threads": 1, "seed": 1, "min_data_in_leaf": 5}
    data = lightgbm.Dataset(values, answer > 0.5, group=[10] * 300) if objective == "lambdarank" else lightgbm.Dataset(values, answer)
    return lightgbm.train(given, data, 60)


def thresholds(model: lightgbm.Booster) -> list[tuple[int, float]]:
    found = []

    def walk(node):
        if "threshold" in node:
            found.append((node["split_feature"], node["threshold"]))
            walk(node["left_child"])
            walk(node["right_child"])

    for tree in model.dump_model()["tree_info"]:
        walk(tree["tree_structure"])
    return found


def around(threshold: float) -> tuple[np.float32, ...]:
    """The float32 nearest to the threshold, and the next ones up and down."""
    with np.errstate(over="ignore"):
        nearest = np.float32(threshold)
        return nearest, np.nextafter(nearest, np.float32(np.inf)), np.nextafter(nearest, np.float32(-np.inf))


def edges(model: lightgbm.Booster) -> np.ndarray:
    """For every threshold rows that are, in its feature, exactly on it, on the float32 around it and on the next ones up and down;
    for every feature rows without a value and with infinite ones."""
    rng = np.random.default_rng(4)
    rows = []
    for feature, threshold in thresholds(model):
        for value in around(threshold):
            row = rng.normal(size=model.num_feature()).astype(np.float32)
            row[feature] = value
            rows.append(row)
    for feature in range(model.num_feature()):
        for value in (np.nan, np.inf, -np.inf, 0.0, -0.0, np.finfo(np.float32).max, np.finfo(np.float32).min, np.finfo(np.float32).tiny):
            for _ in range(20):
                row = rng.normal(size=model.num_feature()).astype(np.float32)
                row[feature] = value
                rows.append(row)
    rows += [np.full(model.num_feature(), value, dtype=np.float32) for value in (np.nan, np.inf, -np.inf)]
    return np.stack(rows)


@pytest.mark.parametrize("with_missing", [False, True])
@pytest.mark.parametrize("objective", ["regression", "lambdarank"])
def test_every_row_takes_the_same_leaf(with_missing, objective):
    model = booster(with_missing, objective)
    rows = edges(model)
    assert len(rows) > 500
    for tree in range(model.num_trees()):
        # A leaf's value names the leaf: one tree alone adds nothing up.
        single = Forest(export_forest(model, trees=[tree])).scores(rows)
        leaves = model.predict(rows, pred_leaf=True)[:, tree]
        values = {leaf: np.float32(model.get_leaf_output(tree, int(leaf))) for leaf in set(leaves)}
        assert (single.astype(np.float32) == np.array([values[leaf] for leaf in leaves])).all(), tree
    whole = Forest(export_forest(model)).scores(rows)
    assert np.abs(whole - model.predict(rows, raw_score=True)).max() < SUM_TOLERANCE * max(1.0, np.abs(whole).max())


@pytest.mark.parametrize("with_missing", [False, True])
@pytest.mark.parametrize("objective", ["regression", "lambdarank"])
def test_the_plain_arrays_score_every_row_as_the_onnx_forest_does(with_missing, objective):
    model = booster(with_missing, objective)
    rows, content = edges(model), export_forest(model)
    base, added = contributions(Trees.from_bytes(plain_trees(content).to_bytes()), rows)
    np.testing.assert_allclose(base + added.sum(axis=1), Forest(content).scores(rows), atol=SUM_TOLERANCE)
    for tree in (0, 7, 59):
        # A leaf's value names the leaf.
        single = export_forest(model, trees=[tree])
        trees = plain_trees(single)
        assert len(np.unique(trees.value[trees.left == np.arange(len(trees.left))])) == model.params["num_leaves"]
        base, added = contributions(trees, rows)
        np.testing.assert_allclose(base + added.sum(axis=1), Forest(single).scores(rows), atol=1e-7)


def test_an_inner_node_is_worth_what_its_rows_were_given_on_average():
    rng = np.random.default_rng(5)
    values = rng.normal(size=(1000, 3)).astype(np.float32)
    given = {"verbose": -1, "num_leaves": 8, "num_threads": 1, "seed": 1, "learning_rate": 1.0}
    model = lightgbm.train(given, lightgbm.Dataset(values, values[:, 0] + values[:, 1] ** 2), 1)
    trees = plain_trees(export_forest(model))
    scores = model.predict(values)
    # Every row that was learnt from passes the root, and those left of its threshold the root's left child.
    np.testing.assert_allclose(trees.base, scores.mean(), rtol=1e-6)
    is_left = values[:, trees.feature[0]] <= trees.threshold[0]
    assert 0 < is_left.sum() < len(values)
    np.testing.assert_allclose(trees.value[trees.left[0]], scores[is_left].mean(), rtol=1e-5)
    np.testing.assert_allclose(trees.value[trees.right[0]], scores[~is_left].mean(), rtol=1e-5)


def test_a_tree_that_never_parts_is_one_leaf():
    model = lightgbm.train({"verbose": -1, "min_data_in_leaf": 90}, lightgbm.Dataset(np.arange(100.0)[:, None], np.arange(100.0)), 1)
    trees = plain_trees(export_forest(model))
    base, added = contributions(trees, np.zeros((2, 1), dtype=np.float32))
    assert (base, added.tolist()) == (pytest.approx(model.predict(np.zeros((1, 1)))[0]), [[0.0], [0.0]])


def test_rounding_to_the_nearest_would_move_rows():
    # That the rows above can tell: some thresholds' nearest float32 lies above them.
    model = booster(False)
    assert any(float(around(threshold)[0]) > threshold for _, threshold in thresholds(model))


def as_read(value: float) -> float:
    """The value as LightGBM's prediction reads it."""
    return 0.0 if abs(value) <= float(np.float32(1e-35)) else float(value)


@given(st.floats(-9e299, 9e299, width=64), st.floats(allow_nan=False, width=32))
def test_a_rounded_threshold_parts_floats_as_the_exact_one_does(threshold, value):
    assert bool(np.float32(value) <= threshold_of(threshold)) == (as_read(value) <= threshold)


@given(st.floats(-9e299, 9e299, width=64) | st.floats(-2e-35, 2e-35, width=64))
def test_the_floats_next_to_a_threshold_fall_as_it_says(threshold):
    for value in around(threshold):
        assert bool(value <= threshold_of(threshold)) == (as_read(value) <= threshold)
