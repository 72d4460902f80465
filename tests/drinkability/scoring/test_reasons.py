"""Every odd bottle has a decided answer and its code, and none is dropped."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellar_drinkability.scoring.reasons import CODES

NOTHING_KNOWN = {"vintage": None, "acquired_at": None, "storage_id": None}
ODD = {
    "future_vintage": [{"vintage": 2026}, {"vintage": 2200, "window_from": 2210}],
    "vintage_unknown": [
        {"vintage": None},
        {"vintage": None, "acquired_at": None},
        NOTHING_KNOWN,
        {"vintage": 1001},
        {"vintage": 9999},
        {"vintage": -5},
        {"vintage": None, "window_from": 2030, "window_to": 2020},
    ],
    "non_vintage_undated": [{"vintage": 0, "acquired_at": None}],
    "non_vintage": [{"vintage": 0}, {"vintage": 0, "storage_id": None}, {"vintage": 0, "window_to": 2030, "wine_id": "blank"}],
    "wine_unknown": [{"wine_id": "lacking"}, {"wine_id": "lacking", "storage_id": None}],
    "no_facts": [{"wine_id": "blank"}, {"wine_id": "blank", "window_from": 2020, "size_ml": None}],
    "window_stated": [
        {"vintage": None, "window_from": 2020, "window_to": 2030, "window_source": "personal"},
        {"vintage": None, "window_to": 2030, "window_source": "critic"},
        {"vintage": 0, "acquired_at": None, "window_from": 2021},
    ],
    "window_refused": [{"window_from": 2030, "window_to": 2020, "window_source": "personal"}],
    "size_unknown": [{"size_ml": None}, {"size_ml": 3}, {"size_ml": 99_999}, {"size_ml": -750}],
    "storage_unknown": [{"storage_id": None}, {"storage_id": "nowhere"}, {"storage_id": "later"}],
    "storage_broken": [{"storage_id": each} for each in ("empty", "twice", "mixed", "nan", "gap", "again")],
    "acquired_unknown": [{"acquired_at": None}],
    None: [
        {},
        {"vintage": 1700},
        {"vintage": 2025},
        {"size_ml": 50},
        {"size_ml": 30_000},
        {"window_from": 2018, "window_to": 2018, "window_source": "personal"},
        {"window_source": "community"},
        {"state": "pending", "acquired_at": date(2026, 1, 1)},
        {"wine_id": "fizz", "size_ml": 6000},
        {"window_from": 1700},
        {"window_to": 2300},
        {"acquired_at": date(1, 1, 1)},
        {"acquired_at": date(9999, 12, 31)},
    ],
}
NO_ANSWER = {"future_vintage", "vintage_unknown", "non_vintage_undated"}


@pytest.fixture(scope="module")
def odd_places(place):
    reading = place | {"kind": "trace", "mean_c": None}
    return [
        place,
        place | {"storage_id": "empty", "mean_c": None},
        place | {"storage_id": "twice"},
        place | {"storage_id": "twice", "mean_c": 20.0},
        place | {"storage_id": "mixed"},
        reading | {"storage_id": "mixed", "at": datetime(2020, 1, 1, tzinfo=UTC), "temperature_c": 12.0},
        place | {"storage_id": "nan", "kind": "seasonal", "mean_c": float("nan"), "amplitude_c": 3.0},
        reading | {"storage_id": "gap", "at": datetime(2020, 1, 1, tzinfo=UTC), "temperature_c": None},
        reading | {"storage_id": "again", "at": datetime(2020, 1, 1, tzinfo=UTC), "temperature_c": 10.0},
        reading | {"storage_id": "again", "at": datetime(2020, 1, 1, tzinfo=UTC), "temperature_c": 12.0},
        reading | {"storage_id": "later", "at": datetime(2025, 6, 1, tzinfo=UTC), "temperature_c": 12.0},
    ]


def test_every_odd_bottle_has_its_code_and_an_answer_where_there_can_be_one(make_data, night, rows_of_night, bottle, odd_places, tmp_path):
    cases = [(code, changed) for code, changes in ODD.items() for changed in changes]
    rows = [bottle | changed | {"bottle_id": str(number)} for number, (_, changed) in enumerate(cases)]
    manifest = night(make_data([rows], places=odd_places)).manifest
    found = rows_of_night(tmp_path / "out")
    assert found["reason"].to_list() == [code for code, _ in cases]
    assert set(found["reason"]) == {*CODES, None}
    answered = found.filter(~pl.col("reason").is_in(NO_ANSWER) | pl.col("reason").is_null())
    dates = [name for name in found.columns if name.startswith(("ready", "peak", "drink_by"))]
    assert answered.select("drinkability", "phase", "effective_age_years", *dates).null_count().sum_horizontal().item() == 0
    assert answered["drinkability"].is_between(0, 1).all()
    assert answered["effective_age_years"].is_finite().all()
    for earlier, later in (("_lo", ""), ("", "_hi")):
        for name in ("ready_from", "peak_from", "peak_to", "drink_by"):
            assert (answered[name + earlier] <= answered[name + later]).all()
    lost = found.filter(pl.col("reason").is_in(NO_ANSWER))
    assert lost.select("drinkability", "phase", "effective_age_years", *dates).null_count().row(0) == (lost.height,) * 15
    assert {code: each.bottles for code, each in manifest.reasons.items()} == {
        "null" if code is None else code: len(changes) for code, changes in ODD.items()
    }


def test_a_stated_window_without_a_vintage_is_where_it_was_stated(make_data, night, rows_of_night, bottle, tmp_path):
    stated = {"vintage": None, "window_from": 2030, "window_to": 2040, "window_source": "personal", "storage_id": None}
    night(make_data([[bottle | stated]]))
    (found,) = rows_of_night(tmp_path / "out").to_dicts()
    assert abs(found["ready_from"].year - 2030) <= 1
    assert abs(found["drink_by"].year - 2040) <= 2
    assert found["phase"] == "hold"


def test_a_non_vintage_wine_is_as_old_as_one_that_was_made_two_years_before_it_came(make_data, night, rows_of_night, bottle, tmp_path):
    night(make_data([[bottle | {"vintage": 0, "storage_id": None, "acquired_at": date(2023, 6, 1)}]]))
    (found,) = rows_of_night(tmp_path / "out").to_dicts()
    assert found["effective_age_years"] == pytest.approx(4.0, abs=0.01)


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "vintage": st.none() | st.sampled_from([0, 1, 1001, 1699, 1700, 2025, 2026, 2200, 2201, 9999, -1, 2**31 - 1, -(2**31)]),
        "size_ml": st.none() | st.sampled_from([0, 49, 50, 375, 750, 30_000, 30_001, -1, 2**31 - 1]),
        "state": st.sampled_from(["stored", "pending", "consumed"]),
        "acquired_at": st.none() | st.dates(),
        "storage_id": st.sampled_from([None, "cool", "empty", "again", "nowhere", ""]),
        "wine_id": st.sampled_from(["w1", "fizz", "blank", "lacking"]),
        "window_from": st.none() | st.integers(1700, 2300),
        "window_to": st.none() | st.integers(1700, 2300),
        "window_source": st.sampled_from([None, "personal", "community", "critic"]),
    },
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(changes=st.lists(VALUES, min_size=1, max_size=40), as_of=st.dates(date(1990, 1, 1), date(2100, 1, 1)))
def test_whatever_bottles_are_the_rows_read_are_the_rows_written_and_the_consumed(
    changes, as_of, make_data, night, rows_of_night, bottle, odd_places, tmp_path
):
    rows = [bottle | changed | {"bottle_id": str(number)} for number, changed in enumerate(changes)]
    manifest = night(make_data([rows], places=odd_places), as_of=as_of).manifest
    found = rows_of_night(tmp_path / "out")
    kept = [row for row in rows if row["state"] != "consumed"]
    assert manifest.set_aside == []
    assert found["bottle_id"].to_list() == [row["bottle_id"] for row in kept]
    assert (manifest.rows_in, manifest.consumed, manifest.rows) == (len(rows), len(rows) - len(kept), len(kept))
    assert sum(each.bottles for each in manifest.reasons.values()) == sum(each.bottles for each in manifest.phases.values()) == len(kept)
    answered = found.filter(pl.col("drinkability").is_not_null())
    assert answered["drinkability"].is_between(0, 1).all()
    assert (found["drinkability"].is_null() == found["reason"].is_in(NO_ANSWER).fill_null(False)).all()
