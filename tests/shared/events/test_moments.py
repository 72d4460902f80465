"""Laws of time: midnights, days, dates without a time, and back again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.events.moments import (
    MICROSECONDS_PER_DAY,
    NEVER,
    datetime_of,
    day_of,
    end_of_day,
    iso_of,
    midnight_before,
    moment_of,
)

EARLIEST = moment_of(datetime(1, 1, 2, tzinfo=UTC))
LATEST = moment_of(datetime(9999, 12, 30, tzinfo=UTC))

moments = st.integers(EARLIEST, LATEST)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def array(moment: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([moment], np.int64)


@given(moments)
def test_a_moment_survives_the_way_to_a_datetime_and_back(moment: int) -> None:
    assert moment_of(datetime_of(moment)) == moment
    assert datetime_of(moment).utcoffset() == timedelta(0)


@given(moments)
def test_a_moment_survives_the_way_to_text_and_back(moment: int) -> None:
    text = iso_of(moment)
    assert text.endswith("Z")
    assert moment_of(datetime.fromisoformat(text)) == moment


@given(moments, offsets)
def test_the_same_instant_in_another_zone_is_the_same_moment(moment: int, zone: timezone) -> None:
    assert moment_of(datetime_of(moment).astimezone(zone)) == moment


def test_a_datetime_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        moment_of(datetime(2020, 1, 1))


@given(moments)
def test_a_day_runs_from_its_midnight_to_the_last_microsecond(moment: int) -> None:
    midnight, end = int(midnight_before(array(moment))[0]), int(end_of_day(array(moment))[0])
    assert midnight <= moment <= end
    assert end + 1 - midnight == MICROSECONDS_PER_DAY
    assert datetime_of(midnight).time() == datetime.min.time()
    assert datetime_of(midnight).date() == datetime_of(moment).date()
    assert midnight_before(array(midnight))[0] == midnight


@given(moments)
def test_the_number_of_a_day_is_the_calendars(moment: int) -> None:
    number = day_of(array(moment))
    assert number.dtype == np.int64
    assert number[0] == (datetime_of(moment).date() - datetime(1970, 1, 1).date()).days


@given(moments, moments)
def test_days_keep_the_order_of_moments(one: int, other: int) -> None:
    earlier, later = sorted((one, other))
    assert day_of(array(earlier))[0] <= day_of(array(later))[0]


@given(moments, st.integers(-2 * MICROSECONDS_PER_DAY, 2 * MICROSECONDS_PER_DAY))
def test_what_is_dated_to_a_day_is_known_exactly_from_the_following_midnight(moment: int, distance: int) -> None:
    effective = int(end_of_day(array(moment))[0])
    following = int(midnight_before(array(moment))[0]) + MICROSECONDS_PER_DAY
    asked_at = following + distance
    assert (effective < asked_at) == (asked_at >= following)


@given(moments)
def test_what_has_no_time_is_never_known(asked_at: int) -> None:
    assert not asked_at > NEVER
