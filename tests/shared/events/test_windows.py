"""The source of stated windows: what it takes, what it keeps apart, and the sentence with which it refuses what cannot be."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.errors import BadInput
from cellar_shared.events.checks import check_folder
from cellar_shared.events.moments import moment_of
from cellar_shared.events.sources.intake import Terms
from cellar_shared.events.sources.windows import SIDES, import_windows
from cellar_shared.events.tables import DataFolder, DataWriter
from cellar_shared.events.vocabulary.wine_words import country_named, grape_named, type_of, variety_of

NOW = moment_of(datetime(2024, 2, 29, 12, tzinfo=UTC))
HEADER = "vintage,start,end,kind,points,price,country,province,region_1,variety,winery,reviewer"
BAROLO = "2010,2016,2030,range,95,70,Italy,Piedmont,Barolo,Nebbiolo,Poderi Prova,r10"
BytesOf = Callable[[Path], dict[str, bytes]]


def take(folder: Path, *rows: str, out: str = "data", currency: str | None = None, **terms: Any) -> Any:
    (folder / "windows.csv").write_text("\n".join((HEADER, *rows)) + "\n", "utf-8")
    return import_windows(folder / "windows.csv", folder / out, Terms(NOW, **terms), currency=currency, progress=lambda _w, _c: None)


def rows(folder: Path, out: str = "data") -> list[dict[str, Any]]:
    return DataFolder.open(folder / out).scan("windows").collect().to_dicts()


def test_a_statement_keeps_every_fact_of_the_file(tmp_path: Path) -> None:
    report = take(tmp_path, BAROLO, currency="USD")
    assert (report["windows"].rows, report["windows"].refused) == (1, 0)
    (row,) = rows(tmp_path)
    assert {name: value for name, value in row.items() if name != "window_id"} == {
        "wine_id": None, "producer": "Poderi Prova", "type": "Red", "country": "Italy", "region": "Barolo", "province": "Piedmont",
        "variety": "Nebbiolo", "grapes": ["Nebbiolo"], "price": 70.0, "currency": "USD", "vintage": 2010, "start": 2016, "end": 2030,
        "kind": "range", "points": 95.0, "reviewer": "r10", "stated_at": None, "source": "windows",
        "country_code": "IT", "canonical_region": "Barolo", "canonical_grapes": ["Nebbiolo"],
    }  # fmt: skip
    assert check_folder(tmp_path / "data", NOW) == {"namespace": "windows", "windows": 1}


def test_a_side_that_was_not_stated_is_not_filled_in(tmp_path: Path) -> None:
    sides = {kind: (2016 if has_start else None, 2030 if has_end else None) for kind, (has_start, has_end) in SIDES.items()}
    take(tmp_path, *(f"2010,{start or ''},{end or ''},{kind},,,,,,,," for kind, (start, end) in sides.items()))
    assert {row["kind"]: (row["start"], row["end"]) for row in rows(tmp_path)} == sides


def test_what_is_not_given_stays_unknown_and_a_price_of_nought_is_none(tmp_path: Path) -> None:
    take(tmp_path, "NV,2016,,start,,0,,,,,,", ",,2020,through,,,US,,,Zweigelt-Unheard,,", currency="EUR")
    non_vintage, undated = rows(tmp_path)
    assert (non_vintage["vintage"], non_vintage["price"], non_vintage["currency"]) == (0, None, None)
    assert (undated["vintage"], undated["type"], undated["grapes"], undated["variety"]) == (None, None, None, "Zweigelt-Unheard")
    assert undated["country"] == "United States"


def test_a_wine_without_a_region_comes_from_its_province(tmp_path: Path) -> None:
    take(tmp_path, "2010,2016,,start,,,Portugal,Douro,,Portuguese Red,,")
    (row,) = rows(tmp_path)
    assert (row["region"], row["province"], row["type"], row["grapes"]) == ("Douro", "Douro", "Red", None)


BAD = {
    "a range without an end": ("2010,2016,,range", "end: found '', expected a year, since range states the end"),
    "a range without a start": ("2010,,2016,range", "start: found '', expected a year, since range states the start"),
    "a start that ends": ("2010,2016,2020,start", "end: found '2020', expected nothing, since start states the start alone"),
    "an end that starts": ("2010,2016,2020,through", "start: found '2016', expected nothing, since through states the end alone"),
    "no side at all": ("2010,,,start", "start: found '', expected a year, since start states the start"),
    "an end before its start": ("2010,2016,2015,range", "end: found '2015', expected a year not before the start 2016"),
    "a start before its vintage": ("2010,2009,,start", "start: found '2009', expected a year not before the vintage 2010"),
    "an end before its vintage": ("2010,,2009,through", "end: found '2009', expected a year not before the vintage 2010"),
    "an end after all life": ("1900,,2101,through", "end: found '2101', expected a year at most 200 after the vintage 1900"),
    "a kind nobody knows": ("2010,2016,,perhaps", "kind: found 'perhaps', expected one of range, start,"),
    "no kind": ("2010,2016,,", "kind: found '', expected one of range, start,"),
    "half a year": ("2010,2016.5,,start", "start: found '2016.5', expected a year from 1700 to 2300"),
    "a vintage in words": ("old,2016,,start", "vintage: found 'old', expected a year from 1700 to 2100, NV, or nothing"),
    "more points than there are": ("2010,2016,,start,101", "points: found '101', expected points from 0 to 100"),
    "a price below nought": ("2010,2016,,start,,-1", "price: found '-1', expected a price from 0"),
}


@pytest.mark.parametrize("said", BAD)
def test_what_cannot_be_is_refused_in_a_sentence_or_left_out_and_listed(said: str, tmp_path: Path) -> None:
    fields, sentence = BAD[said]
    row = fields + "," * (HEADER.count(",") - fields.count(","))
    with pytest.raises(BadInput) as refused:
        take(tmp_path, BAROLO, row)
    assert str(refused.value).startswith(f"windows.csv, line 3, column {sentence}")
    assert not (tmp_path / "data").exists()
    report = take(tmp_path, BAROLO, row, skip_bad=True)["windows"]
    assert (report.rows, report.refused) == (1, 1)
    (listed,) = csv.DictReader((tmp_path / "data" / "refused.csv").read_text("utf-8").splitlines())
    assert (listed["file"], listed["line"]) == ("windows.csv", "3")


@pytest.mark.parametrize("fields", ["2010,2010,2010,range", "2010,2010,,start", "2010,,2010,through", "2010,2016,2016,range"])
def test_a_wine_may_be_ready_or_done_in_its_own_year_and_a_window_may_be_one_year(fields: str, tmp_path: Path) -> None:
    assert take(tmp_path, f"{fields},,,,,,,,")["windows"].rows == 1


def test_an_id_comes_from_the_words_whatever_the_order_of_the_rows(tmp_path: Path) -> None:
    other = BAROLO.replace("r10", "r04")
    take(tmp_path, BAROLO, other, BAROLO, out="one")
    take(tmp_path, other, BAROLO, BAROLO, out="two")
    one, two = ([row["window_id"] for row in rows(tmp_path, out)] for out in ("one", "two"))
    assert len(set(one)) == 3  # the same words twice are two statements
    assert sorted(one) == sorted(two)


def test_statements_may_be_added_to_other_data_and_the_same_ones_change_nothing(
    tmp_path: Path, small_world: Path, bytes_of: BytesOf
) -> None:
    data = DataFolder.open(small_world)
    with DataWriter(tmp_path / "data", "shop", "1-5", "shop") as writer:
        writer.add("wines", data.scan("wines").collect())
    assert take(tmp_path, BAROLO, since=NOW)["windows"].rows == 1
    before = bytes_of(tmp_path / "data")
    again = take(tmp_path, BAROLO, since=NOW)["windows"]
    assert (again.rows, again.duplicates) == (0, 1)
    assert bytes_of(tmp_path / "data") == before
    assert set(DataFolder.open(tmp_path / "data").manifest.tables) == {"wines", "windows"}


def test_a_currency_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--currency 'dollars' is no code of ISO 4217; say one such as USD or EUR"):
        take(tmp_path, BAROLO, currency="dollars")


def test_a_file_without_a_column_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "windows.csv").write_text("vintage,start\n2010,2016\n", "utf-8")
    with pytest.raises(BadInput, match=r"line 1: column end, kind, points, .* is missing; found vintage, start"):
        import_windows(tmp_path / "windows.csv", tmp_path / "data", Terms(NOW), progress=lambda _w, _c: None)


@given(kind=st.sampled_from(sorted(SIDES)), start=st.none() | st.integers(1990, 2040), end=st.none() | st.integers(1990, 2040),
       vintage=st.none() | st.integers(1980, 2030))  # fmt: skip
def test_every_row_is_kept_as_it_was_or_refused(
    kind: str, start: int | None, end: int | None, vintage: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("one")
    fields = ",".join("" if value is None else str(value) for value in (vintage, start, end, kind))
    report = take(folder, BAROLO, f"{fields},,,,,,,,", skip_bad=True)["windows"]
    assert report.rows + report.refused == 2
    if report.rows == 2:
        row = rows(folder)[1]
        assert (row["vintage"], row["start"], row["end"], row["kind"]) == (vintage, start, end, kind)
        assert (start is not None, end is not None) == SIDES[kind]
        assert (start or end or 0) >= (vintage or 0) and (end is None or start is None or end >= start)


def test_the_command_imports_and_says_how_many(cellar: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    (tmp_path / "windows.csv").write_text(f"{HEADER}\n{BAROLO}\n2010,2009,,start,,,,,,,,\n", "utf-8")
    done = cellar("data", "import", "windows", tmp_path / "windows.csv", "--out", tmp_path / "data", "--skip-bad")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'data'}: 1 windows; 1 rows left out, listed in {tmp_path / 'data' / 'refused.csv'}\n"
    assert cellar("data", "check", tmp_path / "data").returncode == 0


@pytest.mark.parametrize(
    ("text", "kind", "grapes"),
    [
        ("Shiraz", "Red", ("Syrah/Shiraz",)),
        ("Riesling", "White", ("Riesling",)),
        ("Shiraz-Viognier", "Red", ("Syrah/Shiraz", "Viognier")),
        ("Cabernet-Syrah", "Red", ("Cabernet Sauvignon", "Syrah/Shiraz")),
        ("Corvina, Rondinella, Molinara", "Red", ("Corvina", "Rondinella", "Molinara")),
        ("Champagne Blend", "Sparkling", ("Pinot Noir", "Chardonnay", "Pinot Meunier")),
        ("Portuguese Red", "Red", ()),
        ("Shiraz-Unheard", None, ()),
        ("Moonshine", None, ()),
    ],
)
def test_a_variety_means_what_is_written_down_and_nothing_else(text: str, kind: str | None, grapes: tuple[str, ...]) -> None:
    assert (variety_of(text).type, variety_of(text).grapes) == (kind, grapes)


def test_places_make_a_wine_sparkling_or_sweet() -> None:
    assert type_of("Chardonnay", "Champagne", "Champagne") == "Sparkling"
    assert type_of("Bordeaux-style White Blend", "Sauternes", "Bordeaux") == "Dessert"
    assert type_of("Bordeaux-style Red Blend", "Sauternes", "Bordeaux") == "Red"
    assert type_of(None, "Pauillac", None) is None


def test_names_of_countries_and_grapes_have_one_spelling() -> None:
    assert country_named("USA") == country_named("US") == "United States"
    assert country_named("Atlantis") == "Atlantis"
    assert grape_named("Spätburgunder") == grape_named("Pinot Nero") == "Pinot Noir"
    assert grape_named("Unheard") is None


@pytest.mark.real_data
def test_the_published_windows_are_taken_whole(real_data: Path, tmp_path: Path) -> None:
    file = real_data / "windows" / "expert_windows.csv"
    report = import_windows(file, tmp_path / "data", Terms(NOW, skip_bad=True), progress=lambda _w, _c: None)["windows"]
    given = pl.read_csv(file, infer_schema=False).with_columns(pl.all().str.strip_chars())
    assert report.rows + report.refused == given.height
    assert report.refused == 0
    taken = DataFolder.open(tmp_path / "data").scan("windows").collect()
    for theirs, ours in (("vintage", "vintage"), ("start", "start"), ("end", "end"), ("points", "points"), ("price", "price"),
                         ("kind", "kind"), ("province", "province"), ("variety", "variety"), ("winery", "producer"),
                         ("reviewer", "reviewer")):  # fmt: skip
        assert given[theirs].cast(taken[ours].dtype).to_list() == taken[ours].to_list(), theirs
    assert taken["window_id"].n_unique() == given.height
    assert "US" not in taken["country"] and "USA" not in taken["country"]
    assert taken["type"].null_count() == 0  # every variety of the file is in the vocabulary
    check_folder(tmp_path / "data", NOW)
