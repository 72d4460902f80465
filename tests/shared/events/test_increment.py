"""A day's increment: what is new is added, what is there is told apart, and the same increment twice changes nothing."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellar_shared.errors import BadInput
from cellar_shared.events.checks import check_folder
from cellar_shared.events.tables import DataFolder

BytesOf = Callable[[Path], dict[str, bytes]]
SINCE = datetime(2020, 1, 3, 6, tzinfo=UTC)
NEW = ("20,u1,2,2015,4,2020-01-03 06:00:00", "21,u9,1,0,2.5,2021-01-01 10:00:00")


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    return DataFolder.open(folder).scan(table).collect().to_dicts()


@pytest.fixture
def data(release: Any, tmp_path: Path) -> Path:
    """The good release, imported whole."""
    release.take(tmp_path / "data")
    return tmp_path / "data"


def test_what_has_happened_since_is_added_behind_what_stands(
    release: Any, data: Path, good_ratings: tuple[str, ...], bytes_of: BytesOf
) -> None:
    before = bytes_of(data)
    report = release.with_ratings(*good_ratings, *NEW).take(data, since=SINCE)
    assert [row["event_id"] for row in rows(data, "ratings")] == ["10", "11", "12", "20", "21"]
    # Line 12 is dated to 2020-01-03 without a time, so it may have happened after six: it is looked at, and there already.
    assert (report["ratings"].rows, report["ratings"].before, report["ratings"].duplicates) == (2, 2, 1)
    assert (report["wines"].rows, report["wines"].duplicates, report["wines"].replaced) == (0, 2, 0)
    after = bytes_of(data)
    assert {name: after[name] for name in before if name != "data.json"} == {n: c for n, c in before.items() if n != "data.json"}
    assert check_folder(data)["ratings"] == 5


def test_the_same_increment_again_changes_no_byte(release: Any, data: Path, good_ratings: tuple[str, ...], bytes_of: BytesOf) -> None:
    release.with_ratings(*good_ratings, *NEW).take(data, since=SINCE)
    before = bytes_of(data)
    report = release.take(data, since=SINCE)
    assert (report["ratings"].rows, report["ratings"].duplicates) == (0, 3)
    assert bytes_of(data) == before


def test_days_one_by_one_or_all_at_once_give_the_same_rows(release: Any, data: Path, good_ratings: tuple[str, ...], tmp_path: Path) -> None:
    release.with_ratings(*good_ratings, NEW[0]).take(data, since=SINCE)
    release.with_ratings(*good_ratings, *NEW).take(data, since=datetime(2020, 12, 31, tzinfo=UTC))
    release.take(tmp_path / "whole")
    assert rows(data, "ratings") == rows(tmp_path / "whole", "ratings")


def test_an_undated_rating_is_taken_once(release: Any, data: Path, good_ratings: tuple[str, ...]) -> None:
    release.with_ratings(*good_ratings, "30,u1,2,2015,4,")
    assert release.take(data, since=SINCE)["ratings"].rows == 1
    assert release.take(data, since=SINCE)["ratings"].rows == 0
    assert rows(data, "ratings")[-1]["event_id"] == "30"


def test_other_content_under_a_known_id_is_refused(release: Any, data: Path, bytes_of: BytesOf, tmp_path: Path) -> None:
    before = bytes_of(data)
    release.with_ratings("12,u2,2,0,1.0,2020-01-03", *NEW)
    with pytest.raises(BadInput, match=r"line 2, column RatingID: found '12', expected the content that it has in the data folder already"):
        release.take(data, since=SINCE)
    assert bytes_of(data) == before

    report = release.take(data, since=SINCE, skip_bad=True)
    assert (report["ratings"].rows, report["ratings"].refused) == (2, 1)
    assert [(row["event_id"], row["rating_raw"]) for row in rows(data, "ratings")][2:4] == [("12", 5.0), ("20", 4.0)]
    with (data / "refused.csv").open(encoding="utf-8", newline="") as stream:
        assert [(row["file"], row["line"], row["found"]) for row in csv.DictReader(stream)] == [("ratings.csv", "2", "12")]


def test_new_wines_are_added_and_changed_facts_replace_a_wines_row_where_it_stands(
    release: Any, data: Path, good_wines: tuple[str, ...], good_ratings: tuple[str, ...], bytes_of: BytesOf
) -> None:
    stronger = good_wines[0].replace(",7.5,", ",8,")
    third = """3,Neu,White,Varietal/100%,['Riesling'],[],12,,,DE,Germany,7,Mosel,5,Gut,,[]"""
    report = release.with_wines(third, stronger, good_wines[1]).with_ratings(*good_ratings).take(data, since=SINCE)
    assert (report["wines"].rows, report["wines"].replaced, report["wines"].duplicates) == (1, 1, 1)
    assert [(row["wine_id"], row["abv"]) for row in rows(data, "wines")] == [("1", 8.0), ("2", 13.5), ("3", 12.0)]
    check_folder(data)
    before = bytes_of(data)
    release.take(data, since=SINCE)
    assert bytes_of(data) == before


def test_an_increment_of_others_ids_or_into_nothing_is_refused(release: Any, tmp_path: Path, written: Any, rows_of: Any) -> None:
    with pytest.raises(BadInput, match="is not a data folder"):
        release.take(tmp_path / "data", since=SINCE)
    written(tmp_path / "data", wines=rows_of("wines", 2))
    with pytest.raises(BadInput, match="has the namespace 'made' and the import 'xwines'"):
        release.take(tmp_path / "data", since=SINCE)
    with pytest.raises(BadInput, match="--since adds to a data folder and --replace puts another in its place"):
        release.take(tmp_path / "data", since=SINCE, replace=True)


def test_an_increment_with_a_bad_row_leaves_every_byte(release: Any, data: Path, bytes_of: BytesOf, good_ratings: tuple[str, ...]) -> None:
    before = bytes_of(data)
    release.with_ratings(*good_ratings, *NEW, "22,u1,2,2015,9,2021-01-03")
    with pytest.raises(BadInput, match="line 7, column Rating"):
        release.take(data, since=SINCE)
    assert bytes_of(data) == before


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(days=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=5))
def test_whatever_the_increments_overlap_in_every_rating_is_there_once(
    release: Any, tmp_path_factory: pytest.TempPathFactory, days: list[tuple[int, int]]
) -> None:
    """An increment is a dump up to one day, asked for since another; the last is a whole dump asked for since ever."""
    place = tmp_path_factory.mktemp("law")
    dump = [f"{n},u{n % 3},{n % 2 + 1},2015,{n % 5 + 1},2020-01-{n + 1:02} 10:00:00" for n in range(31)]
    release.with_ratings(dump[0]).take(place / "data")
    held = {"0"}
    for through, since in [*days, (30, 0)]:
        first = datetime(2020, 1, since + 1, tzinfo=UTC)
        report = release.with_ratings(*dump[: through + 1]).take(place / "data", since=first)["ratings"]
        asked = {str(n) for n in range(since, through + 1)}
        assert (report.rows, report.duplicates, report.before) == (len(asked - held), len(asked & held), min(since, through + 1))
        held |= asked
    found = [row["event_id"] for row in rows(place / "data", "ratings")]
    assert sorted(found, key=int) == [str(n) for n in range(31)]
