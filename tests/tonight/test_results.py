"""Results as CSV: a row per bottle with the export's own keys, and nothing in it that a spreadsheet would run."""

from __future__ import annotations

import csv
from datetime import date

import pytest

from cellar_tonight.evening import DrinkPlan, Evening, LotPace, Planned, Wish
from cellar_tonight.lines import lines_of
from cellar_tonight.lines import wines_of as known_wines
from cellar_tonight.results import HEADER, write_results
from cellar_tonight.standings import Home, standings

TODAY = date(2026, 11, 25)
YEARS = (2026, 2027)


def evening_of(bottles, wines, plan=None, pace=()):
    stands = standings(bottles, wines, TODAY, YEARS, Home(), None)
    lines = tuple(lines_of(bottles, stands, known_wines(wines), {}, TODAY))
    return Evening(TODAY, None, Wish(), YEARS, lines, (), plan, pace, (), (), ())


def written(evening, bottles, path):
    write_results(evening, bottles, path)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_bottle_has_a_row_with_the_exports_keys_and_its_year_of_the_plan(bottles_of, wines_of, tmp_path):
    bottles = bottles_of({"bottle_id": "ct:b0012", "location": "Cellar", "bin": "A1"}, {"bottle_id": "ct:hff-1"}, {"state": "consumed"})
    wines = wines_of({"wine_id": "ct:1"})
    plan = DrinkPlan(YEARS, 1, (Planned(0, 2027, "evening", 1, 0.9),), 0.9, 0.8, "optimal", 0.0, 1)
    wine = known_wines(wines)["ct:1"]
    rows = written(evening_of(bottles, wines, plan, (LotPace(wine, 3, 1, {"linear": 0.25}),)), bottles, tmp_path / "results.csv")
    assert list(rows[0]) == list(HEADER)
    assert [(row["iWine"], row["Barcode"], row["Location"], row["PlanYear"]) for row in rows] == [
        ("1", "0012", "Cellar", "2027"), ("1", "", "", ""),
    ]  # fmt: skip
    first = rows[0]
    assert (first["Vintage"], first["Wine"], first["Size"]) == ("2010", "Weingut A Lage A", "750ml")
    assert (first["BeginConsume"], first["EndConsume"], first["WindowSource"]) == ("2018", "2030", "community")
    assert (first["ReadyFrom"], first["DrinkBy"], first["Linear"]) == ("2018-01-01", "2030-12-31", "0.25")
    assert 0 < float(first["Drinkability"]) < 1


@pytest.mark.parametrize(("size_ml", "text"), [(375, "375ml"), (750, "750ml"), (1500, "1.5L"), (3000, "3.0L"), (2250, "2.25L"), (None, "")])
def test_sizes_are_written_as_the_export_writes_them(bottles_of, wines_of, tmp_path, size_ml, text):
    bottles = bottles_of({"size_ml": size_ml, "vintage": 0})
    (row,) = written(evening_of(bottles, wines_of({"vintage": 0}), None), bottles, tmp_path / "r.csv")
    assert (row["Size"], row["Vintage"]) == (text, "1001")


PLANTED = [
    "=HYPERLINK(\"http://127.0.0.1/?\"&A1)", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "|calc", "%0A=1", "  =1+1", "\t=1+1", "\r=1",
    "\uff1d1+1", "\n@SUM(A1)", "\u202e=1", "\ufeff=1",
]  # fmt: skip


@pytest.mark.parametrize("text", PLANTED)
@pytest.mark.parametrize("column", ["Wine", "Producer", "Location", "Bin"])
def test_a_planted_formula_is_text(bottles_of, wines_of, tmp_path, text, column):
    names = {"Wine": "full_name", "Producer": "producer"}
    bottles = bottles_of({"location": text, "bin": text})
    wines = wines_of({names[column]: text} if column in names else {})
    (row,) = written(evening_of(bottles, wines), bottles, tmp_path / "r.csv")
    assert row[column].lstrip(" ").startswith("'")
    assert not any(ord(mark) < 32 or mark in "\u202e\ufeff" for mark in row[column])
    raw = (tmp_path / "r.csv").read_bytes()
    assert raw.count(b"\r\n") == raw.count(b"\n") == 2


def test_control_characters_quotes_and_commas_stay_in_their_cell(bottles_of, wines_of, tmp_path):
    bottles = bottles_of({"location": 'a "b", c\x00\x1b[31m', "bin": "<script>alert(1)</script>"})
    (row,) = written(evening_of(bottles, wines_of()), bottles, tmp_path / "r.csv")
    assert (row["Location"], row["Bin"]) == ('a "b", c  [31m', "<script>alert(1)</script>")
