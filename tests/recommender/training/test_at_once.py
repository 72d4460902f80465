"""Members asked once: their first row stands for them, all their likes are right, and the measures are those of sets."""

from __future__ import annotations

from math import log2
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_recommender.training.evaluation.at_once import AtOnce, Once, measures_at_once
from cellar_recommender.training.evaluation.metrics import NEVER, measures


class Rows(SimpleNamespace):
    def __len__(self):
        return len(self.members)


def test_each_member_is_asked_once_about_all_their_likes():
    rows = Rows(members=np.array([1, 1, 2, 1, 2]), as_of=np.array([30, 10, 50, 20, 40]), wine_rows=np.array([7, 8, 9, 6, 5]))
    once = Once.of(rows)
    assert once.is_first.tolist() == [False, True, False, False, True]
    assert {row: sorted(likes.tolist()) for row, likes in once.likes.items()} == {1: [6, 7, 8], 4: [5, 9]}


def test_measures_of_known_ranks():
    found = measures_at_once(np.array([1, 30, 200]))
    best = 1 + 1 / log2(3) + 1 / log2(4)
    assert found["ndcg_10"] == pytest.approx((1 / log2(3)) / best)
    assert found["recall_10"] == pytest.approx(1 / 3)
    assert found["recall_50"] == pytest.approx(2 / 3)
    assert found["mrr"] == 0.5
    assert measures_at_once(np.array([NEVER, NEVER])) == {"ndcg_10": 0.0, "recall_10": 0.0, "recall_50": 0.0, "mrr": 0.0}


@given(st.integers(0, 400))
def test_one_like_is_worth_what_a_question_about_it_is(rank):
    asked = measures(np.array([rank]), 401)
    for name, value in measures_at_once(np.array([rank])).items():
        assert value == pytest.approx(asked[name][0])


@given(st.sets(st.integers(0, 100), min_size=1, max_size=30))
def test_the_best_list_there_is_has_all_gains(answers):
    scores = np.zeros(101)
    scores[list(answers)] = np.arange(len(answers)) + 1.0
    once = AtOnce()
    once.add(scores, np.array(sorted(answers)))
    found = {name: values[0] for name, values in once.arrays().items()}
    assert found["ndcg_10"] == pytest.approx(1.0)
    assert found["recall_50"] == found["mrr"] == 1.0
