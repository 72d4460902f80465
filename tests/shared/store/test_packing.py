"""Packing: a few bytes a row and exactly the same rows back; what is damaged is never read as a history."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.events.moments import MICROSECONDS_PER_DAY, NEVER
from cellar_shared.features.histories import EVENT
from cellar_shared.store.packing import Garbled, pack_events, summed, unpack_events

units = st.sampled_from([1, 1000, 1_000_000, 60_000_000, MICROSECONDS_PER_DAY])
strengths = st.one_of(
    st.sampled_from([-3.0, -0.5, 0.0, 1.0]),
    st.integers(-20, 10).map(lambda tenths: tenths / 5),
    st.floats(-4, 4, width=32),
    st.just(float("nan")),
    st.just(-0.0),
)


@st.composite
def histories(draw):
    """Any rows that a store may be given, oldest first and undated last; most of them as sources have them."""
    unit = draw(units)
    days_end = draw(st.booleans()) and unit == MICROSECONDS_PER_DAY
    counts = st.integers(0, 40)
    dated = sorted(draw(st.lists(st.integers(-(2**40) // unit, 2**51 // unit), max_size=draw(counts))))
    undated = draw(st.integers(0, 3))
    events = np.zeros(len(dated) + undated, dtype=EVENT)
    events["moment"] = [*(each * unit - days_end for each in dated), *[NEVER] * undated]
    highest_row = draw(st.sampled_from([10, 100_000, 2**31 - 1]))
    some = draw(st.sampled_from(["plain", "any"]))
    for place in range(len(events)):
        events["row"][place] = draw(st.integers(-1, highest_row))
        events["vintage"][place] = draw(st.integers(-1, 2200) if some == "plain" else st.integers(-(2**15), 2**15 - 1))
        events["strength"][place] = draw(st.sampled_from([-1.5, 0.0, 1.0]) if some == "plain" else strengths)
        events["liked"][place] = events["strength"][place] >= 0 if some == "plain" else draw(st.integers(0, 2))
    return events


@given(histories())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_rows_come_back_to_the_bit(events):
    assert unpack_events(pack_events(events)).tobytes() == events.tobytes()


def history(rows: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    events = np.zeros(rows, dtype=EVENT)
    events["moment"] = np.sort(rng.integers(1_300_000_000, 1_600_000_000, rows)) * 1_000_000
    events["row"] = rng.integers(0, 100_000, rows)
    events["vintage"] = rng.integers(1995, 2020, rows)
    events["strength"] = rng.integers(-6, 3, rows) / 2
    events["liked"] = events["strength"] >= 0
    return events


def test_thirty_ratings_of_a_hundred_thousand_wines_over_ten_years_take_seven_bytes_each_and_a_head():
    assert len(pack_events(history(30))) <= 30 * 7 + 16
    # The more there are, the narrower the gaps between them.
    assert (len(pack_events(history(130))) - len(pack_events(history(30)))) / 100 < 6.5


def test_another_members_bytes_are_refused():
    events = history(5)
    for one, other in ((b"one member's", b"another's...."), (b"one", b"")):
        assert unpack_events(pack_events(events, one), one).tobytes() == events.tobytes()
        with pytest.raises(Garbled):
            unpack_events(pack_events(events, one), other)


def test_ratings_out_of_order_come_back_to_the_bit():
    events = history(9)[::-1]
    assert unpack_events(pack_events(events)).tobytes() == events.tobytes()


@given(st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_changed_or_cut_value_is_refused(drawn):
    value = bytearray(pack_events(history(drawn.draw(st.integers(0, 20)))))
    if drawn.draw(st.booleans()):
        place = drawn.draw(st.integers(0, len(value) - 1))
        value[place] ^= 1 << drawn.draw(st.integers(0, 7))
    else:
        value = value[: drawn.draw(st.integers(0, len(value) - 1))]
    with pytest.raises(Garbled):
        unpack_events(bytes(value))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_history_or_refused(value):
    with suppress(Garbled):
        assert unpack_events(value).dtype == EVENT


@given(st.binary(max_size=80))
@settings(max_examples=500, derandomize=True)
def test_any_bytes_with_the_right_checksum_are_a_value_or_refused(body):
    with suppress(Garbled):
        unpack_events(summed(body, b"key"), b"key")
