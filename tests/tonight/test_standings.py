"""Without a bundle a bottle stands by what was stated and by physics; with one, as the night says."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.ageing.curve import Curves
from cellar_shared.ageing.storage import places_of_waves
from cellar_tonight.standings import HOME, SAYS, Home, standings

TODAY = date(2026, 11, 25)
YEARS = range(2026, 2036)


def one(bottles, wines, as_of=TODAY, home=None, model=None, years=YEARS):
    (found,) = standings(bottles, wines, as_of, years, home or Home(), model)
    return found


def test_a_stated_window_stands_to_the_day(bottles_of, wines_of):
    found = one(bottles_of({}), wines_of())
    assert (found.ready_from, found.drink_by) == (date(2018, 1, 1), date(2030, 12, 31))
    assert found.phase == "late"
    assert found.ready_from < found.peak_from < found.peak_to < found.drink_by
    assert found.drink_by_lo < found.drink_by < found.drink_by_hi
    assert len(found.by_year) == len(YEARS)
    assert found.reason == "storage_unknown"
    assert found.says is None


@given(first=st.integers(2011, 2040), length=st.integers(1, 40), day=st.dates(date(2011, 1, 1), date(2090, 1, 1)))
def test_phase_and_dates_agree_for_any_stated_window(bottles_of, wines_of, first, length, day):
    found = one(bottles_of({"window_from": first, "window_to": first + length}), wines_of(), as_of=day)
    assert (found.ready_from, found.drink_by) == (date(first, 1, 1), date(first + length, 12, 31))
    expected = (
        "hold" if day < found.ready_from
        else "early" if day < found.peak_from
        else "peak" if day <= found.peak_to
        else "late" if day <= found.drink_by
        else "past"
    )  # fmt: skip
    assert found.phase == expected
    assert 0 <= found.drinkability <= 1
    rise = np.diff(found.by_year)
    falls = np.flatnonzero(rise < 0)
    assert not len(falls) or (rise[falls[0] :] <= 1e-12).all()  # once it falls it falls


def test_of_a_window_with_one_side_only_what_follows_is_told(bottles_of, wines_of):
    ahead, begun = (one(bottles_of({"window_from": year, "window_to": None}), wines_of()) for year in (2030, 2018))
    assert (ahead.phase, ahead.ready_from, ahead.drink_by, ahead.reason) == ("hold", date(2030, 1, 1), None, "end_unknown")
    assert (begun.phase, begun.ready_from, begun.drinkability, begun.by_year) == (None, date(2018, 1, 1), None, ())
    over, open_ = (one(bottles_of({"window_from": None, "window_to": year}), wines_of()) for year in (2020, 2030))
    assert (over.phase, over.ready_from, over.drink_by, over.reason) == ("past", None, date(2020, 12, 31), "begin_unknown")
    assert (open_.phase, open_.drink_by) == (None, date(2030, 12, 31))


def test_without_a_window_and_a_bundle_nothing_is_guessed(bottles_of, wines_of):
    found = one(bottles_of({"window_from": None, "window_to": None}), wines_of())
    assert (found.phase, found.drinkability, found.drink_by, found.by_year) == (None, None, None, ())
    assert found.reason == "no_window"
    assert "--drinkability" in found.says


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"vintage": None, "window_from": None, "window_to": None}, "vintage_unknown"),
        ({"vintage": 0, "window_from": None, "window_to": None, "acquired_at": None}, "non_vintage_undated"),
        ({"vintage": 2030}, "future_vintage"),
        ({"vintage": None}, "window_stated"),
        ({"vintage": 0}, "non_vintage"),
        ({"size_ml": None}, "size_unknown"),
    ],
)
def test_an_odd_bottle_has_its_reason_in_words(bottles_of, wines_of, row, reason):
    found = one(bottles_of(row), wines_of())
    assert (found.reason, found.says) == (reason, SAYS[reason])


def test_bottles_that_are_gone_have_no_standing_and_were_there_before(bottles_of, wines_of):
    bottles = bottles_of({"state": "consumed", "consumed_at": date(2024, 6, 1)}, {"state": "pending", "acquired_at": date(2025, 1, 1)})
    gone, awaited = standings(bottles, wines_of(), TODAY, YEARS, Home(), None)
    assert gone is None
    assert awaited is not None
    was, not_yet = standings(bottles, wines_of(), date(2024, 5, 1), YEARS, Home(), None)
    assert was is not None
    assert not_yet is None


def test_a_warm_cellar_brings_what_others_stated_nearer_and_leaves_the_owners_own(bottles_of, wines_of):
    warm = Home(places_of_waves(np.array([19.0]), np.array([4.0]))[0])
    cool, hot = (one(bottles_of({}), wines_of(), home=home) for home in (Home(), warm))
    assert hot.drink_by < cool.drink_by
    assert hot.reason is None
    own = one(bottles_of({"window_source": "personal"}), wines_of(), home=warm)
    assert own.drink_by == date(2030, 12, 31)


def test_an_awaited_bottle_has_not_lain_in_the_warm_cellar(bottles_of, wines_of):
    warm = Home(places_of_waves(np.array([22.0]), np.array([0.0]))[0])
    row = {"state": "pending"}
    assert one(bottles_of(row), wines_of(), home=warm) == one(bottles_of(row), wines_of())
    assert HOME not in bottles_of(row)["storage_id"].to_list()


class Fixed:
    """A model that gives every wine the window of ages 6 to 16."""

    def windows(self, facts):
        n = facts.height
        return Curves(np.full(n, np.log(6.0)), np.full(n, 0.2), np.full(n, np.log(16.0)), np.full(n, 0.2))


def test_a_model_answers_for_what_nobody_stated_and_is_moved_by_what_was(bottles_of, wines_of):
    unstated = {"window_from": None, "window_to": None}
    bare, moved, half = (
        one(bottles_of(row), wines_of(), model=Fixed()) for row in (unstated, {}, {"window_from": 2020, "window_to": None})
    )
    # Ages are in years of 365.25 days, rounded inwards to a day.
    assert abs(bare.ready_from - (date(2010, 1, 1) + timedelta(days=6 * 365.25))) <= timedelta(days=1)
    assert bare.reason == "storage_unknown"
    assert bare.drink_by < moved.drink_by < date(2030, 12, 31)
    assert half.phase is not None
    assert bare.ready_from < half.ready_from < date(2020, 1, 1)


def test_the_first_year_is_read_today_once_its_middle_is_over(bottles_of, wines_of):
    found = one(bottles_of({}), wines_of())
    assert found.by_year[0] == pytest.approx(found.drinkability, abs=1e-12)
    early = one(bottles_of({}), wines_of(), as_of=date(2026, 2, 1))
    assert early.by_year[0] != pytest.approx(early.drinkability, abs=1e-6)
    assert found.next_year == pytest.approx(one(bottles_of({}), wines_of(), as_of=TODAY + timedelta(days=365)).drinkability, abs=1e-12)


def test_no_bottles_have_no_standings(bottles_of, wines_of):
    assert standings(bottles_of({}).clear(), wines_of(), TODAY, YEARS, Home(), None) == []
