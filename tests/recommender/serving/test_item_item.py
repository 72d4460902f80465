"""Weights between wines: dense and sparse agree, and what is learnt is what the formulas say."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cellar_recommender.serving.item_item import ItemItem
from cellar_recommender.training.item_item import HALF_LIFE_DAYS, RIDGE, Tastings, ease, learn_item_item, likes_matrix, neighbours

MEMBERS = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3, 3])
WINES = np.array([70, 20, 50, 20, 50, 70, 20, 90, 90, 50])
LIKED = np.array([1, 1, 0, 1, 1, 0, 1, 1, 1, 0], dtype=bool)
AGES = np.array([0, 800, 10, 50, 2000, 5, 7, 900, 30, 400], dtype=np.float64)
TASTINGS = Tastings(MEMBERS, WINES, LIKED, AGES)
NOTHING = Tastings(MEMBERS[:0], WINES[:0], LIKED[:0], AGES[:0])


def test_sparse_weights_answer_as_the_same_weights_kept_dense():
    kept = learn_item_item(TASTINGS, dense_at_most=0)
    assert not kept.is_dense
    wines = len(kept.identities)
    full = sparse.csr_array((kept.weights, kept.columns, kept.offsets), shape=(wines, wines)).toarray()
    dense = ItemItem.dense(kept.identities, full)
    liked = np.array([[0, 2, -1], [3, 1, 0], [-1, -1, -1]])
    counts = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 2.0], [1.0, 1.0, 1.0]], dtype=np.float32)
    np.testing.assert_allclose(kept.scores(liked, counts), dense.scores(liked, counts), rtol=1e-6)
    np.testing.assert_array_equal(kept.between(liked[:, :, None], np.arange(wines)), dense.between(liked[:, :, None], np.arange(wines)))
    assert kept.between(np.array([-1, 0]), np.array([0, -1])).tolist() == [0.0, 0.0]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 5), st.integers(1, 30))
def test_weights_are_found_whatever_is_asked_and_however_many_ask(seed, wines, questions, items):
    """Few who ask are answered another way than many: by the rows of what they liked alone."""
    draw = np.random.default_rng(seed)
    full = np.where(draw.random((wines, wines)) < draw.random(), draw.normal(size=(wines, wines)), 0.0).astype(np.float32)
    kept = sparse.csr_array(full)
    kept.sort_indices()
    few = ItemItem(np.arange(wines), kept.data, kept.indices.astype(np.int32), kept.indptr.astype(np.int64))
    dense = ItemItem.dense(np.arange(wines), full)
    liked, asked = draw.integers(-1, wines, (questions, items)), draw.integers(-1, wines, (questions, 7))
    between = np.where((liked[:, None] >= 0) & (asked[:, :, None] >= 0), full[liked[:, None], asked[:, :, None]], 0.0)
    for weights in (few, dense):
        np.testing.assert_array_equal(weights.between(liked[:, None], asked[:, :, None]), between)
    counts = draw.integers(0, 3, (questions, items)).astype(np.float32)
    wanted = np.stack([(counts[at] * (liked[at] >= 0)) @ full[liked[at]].astype(np.float64) for at in range(questions)])
    for weights in (few, dense):
        np.testing.assert_allclose(weights.scores(liked, counts), wanted, atol=1e-4)


def test_a_wine_is_found_by_its_identity_alone():
    learnt = learn_item_item(TASTINGS)
    assert learnt.is_dense
    assert learnt.places(np.array([20, 50, 70, 90, 91, 0])).tolist() == [0, 1, 2, 3, -1, -1]


def test_ease_is_the_ridge_regression_of_each_wine_on_all_others():
    likes = likes_matrix(MEMBERS, np.unique(WINES, return_inverse=True)[1], 4)
    dense = likes.toarray().astype(np.float64)
    weights = ease(likes, likes, 2.0)
    for wine in range(4):
        others = [other for other in range(4) if other != wine]
        solved = np.linalg.solve(dense[:, others].T @ dense[:, others] + 2.0 * np.eye(3), dense[:, others].T @ dense[:, wine])
        np.testing.assert_allclose(weights[others, wine], solved, atol=1e-6)
        assert weights[wine, wine] == 0


def test_what_is_learnt_is_the_ridge_regression_of_likes_on_tastings_that_count_less_with_age():
    identities, wine = np.unique(WINES, return_inverse=True)
    weight = np.exp2(-AGES / HALF_LIFE_DAYS / 2)
    tasted, liked = np.zeros((4, 4)), np.zeros((4, 4))
    tasted[MEMBERS, wine] = weight
    liked[MEMBERS, wine] = weight * LIKED
    learnt = learn_item_item(TASTINGS)
    assert learnt.identities.tolist() == identities.tolist()
    for asked in range(4):
        others = [other for other in range(4) if other != asked]
        solved = np.linalg.solve(tasted[:, others].T @ tasted[:, others] + RIDGE * np.eye(3), tasted[:, others].T @ liked[:, asked])
        np.testing.assert_allclose(learnt.weights[others, asked], solved, atol=1e-9, rtol=1e-5)
        assert learnt.weights[asked, asked] == 0


def test_a_pair_that_comes_again_counts_once_by_its_greatest_weight():
    matrix = likes_matrix(np.array([7, 7, 9]), np.array([1, 1, 0]), 2, np.array([0.5, 0.25, 1.0], dtype=np.float32))
    assert matrix.toarray().tolist() == [[0.0, 0.5], [1.0, 0.0]]


def test_neighbours_are_shrunken_cosines_without_the_wine_itself():
    likes = likes_matrix(MEMBERS, np.unique(WINES, return_inverse=True)[1], 4)
    dense = likes.toarray()
    together, count = dense.T @ dense, dense.sum(axis=0)
    wanted = together / (np.sqrt(np.outer(count, count)) + 3.0)
    np.fill_diagonal(wanted, 0.0)
    np.testing.assert_allclose(neighbours(likes, likes, 4, 3.0).toarray(), wanted, rtol=1e-6)
    assert (np.diff(neighbours(likes, likes, 1, 3.0).tocsc().indptr) == 1).all()


def test_nothing_liked_teaches_nothing():
    nothing = learn_item_item(NOTHING)
    assert nothing.scores(np.array([[-1]]), np.ones((1, 1), dtype=np.float32)).shape == (1, 0)
    assert nothing.between(np.array([[-1]]), np.array([-1, -1])).tolist() == [[0.0, 0.0]]
