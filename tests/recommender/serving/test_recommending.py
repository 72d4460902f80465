"""What the forest may say of a wine: nothing where nobody has rated it."""

from __future__ import annotations

import numpy as np
import pytest

from cellar_recommender.serving.ranking import FEATURES, IS_RATED
from cellar_recommender.serving.recommender import Recommender
from cellar_recommender.serving.recommending import corrections


@pytest.fixture(scope="module")
def forest(line):
    return Recommender.open(line.bundle).forest


def features(*is_rated: tuple[bool, ...]) -> np.ndarray:
    values = np.random.default_rng(3).normal(size=(len(is_rated), len(is_rated[0]), len(FEATURES))).astype(np.float32)
    values[..., FEATURES.index(IS_RATED)] = is_rated
    return values


def test_a_wine_nobody_has_rated_gets_the_middle_of_what_the_others_get(forest):
    asked = features((True, True, False, True, False), (True, True, True, True, True))
    there = np.array([[True, True, True, True, True], [True, True, True, False, True]])
    plain, given = forest.scores(asked), corrections(forest, asked, there)
    assert given[0, [2, 4]] == pytest.approx(np.median(plain[0, [0, 1, 3]]))
    np.testing.assert_array_equal(given[0, [0, 1, 3]], plain[0, [0, 1, 3]])
    np.testing.assert_array_equal(given[1], plain[1])


def test_what_is_no_candidate_has_no_part_in_the_middle(forest):
    asked = features((True, True, False, True))
    there = np.array([[True, False, True, True]])
    assert corrections(forest, asked, there)[0, 2] == pytest.approx(np.median(forest.scores(asked)[0, [0, 3]]))


def test_among_wines_nobody_has_rated_the_towers_alone_decide(forest):
    asked = features((False, False, False))
    np.testing.assert_array_equal(corrections(forest, asked, np.ones((1, 3), dtype=bool)), np.zeros((1, 3)))
