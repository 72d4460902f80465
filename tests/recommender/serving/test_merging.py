"""Quotas, order and exclusions of merged candidates."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cellar_recommender.serving.merging import NONE, best, merge

LISTS = st.lists(st.permutations(range(12)).map(lambda order: order[:8]), min_size=1, max_size=3)


@given(LISTS, st.lists(st.integers(0, 6), min_size=3, max_size=3), st.integers(1, 12))
def test_candidates_are_distinct_within_quotas_and_as_many_as_there_are(lists, quotas, limit):
    names = [f"source {place}" for place in range(len(lists))]
    candidates, owed = merge(
        {name: np.array([ranked]) for name, ranked in zip(names, lists, strict=True)}, dict(zip(names, quotas, strict=False)), limit
    )
    found = candidates[0][candidates[0] != NONE].tolist()
    proposed = set().union(*lists)
    assert len(found) == len(set(found)) == min(limit, len(proposed))
    assert set(found) <= proposed
    assert ((candidates == NONE) == (owed == NONE)).all()
    for wine, source in zip(found, owed[0], strict=False):
        assert wine in lists[source]


def test_each_source_gets_its_quota_though_another_would_fill_the_list():
    lists = {"one": np.array([[0, 1, 2, 3, 4, 5]]), "two": np.array([[0, 9, 8, 7, 6, 5]])}
    candidates, owed = merge(lists, {"one": 2, "two": 2}, 4)
    assert candidates.tolist() == [[0, 9, 1, 8]]
    assert owed.tolist() == [[0, 1, 0, 1]]


def test_the_best_are_the_highest_and_ties_fall_to_the_lower_place():
    scores = np.array([[1.0, 3.0, -np.inf, 3.0, 2.0]], dtype=np.float32)
    assert best(scores, 3).tolist() == [[1, 3, 4]]
    assert best(scores, 7).tolist() == [[1, 3, 4, 0, NONE, NONE, NONE]]


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_the_best_of_many_are_those_of_a_full_sort(seed, most):
    scores = np.random.default_rng(seed).integers(0, 30, (3, 700)).astype(np.float32)
    wanted = np.argsort(-scores, axis=1, kind="stable")[:, :most]
    assert (best(scores, most) == wanted).all()
