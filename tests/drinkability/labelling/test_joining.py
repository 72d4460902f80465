"""Which prediction a label belongs to: the night before the bottle was opened, also when its rows are long deleted."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cellar_drinkability.labelling.joining import COLUMNS, PastNight, arrived_days, found_bottles, labels_of
from cellar_shared.ageing.curve import DATES
from cellar_shared.events.tables import dtypes_of

SAID: dict[str, Any] = {
    "bottle_id": "b1",
    "as_of": date(2025, 6, 1),
    "drinkability": 0.5,
    "phase": "early",
    "bundle": "v1",
    "ready_from": date(2025, 1, 1),
    "peak_from": date(2025, 7, 1),
    "peak_to": date(2026, 1, 1),
    "drink_by": date(2027, 1, 1),
}


def found(*rows: tuple[str, str, date, date]) -> pl.DataFrame:
    """Rows of bottle, found, opened, recorded."""
    columns = ["bottle_id", "found", "opened_on", "recorded_on"]
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(acquired_at=pl.lit(date(2020, 1, 1)))


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(name: str, *rows: dict[str, Any]) -> Path:
        file = tmp_path / f"{name}.parquet"
        pl.DataFrame([SAID | row for row in rows], schema_overrides=dict.fromkeys(DATES, pl.Date)).write_parquet(file)
        return file

    return write


def test_a_label_is_about_the_latest_night_up_to_the_opening(write):
    first = PastNight(date(2025, 6, 1), 2, [write("first", {}, {"bottle_id": "b2"})])
    second = PastNight(
        date(2025, 6, 2), 2, [write("second", *({"bottle_id": each, "as_of": date(2025, 6, 2), "bundle": "v2"} for each in ("b1", "b2")))]
    )
    day = date(2025, 6, 2)
    labels = labels_of(found(("b1", "in_window", date(2025, 6, 1), day), ("b2", "too_old", day, day)), [second, first], [])
    assert dict(labels.schema) == COLUMNS
    assert labels.select("bottle_id", "as_of", "bundle", "found").rows() == [
        ("b1", date(2025, 6, 1), "v1", "in_window"),
        ("b2", date(2025, 6, 2), "v2", "too_old"),
    ]


def test_what_was_said_of_a_bottle_that_went_stands_in_for_a_deleted_night(write):
    gone = write("gone", {"as_of": date(2025, 6, 3)})
    opened = found(("b1", "too_young", date(2025, 6, 3), date(2026, 1, 1)))
    assert labels_of(opened, [PastNight(date(2025, 6, 3), 1, [])], [gone]).select("phase", "drinkability").rows() == [("early", 0.5)]


def test_long_after_a_night_the_phase_is_that_of_the_day_of_opening_and_drinkability_is_not_told(write):
    night = PastNight(date(2025, 6, 1), 1, [write("night", {})])
    for day, said in ((date(2025, 7, 2), ("peak", 0.5)), (date(2025, 7, 3), ("peak", None)), (date(2028, 1, 1), ("past", None))):
        assert labels_of(found(("b1", "in_window", day, day)), [night], []).select("phase", "drinkability").rows() == [said]
    undated = PastNight(date(2025, 6, 1), 1, [write("undated", dict.fromkeys(DATES))])
    opened = found(("b1", "in_window", date(2025, 6, 1), date(2025, 6, 1)))
    assert labels_of(opened, [undated], [])["phase"].to_list() == [None]


def test_a_bottle_that_went_from_the_tables_late_has_the_phase_of_its_day_and_no_drinkability(write):
    gone = write("gone", {"as_of": date(2026, 3, 1), "phase": "late"})
    opened = found(("b1", "in_window", date(2025, 8, 1), date(2026, 3, 1)))
    assert labels_of(opened, [], [gone]).select("as_of", "phase", "drinkability").rows() == [(date(2026, 3, 1), "peak", None)]


def test_of_two_goings_what_had_been_said_by_the_opening_counts(write):
    gone = [
        write("late", {"as_of": date(2026, 3, 1)}),
        write("early", {"as_of": date(2025, 5, 1)}),
        write("earlier", {"as_of": date(2025, 4, 1)}),
    ]
    opened = found(("b1", "in_window", date(2025, 8, 1), date(2026, 3, 1)))
    assert labels_of(opened, [], gone)["as_of"].to_list() == [date(2025, 5, 1)]


def test_bottles_of_which_nothing_was_said_are_left_out(write):
    night = PastNight(date(2025, 6, 1), 1, [write("night", {})])
    opened = found(("b1", "in_window", date(2025, 5, 1), date(2025, 5, 1)), ("b9", "in_window", date(2025, 7, 1), date(2025, 7, 1)))
    assert labels_of(opened, [night], []).is_empty()
    assert labels_of(opened, [], []).is_empty()


def test_labels_arrive_for_bottles_that_had_come_and_were_not_opened_yet():
    night = PastNight(date(2025, 6, 1), 9, [])
    rows = found(
        ("b1", "in_window", date(2025, 6, 1), date(2025, 6, 4)),
        ("b2", "in_window", date(2025, 5, 31), date(2025, 6, 4)),
        ("b3", "too_old", date(2025, 7, 1), date(2026, 6, 1)),
    )
    assert arrived_days(rows, night).to_list() == [3, 365]
    came_later = rows.with_columns(acquired_at=pl.Series([date(2025, 6, 2), None, None]))
    assert arrived_days(came_later, night).to_list() == [365]


def test_the_first_finding_of_a_bottle_counts_and_other_outcomes_do_not():
    def outcome(number: int, bottle: str | None, kind: str, recorded: datetime) -> dict[str, Any]:
        said = {
            "outcome_id": f"o{number}",
            "bottle_id": bottle,
            "kind": kind,
            "recorded_at": recorded,
            "occurred_at": datetime(2025, 6, 1, 20, tzinfo=UTC),
        }
        return dict.fromkeys(dtypes_of("outcomes")) | said

    days = [datetime(2025, 6, day, tzinfo=UTC) for day in (2, 3, 4)]
    rows = [
        outcome(1, "b1", "too_old", days[1]),
        outcome(2, "b1", "in_window", days[0]),
        outcome(3, "b1", "opened", days[0]),
        outcome(4, None, "in_window", days[0]),
        outcome(5, "b2", "too_young", days[2]),
    ]
    bottles = pl.LazyFrame({"bottle_id": ["b1"], "acquired_at": [date(2024, 1, 1)]})
    told = found_bottles(pl.LazyFrame(rows, schema=dtypes_of("outcomes")), bottles).sort("bottle_id")
    assert told.rows() == [
        ("b1", "in_window", date(2025, 6, 1), date(2025, 6, 2), date(2024, 1, 1)),
        ("b2", "too_young", date(2025, 6, 1), date(2025, 6, 4), None),
    ]
