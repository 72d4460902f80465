"""Somebody's own tables: how texts and typed columns become values, and what is said of those that cannot."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cellar_shared.errors import BadInput
from cellar_shared.events.checks import check_folder
from cellar_shared.events.moments import moment_of
from cellar_shared.events.sources.intake import TableReport, Terms
from cellar_shared.events.sources.own_tables import import_tables
from cellar_shared.events.tables import DataFolder

NOW = moment_of(datetime(2024, 2, 29, 12, tzinfo=UTC))
HEAD = "namespace: shop\nscale: 1-5\n"
RATINGS = """\
  ratings:
    files: ratings.csv
    columns:
      event_id: id
      member_id: member
      wine_id: wine
      rating_raw: stars
"""
WINES = """\
  wines:
    files: wines.csv
    columns:
      wine_id: id
      name: title
"""
BytesOf = Callable[[Path], dict[str, bytes]]


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    return DataFolder.open(folder / "out").scan(table).collect().to_dicts()


def take(folder: Path, tables: str, head: str = HEAD, **terms: Any) -> dict[str, TableReport]:
    (folder / "map.yml").write_text(f"{head}tables:\n{tables}", "utf-8")
    return import_tables([folder], folder / "map.yml", folder / "out", Terms(NOW, **terms), progress=lambda _what, _count: None)


def test_a_plain_table_needs_no_more_than_its_columns_names(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("stars,id,member,wine,else\n4,1,u1,7,x\n3.5,2,u2,7,\n", "utf-8")
    (tmp_path / "wines.csv").write_text("id,title\n7,Grand Vin\n", "utf-8")
    report = take(tmp_path, WINES + RATINGS)
    assert {table: facts.rows for table, facts in report.items()} == {"wines": 1, "ratings": 2}
    assert rows(tmp_path, "ratings")[0] == {
        "event_id": "1", "member_id": "u1", "wine_id": "7", "vintage": None, "rating_raw": 4.0, "scale": "1-5", "like": True,
        "rated_at": None, "time_precision": "unknown", "defective": False, "source": "shop",
    }  # fmt: skip
    assert [row["like"] for row in rows(tmp_path, "ratings")] == [True, False]
    assert rows(tmp_path, "wines")[0]["source"] == "shop"
    manifest = DataFolder.open(tmp_path / "out").manifest
    assert (manifest.namespace, manifest.scale, manifest.source, manifest.notes) == ("shop", "1-5", "shop", {"refused": 0})
    check_folder(tmp_path / "out", NOW)


def test_another_country_writes_its_numbers_days_and_letters_its_own_way(tmp_path: Path) -> None:
    text = 'nr;titel;preis;alk;sorten\n1;"Spätlese; süß";1.200,50;8,5;Riesling / Silvaner /\n2;Rotes;;13;\n'
    (tmp_path / "weine.txt").write_bytes(text.encode("windows-1252"))
    columns = 'wine_id: nr, name: titel, price: preis, abv: alk, currency: {constant: EUR}, grapes: {from: sorten, split: "/"}'
    head = HEAD + "csv: {delimiter: ;, encoding: windows-1252, decimal_comma: true}\n"
    take(tmp_path, f"  wines: {{files: weine.txt, columns: {{{columns}}}}}\n", head)
    first, second = rows(tmp_path, "wines")
    assert (first["name"], first["price"], first["abv"], first["grapes"]) == ("Spätlese; süß", 1200.5, 8.5, ["Riesling", "Silvaner"])
    assert (second["price"], second["abv"], second["grapes"], second["currency"]) == (None, 13.0, None, "EUR")


MOMENTS = {
    "its zone beside it": ("", "2023-05-03T18:30:00+02:00", datetime(2023, 5, 3, 16, 30, tzinfo=UTC), "datetime"),
    "a database's own": ("", "2023-05-03 18:30:00.25", datetime(2023, 5, 3, 16, 30, 0, 250_000, tzinfo=UTC), "datetime"),
    "a day": ("", "2023-05-03", datetime(2023, 5, 3, tzinfo=UTC), "date"),
    "a format": (', format: "%d.%m.%y %H:%M"', "03.05.23 18:30", datetime(2023, 5, 3, 16, 30, tzinfo=UTC), "datetime"),
    "a format with its zone": (
        ', format: "%d.%m.%Y %H:%M %z"',
        "03.05.2023 18:30 +0000",
        datetime(2023, 5, 3, 18, 30, tzinfo=UTC),
        "datetime",
    ),
    "a day's format": (', format: "%d.%m.%Y"', "03.05.2023", datetime(2023, 5, 3, tzinfo=UTC), "date"),
    "another zone": (", zone: America/New_York", "2023-05-03 18:30:00", datetime(2023, 5, 3, 22, 30, tzinfo=UTC), "datetime"),
    "an hour that comes twice": ("", "2022-10-30 02:30:00", datetime(2022, 10, 30, 0, 30, tzinfo=UTC), "datetime"),
    "seconds since 1970": (", format: unix", "1683138600", datetime(2023, 5, 3, 18, 30, tzinfo=UTC), "datetime"),
    "milliseconds since 1970": (", format: unix_ms", "1683138600250", datetime(2023, 5, 3, 18, 30, 0, 250_000, tzinfo=UTC), "datetime"),
    "a moment of which the day counts": (", as: date", "2023-05-03 23:30:00", datetime(2023, 5, 3, tzinfo=UTC), "date"),
    "nothing": ("", "", None, "unknown"),
}


@pytest.mark.parametrize("said", MOMENTS)
def test_a_moment_is_read_as_the_map_says(said: str, tmp_path: Path) -> None:
    more, text, moment, precision = MOMENTS[said]
    (tmp_path / "ratings.csv").write_text(f"id,member,wine,stars,at\n1,u,w,4,{text}\n", "utf-8")
    take(tmp_path, RATINGS + f"      rated_at: {{from: at{more}}}\n", HEAD + "time_zone: Europe/Berlin\n")
    (row,) = rows(tmp_path, "ratings")
    assert (row["rated_at"], row["time_precision"]) == (moment, precision)


BAD_CELLS = {
    "hour that a clock change skips": (
        "rated_at: {from: x, zone: Europe/Berlin}",
        "2023-03-26 02:30:00",
        "a moment such as 2024-05-03T18:30",
    ),
    "day that does not exist": ('rated_at: {from: x, format: "%d.%m.%Y"}', "30.02.2023", "a moment as %d.%m.%Y"),
    "moment of the future": ("rated_at: x", "2024-03-01T12:00:01Z", "a time that has been (it is 2024-02-29 12:00 UTC now)"),
    "moment of the Romans": ("rated_at: x", "0079-10-24 13:00:00", "a moment such as"),
    "vintage in words": ("vintage: x", "old", "a whole number"),
    "half a vintage": ("vintage: x", "2015.5", "a whole number"),
    "vintage before Christ": ("vintage: x", "-44", "a number from 0 to 2200"),
    "defective in words": ("defective: x", "corked", "true or false (yes or no, t or f, 1 or 0)"),
    "scale of its own": ("scale: x", "1-10", "one of 1-5, 0-100"),
}


@pytest.mark.parametrize("bad", BAD_CELLS)
def test_a_cell_that_cannot_be_taken_is_named_by_file_line_and_column(bad: str, tmp_path: Path) -> None:
    column, cell, expected = BAD_CELLS[bad]
    (tmp_path / "ratings.csv").write_text(f"id,member,wine,stars,x\n1,u,w,4,\n2,u,w,4,{cell}\n3,u,w,4,\n", "utf-8")
    if column == "scale: x":
        (tmp_path / "ratings.csv").write_text(f"id,member,wine,stars,x\n1,u,w,4,1-5\n2,u,w,4,{cell}\n3,u,w,4,1-5\n", "utf-8")
    with pytest.raises(BadInput) as refusal:
        take(tmp_path, RATINGS + f"      {column}\n")
    assert str(refusal.value).startswith("ratings.csv, line 3, column x: found '")
    assert f"expected {expected}" in str(refusal.value)
    assert not (tmp_path / "out").exists()

    report = take(tmp_path, RATINGS + f"      {column}\n", skip_bad=True)
    assert (report["ratings"].rows, report["ratings"].refused) == (2, 1)
    with (tmp_path / "out" / "refused.csv").open(encoding="utf-8", newline="") as stream:
        (listed,) = csv.DictReader(stream)
    assert (listed["file"], listed["line"], listed["column"]) == ("ratings.csv", "3", "x")
    check_folder(tmp_path / "out", NOW)


def test_a_rating_off_the_scale_a_row_without_its_id_and_an_id_of_another_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ratings-1.csv").write_text("id,member,wine,stars\n1,u,w,5.5\n2,,w,4\n3,u,w,4\n", "utf-8")
    (tmp_path / "ratings-2.csv").write_text("id,member,wine,stars\n4,u,w,4\n3,v,w,1\n4,u,w\n", "utf-8")
    report = take(tmp_path, RATINGS.replace("ratings.csv", "ratings-?.csv"), skip_bad=True)
    assert (report["ratings"].rows, report["ratings"].refused) == (2, 4)
    with (tmp_path / "out" / "refused.csv").open(encoding="utf-8", newline="") as stream:
        listed = [(row["file"], row["line"], row["column"], row["expected"]) for row in csv.DictReader(stream)]
    assert sorted(listed) == [
        ("ratings-1.csv", "2", "stars", "a rating within the row's scale (1-5 or 0-100)"),
        ("ratings-1.csv", "3", "member", "a text"),
        ("ratings-2.csv", "3", "id", "an id of its own (line 4 of ratings-1.csv has it too)"),
        ("ratings-2.csv", "4", "the row", "4 fields as in the header"),
    ]


def test_a_like_is_the_sources_own_word_else_its_line_else_the_scales(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("id,member,wine,stars,liked\n1,u,w,3,\n2,u,w,3,no\n3,u,w,2.5,\n4,u,w,1,Yes\n", "utf-8")
    likes = {}
    for name, more, columns in (
        ("own", "    like_from: 3\n", "      like: liked\n"),
        ("line", "    like_from: 3\n", ""),
        ("scale", "", ""),
    ):
        take(tmp_path, RATINGS.replace("    columns:\n", f"{more}    columns:\n") + columns, replace=True)
        likes[name] = [row["like"] for row in rows(tmp_path, "ratings")]
    assert likes == {"own": [True, False, False, True], "line": [True, True, False, False], "scale": [False] * 4}


def test_ratings_on_two_scales_have_each_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("id,member,wine,stars,on\n1,u,w,4,stars\n2,u,w,88,points\n3,u,w,91,points\n", "utf-8")
    take(tmp_path, RATINGS + "      scale: {from: on, values: {stars: 1-5, points: 0-100}}\n")
    assert [row["like"] for row in rows(tmp_path, "ratings")] == [True, False, True]


def test_a_derived_id_depends_on_its_columns_alone_and_tells_them_apart(tmp_path: Path) -> None:
    derived = RATINGS.replace("event_id: id", "event_id: {from: [member, wine, at]}")
    lines = ("a,bc,4,", "ab,c,4,", "a,bc,4,2020-01-01", "a,,4,bc")
    (tmp_path / "ratings.csv").write_text("member,wine,stars,at\n" + "\n".join(lines[:3]) + "\n", "utf-8")
    take(tmp_path, derived)
    ids = [row["event_id"] for row in rows(tmp_path, "ratings")]
    assert len(set(ids)) == 3
    (tmp_path / "ratings.csv").write_text("stars,at,member,wine\n1,2020-01-01,a,bc\n", "utf-8")
    take(tmp_path, derived, replace=True)
    assert [row["event_id"] for row in rows(tmp_path, "ratings")] == [ids[2]]


def test_values_of_the_source_become_those_of_the_table(tmp_path: Path) -> None:
    (tmp_path / "bottles.csv").write_text(
        "id,member,wine,year,ml,where,came,gone\n1,u,w,NV,750,in cellar,03/05/2020,\n2,u,w,2015,1500,gone,03/06/2020,2021-01-02\n", "utf-8"
    )
    columns = (
        "bottle_id: id, member_id: member, wine_id: wine, vintage: {from: year, values: {NV: 0}}, size_ml: ml, consumed_at: gone, "
        'state: {from: where, values: {in cellar: stored, gone: consumed}}, acquired_at: {from: came, format: "%m/%d/%Y"}'
    )
    take(tmp_path, f"  bottles: {{files: bottles.csv, columns: {{{columns}}}}}\n")
    found = [(row["vintage"], row["state"], row["acquired_at"], row["consumed_at"], row["location"]) for row in rows(tmp_path, "bottles")]
    assert found == [(0, "stored", date(2020, 3, 5), None, None), (2015, "consumed", date(2020, 3, 6), date(2021, 1, 2), None)]
    check_folder(tmp_path / "out", NOW)


def test_a_note_dated_to_a_day_counts_from_the_following_midnight(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("id,member,wine,words,on\n1,u,w,Plums,2020-01-03\n2,u,w,Figs,2020-01-03 10:00\n", "utf-8")
    take(tmp_path, "  notes: {files: notes.csv, columns: {event_id: id, member_id: member, wine_id: wine, text: words, noted_at: on}}\n")
    assert [row["noted_at"] for row in rows(tmp_path, "notes")] == [
        datetime(2020, 1, 3, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2020, 1, 3, 10, tzinfo=UTC),
    ]  # fmt: skip


def test_parquet_columns_keep_their_types_on_the_way(tmp_path: Path) -> None:
    frame = pl.DataFrame({
        "id": [1, 2], "member": [7.0, 8.0], "wine": ["a", "b"], "stars": [4, 3], "corked": [False, None], "year": [2015.0, None],
        "at": [datetime(2023, 5, 3, 18, 30), None], "day": [date(2020, 1, 1), None], "grapes": [["Merlot", ""], []],
    })  # fmt: skip
    frame.write_parquet(tmp_path / "ratings.parquet")
    mapped = RATINGS.replace("ratings.csv", '"*.parquet"') + "      vintage: year\n      defective: corked\n"
    take(tmp_path, mapped + "      rated_at: {from: at, zone: Europe/Berlin}\n")
    first, second = rows(tmp_path, "ratings")
    assert (first["event_id"], first["member_id"], first["vintage"], first["defective"]) == ("1", "7", 2015, False)
    assert (first["rated_at"], first["time_precision"]) == (datetime(2023, 5, 3, 16, 30, tzinfo=UTC), "datetime")
    assert (second["vintage"], second["rated_at"], second["time_precision"], second["defective"]) == (None, None, "unknown", False)

    take(tmp_path, mapped + "      rated_at: day\n", replace=True)
    assert rows(tmp_path, "ratings")[0]["time_precision"] == "date"

    columns = "wine_id: wine, name: wine, grapes: grapes, type: {from: corked, values: {false: Red}}"
    wines = f"  wines: {{files: ratings.parquet, columns: {{{columns}}}}}\n"
    take(tmp_path, wines, replace=True)
    assert [(row["grapes"], row["type"]) for row in rows(tmp_path, "wines")] == [(["Merlot"], "Red"), ([], None)]


def test_a_bad_row_of_a_parquet_file_is_named_by_its_number(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": [1, 2], "member": ["u", None], "wine": ["a", "b"], "stars": [4, 3]})
    frame.write_parquet(tmp_path / "ratings.parquet")
    with pytest.raises(BadInput, match=r"ratings\.parquet, row 2, column member: found '', expected a text"):
        take(tmp_path, RATINGS.replace("ratings.csv", "ratings.parquet"))
    with pytest.raises(BadInput, match=r"ratings\.parquet: column on is missing; found id, member, wine, stars"):
        take(tmp_path, RATINGS.replace("ratings.csv", "ratings.parquet") + "      rated_at: on\n")
    (tmp_path / "ratings.parquet").write_bytes(b"PAR2")
    with pytest.raises(BadInput, match=r"ratings\.parquet cannot be read as Parquet"):
        take(tmp_path, RATINGS.replace("ratings.csv", "ratings.parquet"))


def test_an_added_column_is_written_behind_the_tables_own(tmp_path: Path) -> None:
    (tmp_path / "wines.csv").write_text("id,title,line\n7,Grand Vin,3\n8,Petit Vin,\n", "utf-8")
    take(tmp_path, WINES + "      shelf: {from: line, as: int}\n")
    found = DataFolder.open(tmp_path / "out").scan("wines").collect()
    assert (found.columns[-1], found["shelf"].to_list(), found["shelf"].dtype) == ("shelf", [3, None], pl.Int32())


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        ("abv: {constant: strong}", "columns.abv: found constant 'strong', expected a number"),
        ("shelf: {constant: three, as: int}", "columns.shelf: found constant 'three', expected a whole number"),
    ],
)
def test_a_constant_that_is_no_value_of_its_column_is_the_maps_fault(column: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "wines.csv").write_text("id,title\n7,Grand Vin\n", "utf-8")
    with pytest.raises(BadInput) as refusal:
        take(tmp_path, WINES + f"      {column}\n", skip_bad=True)
    assert f"map.yml, line 9, tables.wines.{sentence}" in str(refusal.value)


def test_a_table_without_a_file_and_a_file_without_a_table_are_named(tmp_path: Path) -> None:
    (tmp_path / "wines.csv").write_text("id,title\n7,Grand Vin\n", "utf-8")
    with pytest.raises(BadInput, match=r"map\.yml, line 4, tables\.ratings: found no file ratings\.csv among"):
        take(tmp_path, RATINGS)
    (tmp_path / "map.yml").write_text(f"{HEAD}tables:\n{WINES}", "utf-8")
    with pytest.raises(BadInput, match=r"map\.yml is not what any table's `files` ask for"):
        import_tables([tmp_path, tmp_path / "map.yml"], tmp_path / "map.yml", tmp_path / "out", Terms(NOW), progress=lambda _a, _b: None)
    with pytest.raises(BadInput, match=r"nowhere does not exist; name files, or folders"):
        import_tables([tmp_path / "nowhere"], tmp_path / "map.yml", tmp_path / "out", Terms(NOW), progress=lambda _a, _b: None)


def test_an_increment_of_own_tables_is_added_once(tmp_path: Path, bytes_of: BytesOf) -> None:
    dated = RATINGS + "      rated_at: at\n"
    (tmp_path / "ratings.csv").write_text("id,member,wine,stars,at\n1,u,w,4,2023-05-03 10:00\n", "utf-8")
    take(tmp_path, dated)
    (tmp_path / "ratings.csv").write_text("id,member,wine,stars,at\n1,u,w,4,2023-05-03 10:00\n2,u,w,2,2023-05-04 10:00\n", "utf-8")
    report = take(tmp_path, dated, since=moment_of(datetime(2023, 5, 4, tzinfo=UTC)))
    assert (report["ratings"].rows, report["ratings"].before) == (1, 1)
    before = bytes_of(tmp_path / "out")
    assert take(tmp_path, dated, since=moment_of(datetime(2023, 5, 1, tzinfo=UTC)))["ratings"].duplicates == 2
    assert bytes_of(tmp_path / "out") == before
    assert [row["event_id"] for row in rows(tmp_path, "ratings")] == ["1", "2"]


def test_a_pushed_rating_that_the_shops_export_brings_again_is_no_conflict(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("id,member,wine,stars\n1,u,w,4\n", "utf-8")
    take(tmp_path, RATINGS, HEAD + "source: push\n")
    report = take(tmp_path, RATINGS, since=0)
    assert (report["ratings"].duplicates, report["ratings"].refused) == (1, 0)
    assert rows(tmp_path, "ratings")[0]["source"] == "push"


def test_a_bottle_that_was_drunk_replaces_the_one_that_was_stored(tmp_path: Path) -> None:
    columns = "bottle_id: id, member_id: member, wine_id: wine, size_ml: ml, state: state, consumed_how: how"
    bottles = f"  bottles: {{files: bottles.csv, columns: {{{columns}}}}}\n"
    (tmp_path / "bottles.csv").write_text("id,member,wine,ml,state,how\n1,u,w,750,stored,\n2,u,w,750,stored,\n", "utf-8")
    take(tmp_path, bottles)
    (tmp_path / "bottles.csv").write_text("id,member,wine,ml,state,how\n3,u,w,750,stored,\n1,u,w,750,consumed,drunk\n", "utf-8")
    report = take(tmp_path, bottles, since=0)
    assert (report["bottles"].rows, report["bottles"].replaced) == (1, 1)
    assert [(row["bottle_id"], row["consumed_how"]) for row in rows(tmp_path, "bottles")] == [("1", "drunk"), ("2", None), ("3", None)]
    check_folder(tmp_path / "out", NOW)
