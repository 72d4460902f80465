"""The check of a data folder: what it answers for a good one, and the line with which it names each thing that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cellar_shared.errors import BadInput
from cellar_shared.events.appending import DataAppender
from cellar_shared.events.checks import check_folder
from cellar_shared.events.moments import moment_of
from cellar_shared.events.tables import published_tables

Rows = Callable[..., pl.DataFrame]
NOW = datetime(2024, 2, 29, 12, tzinfo=UTC)


def refusal_of(folder: Path) -> str:
    with pytest.raises(BadInput) as refusal:
        check_folder(folder, moment_of(NOW))
    return str(refusal.value)


def test_a_good_folder_is_answered_with_its_facts(tmp_path: Path, rows_of: Rows, written: Any) -> None:
    tables = {table: rows_of(table, 4) for table in published_tables() if not table.startswith("night/")}
    undated = rows_of("ratings", 5, rated_at=pl.lit(None), time_precision=pl.lit("unknown"))
    facts = check_folder(written(tmp_path / "data", **(tables | {"ratings": undated})), moment_of(NOW))
    assert facts == dict.fromkeys(tables, 4) | {
        "namespace": "made", "ratings": 5, "members": 3, "ratings_of_unknown_wines": 1, "undated_ratings": 5,
        "preferences_of_unknown_wines": 0,
    }  # fmt: skip


def test_a_flipped_byte_is_found_and_its_part_named(tmp_path: Path, rows_of: Rows, written: Any) -> None:
    folder = written(tmp_path / "data", wines=[rows_of("wines", 50), rows_of("wines", 50, wine_id=pl.format("v{}", "n"))])
    part = folder / "wines" / "part-00001.parquet"
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    assert "wines/part-00001.parquet: found another content than was written" in refusal_of(folder)


# Of each table's six rows, n from 0 to 5, the rows where n >= 3 are bent, so the first is row 4 and two more follow.
BENT: dict[str, tuple[str, str, pl.Expr, str]] = {
    "null id": ("wines", "wine_id", pl.lit(None), "found nothing, expected a value"),
    "empty id": ("ratings", "member_id", pl.lit(""), "found '', expected a value"),
    "null like": ("ratings", "like", pl.lit(None), "found nothing, expected a value"),
    "body above five": ("wines", "body", pl.lit(6.0), "found 6.0, expected a number from 1 to 5"),
    "vintage before Christ": ("ratings", "vintage", pl.lit(-44), "found -44, expected a number from 0 to 2200"),
    "unheard-of precision": ("ratings", "time_precision", pl.lit("about"), "found 'about', expected one of datetime, date, unknown"),
    "precision of no time": ("ratings", "time_precision", pl.lit("unknown"), "found 'unknown', expected unknown where rated_at is null"),
    "time without precision": ("ratings", "rated_at", pl.lit(None), "expected unknown where rated_at is null"),
    "chance above one": ("truth", "probability", pl.lit(1.5), "found 1.5, expected a number from 0 to 1"),
    "chance that is no number": ("truth", "probability", pl.lit(float("nan")), "found nan, expected a number"),
    "rating off its scale": ("ratings", "rating_raw", pl.lit(88.0), "found 88.0, expected a rating within the row's scale (1-5 or 0-100)"),
    "rating below its scale": ("ratings", "rating_raw", pl.lit(0.5), "found 0.5, expected a rating within the row's scale"),
    "rating that is no number": ("ratings", "rating_raw", pl.lit(float("nan")), "found nan, expected a number"),
    "price of nothing": ("wines", "price", pl.lit(0.0), "found 0.0, expected a number above 0"),
    "price without bounds": ("wines", "price", pl.lit(float("inf")), "found inf, expected a number"),
    "empty grape": ("wines", "grapes", pl.lit(pl.Series([["Merlot", ""]])), "expected a list without empty entries"),
    "rating of tomorrow's morrow": ("ratings", "rated_at", pl.lit(NOW + timedelta(days=1, seconds=1)), "expected a time that has been"),
    "note of another century": ("notes", "noted_at", pl.lit(datetime(2121, 1, 1, tzinfo=UTC)), "(it is 2024-02-29 12:00 UTC now)"),
    "bottle drunk next week": ("bottles", "consumed_at", pl.lit(date(2024, 3, 7)), "found 2024-03-07, expected a time that has been"),
    "stored and drunk": ("bottles", "consumed_how", pl.lit("drunk"), "found 'stored', expected consumed where consumed_at"),
    "size in litres": ("bottles", "size_ml", pl.lit(1), "found 1, expected a number from 50 to 30000"),
    "window that ends first": ("bottles", "window_to", pl.lit(1999), "expected a year not before window_from"),
    "window without years": ("windows", "end", pl.lit(None), "expected a year, here or in end"),
    "constant with readings": ("storage", "temperature_c", pl.lit(12.0), "found 'constant', expected constant with mean_c alone"),
    "seasonal without a wave": ("storage", "kind", pl.lit("seasonal"), "found 'seasonal', expected constant with mean_c alone, seasonal"),
    "wish of its own": ("preferences", "kind", pl.lit("hide_all"), "expected one of hide_wine, hide_producer, hide_region"),
    "shown without a chance": ("impressions", "propensity", pl.lit(0.0), "found 0.0, expected a number above 0 to 1"),
    "outcome without a record": ("outcomes", "recorded_at", pl.lit(None), "found nothing, expected a value"),
}  # fmt: skip
FIRST_BROKEN_ELSEWHERE = {"time without precision": "time_precision", "stored and drunk": "state", "window without years": "start",
                          "constant with readings": "kind"}  # fmt: skip


@pytest.mark.parametrize("bent", BENT)
def test_a_broken_rule_is_named_with_its_first_row_and_how_many_follow(bent: str, tmp_path: Path, rows_of: Rows, written: Any) -> None:
    table, column, value, sentence = BENT[bent]
    good = rows_of(table, 6, **({"window_from": pl.lit(2020)} if table == "bottles" else {}))
    if bent == "window without years":
        good = good.with_columns(start=pl.when(pl.int_range(6) < 3).then(2020))
    bad = good.with_columns(pl.when(pl.int_range(6) >= 3).then(value).otherwise(pl.col(column)).alias(column))
    others = {"ratings": rows_of("ratings", 6)} if table == "truth" else {}
    refusal = refusal_of(written(tmp_path / "data", **{table: [bad.head(4), bad.tail(2)]}, **others))
    assert f"  {table}, row 4, column {FIRST_BROKEN_ELSEWHERE.get(bent, column)}: found " in refusal
    assert sentence in refusal
    assert "(so are 2 more rows)" in refusal
    assert refusal.endswith("Mend the source and import again; `cellar data schema TABLE` says what a table's columns mean.")


def test_the_words_of_a_note_are_not_shown(tmp_path: Path, rows_of: Rows, written: Any) -> None:
    notes = rows_of("notes", 2, text=pl.lit(""), event_id=pl.lit("same"))
    refusal = refusal_of(written(tmp_path / "data", notes=notes))
    assert "notes, row 1, column text: found 0 characters, expected a value (so are 1 more rows)" in refusal


def test_every_broken_rule_is_listed_not_the_first_alone(tmp_path: Path, rows_of: Rows, written: Any) -> None:
    refusal = refusal_of(
        written(
            tmp_path / "data",
            wines=rows_of("wines", 2, body=pl.lit(9.0), abv=pl.lit(-1.0)),
            ratings=rows_of("ratings", 3, event_id=pl.lit("e"), like=pl.lit(None)),
        )
    )
    assert "breaks 4 of its tables' rules" in refusal
    assert [line.split(": found")[0] for line in refusal.splitlines()[1:-1]] == [
        "  wines, row 1, column abv", "  wines, row 1, column body", "  ratings, row 1, column like", "  ratings, row 1, column event_id",
    ]  # fmt: skip


def test_more_than_twenty_broken_rules_are_counted(tmp_path: Path, rows_of: Rows, written: Any) -> None:
    nothing = {name: pl.lit(None) for name in ("member_id", "wine_id", "kind", "occurred_at", "recorded_at", "outcome_id")}
    tables = {
        "outcomes": rows_of("outcomes", 1, **nothing),
        "impressions": rows_of("impressions", 1, **dict.fromkeys(rows_of("impressions", 0).columns, pl.lit(None))),
        "ratings": rows_of("ratings", 1, **dict.fromkeys(rows_of("ratings", 0).columns, pl.lit(None))),
    }
    lines = refusal_of(written(tmp_path / "data", **tables)).splitlines()
    assert len(lines) == 1 + 20 + 2
    assert lines[-2] == "  and 3 more rules"


def test_the_same_id_in_two_parts_is_found(tmp_path: Path, rows_of: Rows, written: Any) -> None:
    later = rows_of("ratings", 4, event_id=pl.format("e{}", pl.col("n") + 3))
    refusal = refusal_of(written(tmp_path / "data", ratings=[rows_of("ratings", 4), later]))
    assert "ratings, row 4, column event_id: found 'e3', expected event_id that no other row has" in refusal
    assert "(so are 1 more rows)" in refusal


def test_a_key_of_two_columns_may_repeat_one_of_them_but_not_both(tmp_path: Path, rows_of: Rows, written: Any) -> None:
    readings = {"kind": pl.lit("trace"), "mean_c": pl.lit(None), "temperature_c": pl.lit(12.0), "storage_id": pl.lit("s1")}
    hourly = rows_of("storage", 3, **readings, at=pl.lit(datetime(2020, 1, 1, tzinfo=UTC)) + pl.duration(hours="n"))
    check_folder(written(tmp_path / "hourly", storage=hourly))
    at_once = rows_of("storage", 3, **readings, at=pl.lit(datetime(2020, 1, 1, tzinfo=UTC)))
    assert "column storage_id, at: found 's1', 2020-01-01 00:00:00+00:00, expected" in refusal_of(
        written(tmp_path / "once", storage=at_once)
    )
    constant = rows_of("storage", 2, storage_id=pl.lit("s1"))
    assert "column storage_id, at: found 's1', nothing, expected" in refusal_of(written(tmp_path / "constant", storage=constant))


def test_a_row_that_refers_to_none_is_found(tmp_path: Path, rows_of: Rows, written: Any) -> None:
    bottles = rows_of("bottles", 4, storage_id=pl.when(pl.col("n") > 0).then(pl.format("s{}", "n")))
    check_folder(written(tmp_path / "good", bottles=bottles, storage=rows_of("storage", 4)))
    refusal = refusal_of(written(tmp_path / "few", bottles=bottles, storage=rows_of("storage", 3)))
    assert "bottles, row 4, column storage_id: found 's3', expected a storage_id of table storage\n" in refusal
    refusal = refusal_of(written(tmp_path / "none", bottles=bottles))
    assert (
        "bottles, row 2, column storage_id: found 's1', expected a storage_id of table storage (the folder holds no table storage)"
        in refusal
    )


def test_wishes_that_hide_nothing_are_counted(tmp_path: Path, rows_of: Rows, written: Any) -> None:
    wines = rows_of("wines", 2, producer=pl.lit("Clos"), region=pl.lit("Médoc"))
    wishes = pl.concat(
        rows_of("preferences", 2, event_id=pl.format("{}{}", pl.lit(kind), "n"), kind=pl.lit(kind),
                value=pl.when(pl.col("n") == 0).then(pl.lit(value)).otherwise(pl.lit("nobody's")))
        for kind, value in (("hide_wine", "w1"), ("hide_producer", "Clos"), ("hide_region", "Médoc"))
    )  # fmt: skip
    assert check_folder(written(tmp_path / "data", wines=wines, preferences=wishes))["preferences_of_unknown_wines"] == 3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"vintage": pl.lit("2015")}, "column vintage: found type String, expected type Int32"),
        ({"rated_at": pl.lit(datetime(2020, 1, 1))}, "column rated_at: found type Datetime(time_unit='us', time_zone=None), expected"),
    ],
)
def test_a_column_of_another_type_is_found_in_the_part_that_has_it(
    change: dict[str, pl.Expr], sentence: str, tmp_path: Path, rows_of: Rows, written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written(tmp_path / "data", ratings=[rows_of("ratings", 2), rows_of("ratings", 2)])
    monkeypatch.setattr("cellar_shared.events.tables.dtypes_of", lambda table: {})
    with DataAppender(folder) as appender:
        appender.add("ratings", rows_of("ratings", 2, **change))
        (name,) = set(appender._tables["ratings"].parts) - {"part-00000.parquet", "part-00001.parquet"}
    refusal = refusal_of(folder)
    assert f"ratings/{name}, {sentence}" in refusal


def test_another_number_of_rows_than_written_down_is_found(tmp_path: Path, rows_of: Rows, written: Any) -> None:
    folder = written(tmp_path / "data", wines=rows_of("wines", 3))
    manifest = folder / "data.json"
    manifest.write_text(manifest.read_text("utf-8").replace('"rows": 3', '"rows": 4'), "utf-8")
    assert "wines: found 3 rows, expected the 4 that data.json names" in refusal_of(folder)


def test_a_scale_nobody_knows_is_found(tmp_path: Path, rows_of: Rows, written: Any) -> None:
    with pytest.raises(BadInput, match="scale '1-20' is not known"):
        check_folder(written(tmp_path / "data", scale="1-20", wines=rows_of("wines", 1)))
