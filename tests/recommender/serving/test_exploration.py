"""The lot: chances that add up, that are met over seeds, and that the seed alone decides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_recommender.serving.exploration import draw, lot, propensities

SEEDS = 20_000
# Hoeffding: a frequency over n draws strays further than this from its chance with probability below 1e-6.
STRAYS_MOST = np.sqrt(np.log(2 / 1e-6) / (2 * SEEDS))

pools = st.lists(st.floats(-50, 50), min_size=1, max_size=40).map(np.array)
shares = st.floats(0.01, 1)


@settings(max_examples=200, deadline=None)
@given(pools, shares)
def test_chances_add_up_to_one_and_follow_the_scores(scores, share):
    chances = propensities(scores, share)
    np.testing.assert_allclose(chances.sum(), 1, rtol=1e-12)
    assert (chances >= 0).all()
    assert (np.diff(chances[np.argsort(scores)]) >= 0).all()


@settings(max_examples=200, deadline=None)
@given(pools, shares, st.floats(0.5, 20), st.floats(-5, 5), st.integers(0, 2**53 - 1))
def test_a_model_whose_scores_have_another_scale_explores_as_much(scores, share, factor, shift, seed):
    spread = scores.std()
    if 0 < spread < 1e-3:  # there rounding of the shift is a part of what is compared
        return
    np.testing.assert_allclose(propensities(scores * factor + shift, share), propensities(scores, share), rtol=1e-6, atol=1e-9)
    assert draw(scores, share, seed).place == draw(scores * 2, share, seed).place  # a doubling rounds nothing


@settings(max_examples=200, deadline=None)
@given(pools, shares, st.integers(0, 2**53 - 1))
def test_whoever_is_drawn_has_the_chance_that_is_told(scores, share, seed):
    drawn = draw(scores, share, seed)
    assert drawn.propensity == propensities(scores, share)[drawn.place] > 0
    assert draw(scores, share, seed) == drawn


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_over_many_seeds_each_is_drawn_as_often_as_told(share):
    scores = np.array([2.0, 1.5, 1.4, 0.3, -1.0, -4.0])
    times = np.bincount([draw(scores, share, seed).place for seed in range(SEEDS)], minlength=len(scores))
    assert np.abs(times / SEEDS - propensities(scores, share)).max() < STRAYS_MOST


def test_lots_of_any_seeds_are_spread_evenly():
    for seeds in (range(SEEDS), range(2**53 - SEEDS, 2**53)):
        lots = np.sort([lot(seed) for seed in seeds])
        # Kolmogorov-Smirnov in the bound of Dvoretzky, Kiefer, Wolfowitz (Massart 1990), the same as Hoeffding's.
        assert np.abs(lots - np.arange(SEEDS) / SEEDS).max() < STRAYS_MOST
        assert lots[0] >= 0 and lots[-1] < 1


def test_a_seed_draws_the_same_for_ever():
    assert [lot(seed) for seed in (0, 1, 2**53 - 1)] == [0.4831532465143257, 0.9156677984954948, 0.7726861291880455]


def test_nothing_is_drawn_without_exploration_or_without_a_pool():
    assert draw(np.array([1.0, 2.0]), 0.0, 1) is None
    assert draw(np.zeros(0), 1.0, 1) is None


def test_equal_scores_are_drawn_equally():
    assert propensities(np.full(4, 0.1 + 0.2), 0.01).tolist() == [0.25] * 4
