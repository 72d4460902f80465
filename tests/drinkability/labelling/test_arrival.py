"""The label-arrival curve against counting by hand, against plain shares, and where nights are young."""

from __future__ import annotations

import numpy as np
import pytest

from cellar_drinkability.labelling.arrival import NightsLabels, arrival_curve


def night(bottles: int, heard: int, *arrived: int) -> NightsLabels:
    return NightsLabels(bottles, heard, np.array(arrived, dtype=np.int64))


def test_one_nights_curve_is_the_plain_share():
    curve = arrival_curve([night(10, 30, 0, 3, 3, 12, 30)])
    assert [curve.share_after(day) for day in (0, 2, 3, 11, 12, 29, 30)] == pytest.approx([0.1, 0.1, 0.3, 0.3, 0.4, 0.4, 0.5])
    assert curve.share_after(31) is None
    assert curve.at_risk[[0, 1, 3, 4, 30]].tolist() == [10, 9, 9, 7, 6]


def test_a_young_night_counts_only_as_long_as_it_was_heard_of():
    # After day 5 the second night says nothing; by hand: 4/20 on day 5, then 3 of the 8 that are left of the first.
    curve = arrival_curve([night(10, 40, 5, 5, 20, 20, 20), night(10, 5, 5, 5)])
    assert curve.share_after(5) == pytest.approx(0.2)
    assert curve.at_risk[6] == 8
    assert curve.share_after(20) == pytest.approx(1 - 0.8 * (1 - 3 / 8))


def test_labels_from_before_the_night_or_after_what_was_heard_are_none():
    assert arrival_curve([night(4, 10, -1, 11, 2)]).share_after(10) == pytest.approx(0.25)


def test_the_interval_holds_the_share_and_narrows_with_more_bottles():
    few, many = arrival_curve([night(20, 9, *range(10))]), arrival_curve([night(2000, 9, *np.repeat(range(10), 100))])
    for curve in (few, many):
        assert (curve.low <= curve.share).all()
        assert (curve.share <= curve.high).all()
    assert few.share == pytest.approx(many.share)
    assert (few.high - few.low)[-1] > 5 * (many.high - many.low)[-1]


def test_young_nights_do_not_bend_the_curve_of_labels_that_come_evenly():
    rng = np.random.default_rng(4)
    nights = []
    for heard in (20, 60, 100, 400):
        after = rng.exponential(200, 5_000).astype(np.int64)
        nights.append(NightsLabels(5_000, heard, after[after <= heard]))
    curve = arrival_curve(nights)
    for day in (15, 50, 90, 300):
        place = int(np.searchsorted(curve.days, day))
        assert curve.low[place] - 0.01 <= 1 - np.exp(-(day + 1) / 200) <= curve.high[place] + 0.01
    assert curve.days_until(0.5) == pytest.approx(200 * np.log(2), abs=12)
    assert arrival_curve([night(3, 4, 1)]).days_until(0.9) is None


def test_no_night_is_refused():
    with pytest.raises(ValueError, match="no night"):
        arrival_curve([])
