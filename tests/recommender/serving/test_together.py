"""Several members' scores as one: laws of fairness."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cellar_recommender.serving.together import together

members = st.lists(st.floats(0, 1), min_size=2, max_size=8)


def of(scores) -> float:
    return float(together(np.array(scores)[:, None])[0])


@given(members, st.data())
def test_more_for_one_is_never_less_for_all(scores, data):
    member = data.draw(st.integers(0, len(scores) - 1))
    more = data.draw(st.floats(scores[member], 1))
    assert of([more if at == member else score for at, score in enumerate(scores)]) >= of(scores)


@given(members.flatmap(lambda scores: st.tuples(st.just(scores), st.permutations(scores))))
def test_nobody_is_first_among_equals(both):
    assert of(both[0]) == of(both[1])


@given(members)
def test_it_lies_between_the_least_and_the_mean(scores):
    assert min(scores) - 1e-12 <= of(scores) <= np.mean(scores) + 1e-12


def test_what_one_would_suffer_from_comes_after_what_all_like_a_little():
    liked_by_two_hated_by_one, liked_a_little = [0.95, 0.95, 0.1], [0.65, 0.65, 0.65]
    assert np.mean(liked_by_two_hated_by_one) > np.mean(liked_a_little)
    assert of(liked_by_two_hated_by_one) < of(liked_a_little)


def test_each_wine_is_judged_by_itself():
    scores = np.array([[0.2, 0.9, 0.5], [0.4, 0.1, 0.5]])
    np.testing.assert_allclose(together(scores), [0.25, 0.3, 0.5])
