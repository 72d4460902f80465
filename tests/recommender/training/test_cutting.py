"""Histories are cut as the shares say, and never reach past a row's own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cellar_recommender.training.cutting import FIRST, Shares, cut_histories
from cellar_recommender.training.rows import HISTORY_LIMIT
from cellar_shared.store.looking_back import Span


def spans(lengths) -> Span:
    ends = np.cumsum(lengths)
    return Span(ends - lengths, ends)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=50), st.integers(0, 2**32 - 1))
def test_a_cut_history_is_a_stretch_of_the_rows_own(lengths, seed):
    full = spans(np.array(lengths))
    cut = cut_histories(full, Shares(whole=0.3, nothing=0.2, first=0.2), np.random.default_rng(seed))
    assert (cut.begin >= full.begin).all()
    assert (cut.end <= full.end).all()
    assert (cut.lengths >= 0).all()
    assert (cut.lengths <= HISTORY_LIMIT).all()
    # It begins where the row's history does, or it ends there: the oldest five or the newest of any number.
    first = (cut.begin == full.begin) & (cut.lengths <= FIRST)
    assert (first | (cut.end == full.end)).all()


def test_each_kind_comes_as_often_as_its_share():
    full = spans(np.full(20_000, 60))
    cut = cut_histories(full, Shares(whole=0.5, nothing=0.1, first=0.2), np.random.default_rng(1))
    is_first = (cut.begin == full.begin) & (cut.lengths == FIRST)
    # 20,000 draws of a share of .5 scatter by .0035.
    assert abs((cut.lengths == 60).mean() - 0.5) < 0.02
    assert abs((cut.lengths == 0).mean() - 0.1) < 0.02
    assert abs(is_first.mean() - 0.2) < 0.02
    rest = cut.lengths[(cut.lengths < 60) & (cut.lengths > 0) & ~is_first]
    assert abs(rest.mean() - 30) < 2


def test_whole_histories_alone_are_the_newest_ratings():
    full = spans(np.array([3, 250, 0]))
    cut = cut_histories(full, Shares(whole=1.0, nothing=0.0, first=0.0), np.random.default_rng(1))
    assert cut.lengths.tolist() == [3, HISTORY_LIMIT, 0]
    assert (cut.end == full.end).all()
