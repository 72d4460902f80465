"""What a night says has changed since the night before."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

AS_OF, NEXT = date(2025, 6, 1), date(2026, 6, 1)


def changes_of(out, manifest):
    """Bottles by what happened to them."""
    frames = [pl.read_parquet(out / "changes" / f"{name}.parquet") for name in manifest.changes.files]
    found = {}
    for bottle_id, _, change in pl.concat(frames).iter_rows():
        found.setdefault(change, set()).add(bottle_id)
    return found


def entered_or_left(before, now):
    """By their phases of both nights, as a person would say it."""
    inside = {"early", "peak", "late"}
    both = before.select("bottle_id", before="phase").join(now.select("bottle_id", now="phase"), on="bottle_id")
    rows = both.rows()
    return (
        {row[0] for row in rows if row[1] not in inside and row[2] in inside},
        {row[0] for row in rows if row[1] in inside and row[2] not in inside},
    )


@pytest.fixture
def parts(many_bottles):
    return many_bottles(3, 400)


def test_the_first_night_has_nothing_to_compare_with(make_data, night, parts):
    assert night(make_data(parts)).manifest.changes is None


def test_bottles_that_entered_or_left_their_window_are_listed_where_only_the_day_moved(
    make_data, night, rows_of_night, parts, many_places, tmp_path
):
    data = make_data(parts, places=many_places)
    night(data)
    before = rows_of_night(tmp_path / "out")
    manifest = night(data, as_of=NEXT).manifest
    found = changes_of(tmp_path / "out", manifest)
    entered, left = entered_or_left(before, rows_of_night(tmp_path / "out"))
    assert len(entered) > 5
    assert len(left) > 5
    assert (found["entered"], found["left"]) == (entered, left)
    assert manifest.changes.since == AS_OF
    assert manifest.changes.bottles == {"new": 0, "gone": 0, "entered": len(entered), "left": len(left), "moved": 0}


def test_bottles_of_changed_parts_are_found_by_their_ids(make_data, night, rows_of_night, parts, many_places, tmp_path):
    night(make_data(parts, places=many_places))
    before = rows_of_night(tmp_path / "out")
    # One goes, one comes, one moves to another part, half of a part is turned into magnums.
    gone, moved_away = parts[1]["bottle_id"][0], parts[1].slice(1, 1)
    come = parts[2].slice(5, 1).with_columns(bottle_id=pl.lit("fresh"))
    one = parts[1].slice(2).with_columns(size_ml=pl.when(pl.int_range(pl.len()) < 200).then(6000).otherwise("size_ml").cast(pl.Int32))
    two = pl.concat([parts[2], moved_away, come])
    manifest = night(make_data([parts[0], one, two], places=many_places), as_of=date(2025, 6, 2)).manifest
    now = rows_of_night(tmp_path / "out")
    found = changes_of(tmp_path / "out", manifest)
    was, is_now = set(before["bottle_id"]), set(now["bottle_id"])
    assert found.get("new", set()) == is_now - was
    assert found.get("gone", set()) == was - is_now
    assert (is_now - was, was - is_now) == ({"fresh"} & is_now, {gone} & was)
    entered, left = entered_or_left(before, now)
    assert (found.get("entered", set()), found.get("left", set())) == (entered, left)
    dates = ("ready_from", "peak_from", "peak_to", "drink_by")
    both = before.join(now, on="bottle_id", suffix="_now")
    far = pl.any_horizontal((pl.col(f"{name}_now") - pl.col(name)).dt.total_days().abs() > 91 for name in dates)
    assert found["moved"] == set(both.filter(far)["bottle_id"])
    assert len(found["moved"]) > 100


def test_the_night_before_is_found_beside_the_folder_or_where_it_is_named(make_data, night, parts, tmp_path):
    data = make_data(parts)
    night(data, tmp_path / "nights" / "first")
    night(data, tmp_path / "elsewhere" / "other", as_of=date(2023, 5, 1))
    beside = night(data, tmp_path / "nights" / "second", as_of=NEXT).manifest
    assert beside.changes.since == AS_OF
    named = night(data, tmp_path / "nights" / "third", as_of=NEXT, previous=tmp_path / "elsewhere" / "other").manifest
    assert named.changes.since == date(2023, 5, 1)
    assert named.changes.bottles["entered"] > beside.changes.bottles["entered"] > 0


def test_what_was_said_of_a_bottle_that_has_gone_is_kept_without_whose_it_was(make_data, bottle, night, rows_of_night, tmp_path):
    night(make_data([[bottle, bottle | {"bottle_id": "b2"}]]))
    said = rows_of_night(tmp_path / "out").filter(pl.col("bottle_id") == "b2")
    changes = night(make_data([[bottle]]), as_of=NEXT, keep=1).manifest.changes
    assert changes.bottles["gone"] == 1
    (kept,) = (tmp_path / "out" / "gone" / f"{name}.parquet" for name in changes.gone)
    assert pl.read_parquet(kept).equals(said.drop("member_id"))
    night(make_data([[bottle]]), as_of=NEXT + timedelta(days=1), keep=1)
    assert kept.is_file()
