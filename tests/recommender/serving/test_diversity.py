"""Less of the same: against a slow, plain writing of the same rule, and what it must never do."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_recommender.serving.diversity import diversify


@st.composite
def lists(draw):
    wines = draw(st.integers(1, 12))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    scores = np.sort(generator.normal(size=wines))[::-1]
    return scores, generator.normal(size=(wines, 4)).astype(np.float32)


def cosine(one, other) -> float:
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))


def plain(scores, vectors, diversity, places):
    """Carbonell and Goldstein's rule, a wine at a time."""
    wide = vectors.astype(np.float64)
    spread = scores[0] - scores[-1]
    relevance = [(score - scores[-1]) / spread if spread else 1.0 for score in scores]
    chosen, left = [0], list(range(1, len(scores)))
    while left and len(chosen) < places:
        worth = {
            wine: (1 - diversity) * relevance[wine] - diversity * max((1 + cosine(wide[wine], wide[above])) / 2 for above in chosen)
            for wine in left
        }
        best = max(left, key=worth.__getitem__)
        chosen.append(best)
        left.remove(best)
    return chosen + left


@settings(max_examples=200, deadline=None)
@given(lists(), st.floats(0.01, 1), st.integers(1, 12))
def test_each_place_goes_to_who_is_worth_most_there(case, diversity, places):
    scores, vectors = case
    assert diversify(scores, vectors, diversity, places).tolist() == plain(scores, vectors, diversity, places)


@settings(max_examples=100, deadline=None)
@given(lists(), st.integers(1, 12))
def test_without_diversity_the_list_stays_as_it_was_ranked(case, places):
    assert diversify(*case, 0.0, places).tolist() == list(range(len(case[0])))


@settings(max_examples=100, deadline=None)
@given(lists(), st.floats(0, 1), st.integers(1, 12), st.floats(0.5, 2))
def test_nothing_is_lost_the_first_stays_and_scales_do_not_matter(case, diversity, places, factor):
    scores, vectors = case
    order = diversify(scores, vectors, diversity, places)
    assert sorted(order.tolist()) == list(range(len(scores)))
    assert order[0] == 0
    assert diversify(scores, vectors * 2, diversity, places).tolist() == order.tolist()
    assert diversify(scores * 4 + 1, vectors, diversity, places)[: min(2, places)].tolist() == order[: min(2, places)].tolist()


def test_copies_of_a_wine_go_behind_what_is_another():
    vectors = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [-1, 0]], dtype=np.float32)
    scores = np.array([5.0, 4.9, 4.8, 4.7, 4.6])
    assert diversify(scores, vectors, 0.6, 3).tolist() == [0, 4, 3, 1, 2]


def test_wines_of_which_nothing_is_known_and_equal_scores_are_taken_as_they_come():
    order = diversify(np.full(4, 1.0), np.zeros((4, 3), dtype=np.float32), 0.7, 4)
    assert order.tolist() == [0, 1, 2, 3]


def test_three_hundred_candidates_fill_a_hundred_places():
    generator = np.random.default_rng(7)
    scores, vectors = np.sort(generator.normal(size=300))[::-1], generator.normal(size=(300, 64)).astype(np.float32)
    order = diversify(scores, vectors, 0.4, 100)
    assert order[:25].tolist() == plain(scores, vectors, 0.4, 25)[:25]
    assert sorted(order.tolist()) == list(range(300))
    assert order[100:].tolist() == sorted(order[100:].tolist())


def test_what_rules_moved_has_the_worth_of_its_place():
    vectors = np.array([[1, 0], [0, 1], [1, 1], [-1, 1]], dtype=np.float32)
    moved, sorted_scores = np.array([1.0, 9.0, 3.0, 2.0]), np.array([9.0, 3.0, 2.0, 1.0])
    for diversity in (0.1, 0.5, 0.9):
        assert diversify(moved, vectors, diversity, 4).tolist() == diversify(sorted_scores, vectors, diversity, 4).tolist()
    assert diversify(moved, vectors, 0.1, 4).tolist() == [0, 1, 2, 3]
