"""Trailing offsets: what they see, what they don't, and that they mend a drift."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.calibration.trailing import PULL, WINDOW_DAYS, TrailingOffset


def drifting_world(shift: float, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """400 days of answers whose outcomes follow them for 200 days, then lie `shift` above on the logit scale."""
    rng = np.random.default_rng(seed)
    days = np.sort(rng.integers(18_000, 18_400, 40_000))
    logits = rng.normal(0.5, 1.0, len(days))
    true = 1 / (1 + np.exp(-(logits + np.where(days >= 18_200, shift, 0.0))))
    return days, 1 / (1 + np.exp(-logits)), (rng.random(len(days)) < true).astype(float)


def test_no_outcomes_call_for_no_offset() -> None:
    nothing = TrailingOffset.of_outcomes(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))
    assert nothing.at(np.array([0, 18_000])).tolist() == [0.0, 0.0]


def test_a_lasting_shift_is_found_and_what_came_before_is_left_alone() -> None:
    track = TrailingOffset.of_outcomes(*drifting_world(0.4))
    # One Newton step from zero: exact to second order in the shift. 12,000 outcomes in the window, standard error .02.
    assert abs(track.at(np.array([18_399]))[0] - 0.4) < 0.06
    assert np.abs(track.at(np.arange(18_120, 18_200))).max() < 0.06


@given(day=st.integers(18_000, 18_398), seed=st.integers(0, 20))
@settings(max_examples=30, deadline=None)
def test_no_outcome_of_the_day_or_later_changes_its_offset(day: int, seed: int) -> None:
    days, probabilities, labels = drifting_world(0.3, seed=1)
    track = TrailingOffset.of_outcomes(days, probabilities, labels)
    later = days >= day
    changed = labels.copy()
    changed[later] = np.random.default_rng(seed).integers(0, 2, later.sum())
    assert TrailingOffset.of_outcomes(days, probabilities, changed).at(np.array([day])) == track.at(np.array([day]))


@given(day=st.integers(18_000 + WINDOW_DAYS, 18_399))
@settings(max_examples=30, deadline=None)
def test_an_offset_is_what_its_window_calls_for(day: int) -> None:
    days, probabilities, labels = drifting_world(0.3)
    window = (days >= day - WINDOW_DAYS) & (days < day)
    p, y = probabilities[window], labels[window]
    expected = (y - p).sum() / ((p * (1 - p)).sum() + PULL)
    found = TrailingOffset.of_outcomes(days, probabilities, labels).at(np.array([day]))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_days_before_the_first_outcome_have_none_and_days_after_the_last_keep_it() -> None:
    days, probabilities, labels = drifting_world(0.4)
    track = TrailingOffset.of_outcomes(days, probabilities, labels)
    last = int(days.max())
    assert track.at(np.array([0, int(days.min()) - 1])).tolist() == [0.0, 0.0]
    assert track.at(np.array([last + 1])) == track.at(np.array([last + 5_000]))
