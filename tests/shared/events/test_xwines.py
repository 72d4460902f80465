"""The X-Wines source: what it takes, and the sentence with which it refuses what it does not."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cellar_shared.errors import BadInput
from cellar_shared.events.checks import check_folder
from cellar_shared.events.moments import moment_of
from cellar_shared.events.sources.intake import Terms
from cellar_shared.events.tables import DataFolder

BytesOf = Callable[[Path], dict[str, bytes]]


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    return DataFolder.open(folder).scan(table).collect().to_dicts()


def test_a_good_release_becomes_the_tables_wines_and_ratings(release: Any, tmp_path: Path) -> None:
    report = release.take(tmp_path / "data")

    assert [(table, facts.rows, facts.refused) for table, facts in report.items()] == [("wines", 2, 0), ("ratings", 3, 0)]
    sparkling, red = rows(tmp_path / "data", "wines")
    assert sparkling == {
        "wine_id": "1", "name": "Espumante", "producer": "Perla", "type": "Sparkling", "country": "Brazil", "region": "Serra",
        "grapes": ["Moscato"], "abv": 7.5, "body": 2.0, "acidity": 3.0, "price": None, "currency": None, "source": "xwines",
        "elaborate": "Varietal/100%", "pairings": ["Aperitif", "Cake"], "country_code": "BR", "canonical_region": None,
        "canonical_grapes": ["Muscat/Moscato"],
    }  # fmt: skip
    assert (red["producer"], red["region"], red["body"], red["acidity"]) == ("Clos, Fils", "Médoc", 5.0, 1.0)
    assert red["grapes"] == ["Merlot", "Syrah/Shiraz"]
    first = rows(tmp_path / "data", "ratings")[0]
    assert first == {
        "event_id": "10", "member_id": "u1", "wine_id": "1", "vintage": 0, "rating_raw": 4.0, "scale": "1-5", "like": True,
        "rated_at": datetime(2019, 5, 6, 7, 8, 9, tzinfo=UTC), "time_precision": "datetime", "defective": False, "source": "xwines",
    }  # fmt: skip
    assert not (tmp_path / "data" / "refused.csv").exists()
    assert check_folder(tmp_path / "data")["ratings_of_unknown_wines"] == 0


def test_a_like_is_a_rating_of_four_or_more(release: Any, tmp_path: Path) -> None:
    release.take(tmp_path / "data")
    assert [row["like"] for row in rows(tmp_path / "data", "ratings")] == [True, False, True]


def test_non_vintage_is_zero_however_the_release_writes_it(release: Any, tmp_path: Path) -> None:
    release.with_ratings(*(f"{n},u,1,{text},3,2020-01-01" for n, text in enumerate(("0", "N.V.", "NV", "2015", ""))))
    release.take(tmp_path / "data")
    assert [row["vintage"] for row in rows(tmp_path / "data", "ratings")] == [0, 0, 0, 2015, None]


def test_a_date_without_a_time_is_kept_as_a_date_and_no_date_as_unknown(release: Any, tmp_path: Path) -> None:
    release.with_ratings("1,u,1,0,3,2020-01-03", "2,u,2,0,3,", "3,v,2,0,3,2020-01-03 00:00:00")
    release.take(tmp_path / "data")
    found = [(row["rated_at"], row["time_precision"]) for row in rows(tmp_path / "data", "ratings")]
    midnight = datetime(2020, 1, 3, tzinfo=UTC)
    assert found == [(midnight, "date"), (None, "unknown"), (midnight, "datetime")]


def test_a_byte_order_mark_carriage_returns_and_blank_lines_do_not_matter(release: Any, tmp_path: Path) -> None:
    release.take(tmp_path / "plain")
    for file in (release.wines, release.ratings):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")
    release.take(tmp_path / "marked")
    for table in ("wines", "ratings"):
        assert rows(tmp_path / "marked", table) == rows(tmp_path / "plain", table)


def test_columns_may_stand_in_any_order_beside_others(release: Any, tmp_path: Path) -> None:
    release.ratings.write_text("Date,line,Rating,x,Vintage,WineID,x,UserID,RatingID\n2020-01-03,6,4.5,,2015,2,,u1,77\n", "utf-8")
    release.take(tmp_path / "data")
    assert [(row["event_id"], row["rating_raw"]) for row in rows(tmp_path / "data", "ratings")] == [("77", 4.5)]


BAD_RATINGS = {
    "rating above the scale": ("13,u3,1,0,5.5,2020-01-01", "column Rating: found '5.5', expected a rating from 1 to 5"),
    "rating in words": ("13,u3,1,0,good,2020-01-01", "column Rating: found 'good', expected a rating from 1 to 5"),
    "rating that is no number": ("13,u3,1,0,nan,2020-01-01", "column Rating: found 'nan', expected a rating from 1 to 5"),
    "no rating": ("13,u3,1,0,,2020-01-01", "column Rating: found '', expected a rating from 1 to 5"),
    "day that does not exist": ("13,u3,1,0,4,2021-02-30", "column Date: found '2021-02-30', expected YYYY-MM-DD HH:MM:SS or YYYY-MM-DD"),
    "date of another country": ("13,u3,1,0,4,02/28/2021", "column Date: found '02/28/2021', expected YYYY-MM-DD HH:MM:SS or YYYY-MM-DD"),
    "year of two digits": ("13,u3,1,0,4,21-02-28", "column Date: found '21-02-28', expected YYYY-MM-DD HH:MM:SS or YYYY-MM-DD"),
    "year of five digits": ("13,u3,1,0,4,+12021-02-28", "column Date: found '+12021-02-28', expected YYYY-MM-DD HH:MM:SS or YYYY-MM-DD"),
    "vintage in words": ("13,u3,1,old,4,2020-01-01", "column Vintage: found 'old', expected a year from 1700 to 2100, 0 or N.V."),
    "vintage of the Romans": ("13,u3,1,79,4,2020-01-01", "column Vintage: found '79', expected a year from 1700 to 2100, 0 or N.V."),
    "rating of the future": ("13,u3,1,0,4,2024-03-01 12:00:01", "column Date: found '2024-03-01 12:00:01+00:00', expected a time that"),
    "no member": ("13, ,1,0,4,2020-01-01", "column UserID: found '', expected an id"),
    "no wine": ("13,u3,,0,4,2020-01-01", "column WineID: found '', expected an id"),
    "too few fields": ("13,u3,1,0,4", "column the row: found '5 fields', expected 6 fields as in the header"),
    "too many fields": ("13,u3,1,0,4,2020-01-01,x", "column the row: found '7 fields', expected 6 fields as in the header"),
    "id of an earlier row": ("11,u3,1,0,4,2020-01-01", "column RatingID: found '11', expected an id of its own (line 3 has it too)"),
    "quote in mid-field": ('13,u3,"1"x,0,4,2020-01-01', "column the row: found "),
}  # fmt: skip


@pytest.mark.parametrize(("row", "sentence"), BAD_RATINGS.values(), ids=BAD_RATINGS)
def test_a_bad_rating_ends_the_import_with_its_place(
    release: Any, good_ratings: tuple[str, ...], tmp_path: Path, row: str, sentence: str
) -> None:
    release.with_ratings(*good_ratings, row)
    with pytest.raises(BadInput) as refusal:
        release.take(tmp_path / "data")
    assert str(refusal.value).startswith(f"ratings.csv, line 5, {sentence}")
    assert "--skip-bad" in str(refusal.value)


@pytest.mark.parametrize(("row", "sentence"), BAD_RATINGS.values(), ids=BAD_RATINGS)
def test_skip_bad_keeps_the_good_rows_and_lists_the_bad_one(
    release: Any, good_ratings: tuple[str, ...], tmp_path: Path, row: str, sentence: str
) -> None:
    release.with_ratings(*good_ratings, row, "14,u4,1,0,2,2020-01-01")
    report = release.take(tmp_path / "data", skip_bad=True)

    assert (report["ratings"].rows, report["ratings"].refused) == (4, 1)
    assert [row["event_id"] for row in rows(tmp_path / "data", "ratings")] == ["10", "11", "12", "14"]
    with (tmp_path / "data" / "refused.csv").open(encoding="utf-8", newline="") as stream:
        (listed,) = csv.DictReader(stream)
    assert (listed["file"], listed["line"]) == ("ratings.csv", "5")
    assert f"column {listed['column']}: found {listed['found']!r}, expected {listed['expected']}".startswith(sentence)
    assert DataFolder.open(tmp_path / "data").manifest.notes["refused"] == 1


BAD_WINES = {
    "list that is none": ("Grapes", """3,X,Red,,Merlot,[],12,,,FR,France,1,R,1,W,,[]""", "'Merlot'"),
    "list left open": ("Harmonize", """3,X,Red,,[],['Beef',12,,,FR,France,1,R,1,W,,[]""", '''"['Beef'"'''),
    "list that runs code": ("Grapes", """3,X,Red,,__import__('os').getcwd(),[],12,,,FR,France,1,R,1,W,,[]""", "__import__"),
    "strength above 80": ("ABV", """3,X,Red,,[],[],81,,,FR,France,1,R,1,W,,[]""", "'81'"),
    "body of its own": ("Body", """3,X,Red,,[],[],12,Round,,FR,France,1,R,1,W,,[]""", "'Round'"),
    "acidity of its own": ("Acidity", """3,X,Red,,[],[],12,,Some,FR,France,1,R,1,W,,[]""", "'Some'"),
    "no name": ("WineName", """3,,Red,,[],[],12,,,FR,France,1,R,1,W,,[]""", "''"),
    "id of an earlier row": ("WineID", """2,X,Red,,[],[],12,,,FR,France,1,R,1,W,,[]""", "'2'"),
}


@pytest.mark.parametrize(("column", "row", "found"), BAD_WINES.values(), ids=BAD_WINES)
def test_a_bad_wine_ends_the_import_with_its_place(
    release: Any, good_wines: tuple[str, ...], tmp_path: Path, column: str, row: str, found: str
) -> None:
    release.with_wines(*good_wines, row)
    with pytest.raises(BadInput) as refusal:
        release.take(tmp_path / "data")
    assert f"wines.csv, line 4, column {column}: found " in str(refusal.value)
    assert found in str(refusal.value)


def test_the_line_is_the_files_own_even_after_a_field_that_spans_lines(release: Any, tmp_path: Path) -> None:
    name = '"two\nlines"'
    release.with_wines(f"""1,{name},Red,,[],[],12,,,FR,France,1,R,1,W,,[]""", """2,X,Red,,[],[],high,,,FR,France,1,R,1,W,,[]""")
    with pytest.raises(BadInput, match=r"wines\.csv, line 4, column ABV: found 'high', expected a percentage from 0 to 80"):
        release.take(tmp_path / "data")


def test_bytes_that_are_not_utf_8_are_named_by_line_and_byte(release: Any, good_ratings: tuple[str, ...], tmp_path: Path) -> None:
    release.ratings.write_bytes(release.ratings.read_bytes() + "13,ü,1,0,4,2020-01-01\n".encode("latin-1"))
    with pytest.raises(BadInput, match=r"ratings\.csv, line 5, column byte 4: found .*expected text in UTF-8"):
        release.take(tmp_path / "data")

    report = release.take(tmp_path / "data", skip_bad=True)
    assert (report["ratings"].rows, report["ratings"].refused) == (len(good_ratings), 1)


def test_a_quote_that_never_closes_is_refused_not_swallowed(release: Any, good_ratings: tuple[str, ...], tmp_path: Path) -> None:
    release.with_ratings(*good_ratings, '13,"u3,1,0,4,2020-01-01', "14,u4,1,0,2,2020-01-01")
    with pytest.raises(BadInput, match=r"ratings\.csv, line 6, column the row: found .*expected comma-separated fields"):
        release.take(tmp_path / "data")


def test_a_missing_column_is_named_beside_those_found(release: Any, tmp_path: Path) -> None:
    release.ratings.write_text("RatingID,UserID,WineID,Rating,Date\n1,u,1,4,2020-01-01\n", "utf-8")
    with pytest.raises(BadInput, match=r"ratings\.csv, line 1: column Vintage is missing; found RatingID, UserID, WineID, Rating, Date"):
        release.take(tmp_path / "data")


def test_a_column_that_stands_twice_is_named(release: Any, tmp_path: Path) -> None:
    release.ratings.write_text("RatingID,UserID,WineID,Vintage,Rating,Date,Date\n1,u,1,0,4,2020-01-01,2021-01-01\n", "utf-8")
    with pytest.raises(BadInput, match=r"ratings\.csv, line 1: column Date stands there more than once; keep one"):
        release.take(tmp_path / "data")


def test_a_header_that_cannot_be_read_is_named(release: Any, tmp_path: Path) -> None:
    release.ratings.write_text('"RatingID,UserID\n1,u,1,0,4,2020-01-01\n', "utf-8")
    with pytest.raises(BadInput, match=r"ratings\.csv, line 1: the header cannot be read .*; expected columns RatingID, UserID"):
        release.take(tmp_path / "data")


def test_an_empty_file_is_named(release: Any, tmp_path: Path) -> None:
    release.ratings.write_bytes(b"")
    with pytest.raises(BadInput, match=r"ratings\.csv, line 1: column RatingID, .* missing; found nothing"):
        release.take(tmp_path / "data")


def test_a_file_with_a_header_alone_is_named(release: Any, tmp_path: Path) -> None:
    release.with_ratings()
    with pytest.raises(BadInput, match=r"ratings\.csv holds no row that can be taken"):
        release.take(tmp_path / "data")


def test_an_absent_file_is_answered_with_the_names_looked_for(release: Any, tmp_path: Path) -> None:
    release.ratings.unlink()
    with pytest.raises(BadInput, match=r"holds none of ratings\.csv, .*name the folder with the X-Wines release"):
        release.take(tmp_path / "data")


def test_a_failed_import_leaves_nothing_behind(release: Any, tmp_path: Path) -> None:
    release.with_ratings("1,u,1,0,9,2020-01-01")
    with pytest.raises(BadInput):
        release.take(tmp_path / "data")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["release"]


def test_a_failed_import_leaves_the_old_folder_as_it_was(
    release: Any, good_ratings: tuple[str, ...], tmp_path: Path, bytes_of: BytesOf
) -> None:
    release.take(tmp_path / "data")
    before = bytes_of(tmp_path / "data")
    release.with_ratings(*good_ratings, "13,u,1,0,9,2020-01-01")
    with pytest.raises(BadInput):
        release.take(tmp_path / "data", replace=True)
    assert bytes_of(tmp_path / "data") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "release"]


def test_an_existing_folder_is_replaced_only_on_request(release: Any, tmp_path: Path, bytes_of: BytesOf) -> None:
    release.take(tmp_path / "data")
    before = bytes_of(tmp_path / "data")
    release.with_ratings("99,u,1,0,4,2020-01-01")
    with pytest.raises(BadInput, match="already exists; name another folder or say --replace"):
        release.take(tmp_path / "data")
    assert bytes_of(tmp_path / "data") == before

    release.take(tmp_path / "data", replace=True)
    assert [row["event_id"] for row in rows(tmp_path / "data", "ratings")] == ["99"]


def test_a_folder_that_holds_something_else_is_never_replaced(release: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("years of work", "utf-8")
    with pytest.raises(BadInput, match="is not a data folder, so it is not replaced"):
        release.take(tmp_path / "data", replace=True)
    assert (tmp_path / "data" / "thesis.txt").read_text("utf-8") == "years of work"


KILLED_AT = """
import os, signal, sys
from pathlib import Path
from cellar_shared.events.sources.intake import Terms
from cellar_shared.events.sources.xwines import import_xwines

def progress(table, rows):
    if table == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)

import_xwines(Path(sys.argv[1]), Path(sys.argv[2]), Terms(now=1_700_000_000_000_000, replace=True), progress=progress)
"""


@pytest.mark.parametrize("moment", ["wines", "ratings"])
@pytest.mark.parametrize("there_before", [False, True], ids=["nothing there", "old folder there"])
def test_an_import_killed_midway_leaves_the_old_folder_or_nothing(
    release: Any, tmp_path: Path, bytes_of: BytesOf, moment: str, there_before: bool
) -> None:
    out = tmp_path / "data"
    if there_before:
        release.take(out)
        before = bytes_of(out)
    release.with_ratings("99,u,1,0,4,2020-01-01")
    killed = subprocess.run([sys.executable, "-c", KILLED_AT, str(release.folder), str(out), moment], timeout=300, check=False)

    assert killed.returncode == -signal.SIGKILL
    if there_before:
        assert bytes_of(out) == before
        check_folder(out)
    else:
        assert not out.exists()
    assert not list(tmp_path.glob(".data.*/data.json"))
    release.take(out, replace=True)
    assert [row["event_id"] for row in rows(out, "ratings")] == ["99"]


@pytest.mark.real_data
def test_the_published_release_is_taken_whole(real_data: Path, tmp_path: Path) -> None:
    from cellar_shared.events.sources.xwines import import_xwines

    told: list[tuple[str, int]] = []
    terms = Terms(moment_of(datetime(2024, 1, 1, tzinfo=UTC)))
    report = import_xwines(real_data / "xwines", tmp_path / "data", terms, progress=lambda what, count: told.append((what, count)))

    assert (report["wines"].rows, report["ratings"].rows, report["ratings"].refused) == (1_007, 126_564, 0)
    assert told[-1] == ("ratings", 126_564)
    facts = check_folder(tmp_path / "data")
    assert (facts["members"], facts["ratings_of_unknown_wines"], facts["undated_ratings"]) == (9_948, 0, 0)
    ratings = DataFolder.open(tmp_path / "data").scan("ratings")
    like_rate, non_vintage = ratings.select(pl.col("like").mean(), non_vintage=(pl.col("vintage") == 0).sum()).collect().row(0)
    assert like_rate == pytest.approx(0.590, abs=0.001)
    assert non_vintage > 1_000
