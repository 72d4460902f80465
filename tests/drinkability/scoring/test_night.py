"""A night as a whole: what it writes, what it does not compute again, what it sets aside, what it says of itself."""

from __future__ import annotations

import hashlib
from datetime import date

import polars as pl
import pytest

from cellar_drinkability.scoring.layout import Folder
from cellar_drinkability.scoring.manifest import read_manifest
from cellar_shared.errors import BadInput, CellarError
from cellar_shared.events.tables import dtypes_of

AS_OF = date(2025, 6, 1)


def files_of(folder, *tables):
    """The content's digest of each file of the tables, by its path."""
    found = [file for table in tables for file in sorted((folder / table).rglob("*")) if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in found}


@pytest.fixture
def data(make_data, many_bottles, many_places):
    return make_data(many_bottles(3, 400), places=many_places)


def test_a_night_has_a_row_of_the_published_columns_for_each_bottle_that_is_there(data, night, rows_of_night, tmp_path):
    manifest = night(data).manifest
    rows = rows_of_night(tmp_path / "out")
    bottles = pl.concat([pl.read_parquet(part) for part in sorted((data / "bottles").iterdir())])
    kept = bottles.filter(pl.col("state") != "consumed")
    assert dict(rows.schema) == dtypes_of("night/bottles")
    for name in ("bottle_id", "member_id", "wine_id", "vintage"):
        assert rows[name].to_list() == kept[name].to_list()
    assert rows["as_of"].unique().to_list() == [date(2025, 6, 1)]
    assert rows["bundle"].unique().to_list() == [manifest.bundle]
    assert manifest.rows_in == bottles.height == 1200
    assert manifest.consumed == bottles.height - kept.height > 0
    assert {phase for phase, share in manifest.phases.items() if share.bottles} >= {"hold", "early", "peak", "late", "past", "none"}
    assert sum(share.share for share in manifest.reasons.values()) == pytest.approx(1, abs=1e-4)


def test_the_curves_of_a_night_give_its_rows_in_two_lines_of_arithmetic(data, night, rows_of_night, tmp_path):
    manifest = night(data).manifest
    rows = rows_of_night(tmp_path / "out").filter(pl.col("drinkability").is_not_null())
    curves = pl.concat([pl.read_parquet(tmp_path / "out" / "curves" / f"{part.curves}.parquet") for part in manifest.parts])
    assert dict(curves.schema) == dtypes_of("night/curves")
    since = (pl.lit(date(2025, 6, 1)) - pl.col("age_from")).dt.total_days() / 365.25
    u = (pl.col("age_years") + pl.col("rate") * since).log()
    chance = 1 / (1 + (-(u - pl.col("m1")) / pl.col("s1")).exp()) / (1 + (-(pl.col("m2") - u) / pl.col("s2")).exp())
    read = (
        curves.filter(since >= 0, pl.col("vintage").fill_null(0) <= 2025).with_columns(chance=chance).select("wine_id", "vintage", "chance")
    )
    known = {(row[0], row[1], round(row[2], 9)) for row in read.iter_rows()}
    later = {(row[0], row[1]) for row in curves.filter(since < 0).select("wine_id", "vintage").iter_rows()}
    assert len(known) > 300
    for wine_id, vintage, found in rows.select("wine_id", "vintage", "drinkability").iter_rows():
        assert (wine_id, vintage, round(found, 9)) in known or (wine_id, vintage) in later


def test_the_same_night_again_changes_no_byte_and_the_next_one_computes_no_curve(data, night, tmp_path):
    first = night(data)
    assert first.curves_computed == first.manifest.curves > 300
    assert first.answers_computed > 50
    before = files_of(tmp_path / "out", "bottles", "curves", "pace")
    again = night(data)
    assert (again.curves_computed, again.answers_computed) == (0, 0)
    assert files_of(tmp_path / "out", "bottles", "curves", "pace") == before
    next_night = night(data, as_of=date(2025, 6, 2))
    assert (next_night.curves_computed, next_night.answers_computed) == (0, 0)
    after = files_of(tmp_path / "out", "bottles", "curves")
    assert {name for name in after if name.startswith("curves")} == {name for name in before if name.startswith("curves")}
    assert len(after) == len(before) - len(first.manifest.pace) + 2 * 3  # rows and receipt of three parts


def test_a_part_that_changed_is_the_only_one_that_is_computed_again(make_data, night, many_bottles, many_places, tmp_path):
    parts = many_bottles(3, 300)
    night(make_data(parts, places=many_places))
    changed = parts[1].with_columns(size_ml=pl.lit(1500))
    report = night(make_data([parts[0], changed, parts[2]], places=many_places), as_of=date(2025, 6, 2))
    listed = read_manifest(tmp_path / "out" / "nights" / "2025-06-01.json").parts
    now = report.manifest.parts
    assert [one.curves == other.curves for one, other in zip(listed, now, strict=True)] == [True, False, True]
    receipt = Folder(tmp_path / "out").curves_receipt(now[1].curves)
    assert report.curves_computed == sum(receipt.slices)


def test_answers_of_the_model_are_asked_for_once_whatever_part_needs_them(make_data, night, bottle):
    part = [bottle | {"bottle_id": f"b{vintage}", "vintage": vintage} for vintage in range(2000, 2020)]
    other = [row | {"bottle_id": "c" + row["bottle_id"]} for row in part]
    report = night(make_data([part, other]))
    assert report.answers_computed == 20
    assert report.curves_computed == 40


def test_a_reading_later_than_the_night_does_not_count(make_data, night, rows_of_night, bottle, place, tmp_path):
    from datetime import UTC, datetime

    cold = place | {"kind": "trace", "mean_c": None, "at": datetime(2024, 1, 1, tzinfo=UTC), "temperature_c": 12.0}
    hot = cold | {"at": datetime(2025, 7, 1, tzinfo=UTC), "temperature_c": 35.0}
    night(make_data([[bottle]], places=[cold]))
    alone = rows_of_night(tmp_path / "out").drop("input_fingerprint")
    night(make_data([[bottle]], places=[cold, hot]))
    assert rows_of_night(tmp_path / "out").drop("input_fingerprint").equals(alone)
    night(make_data([[bottle]], places=[cold, hot]), as_of=date(2025, 7, 2))
    assert rows_of_night(tmp_path / "out")["effective_age_years"].item() > alone["effective_age_years"].item() + 0.5


def test_a_broken_part_is_set_aside_and_the_others_stand(make_data, night, rows_of_night, many_bottles, many_places, tmp_path):
    parts = many_bottles(3, 200)
    data = make_data(parts, places=many_places)
    undisturbed = night(data, tmp_path / "whole").manifest
    damaged = data / "bottles" / "part-00001.parquet"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:300] + bytes(100) + content[400:])
    report = night(data)
    assert [(each.part, each.error.startswith("BadInput: part-00001.parquet is damaged")) for each in report.set_aside] == [
        ("part-00001.parquet", True)
    ]
    assert report.manifest.set_aside == report.set_aside
    assert report.manifest.parts == [undisturbed.parts[0], undisturbed.parts[2]]
    damaged.write_bytes(content)
    mended = night(data)
    assert mended.set_aside == []
    assert mended.manifest.parts == undisturbed.parts


def test_a_part_that_was_damaged_since_its_curves_were_computed_is_set_aside_too(data, night):
    assert night(data).set_aside == []
    damaged = data / "bottles" / "part-00002.parquet"
    content = bytearray(damaged.read_bytes())
    content[200] ^= 1
    damaged.write_bytes(content)
    (broken,) = night(data, as_of=date(2025, 6, 2)).set_aside
    assert (broken.part, "damaged" in broken.error) == ("part-00002.parquet", True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.drop("storage_id"), "column storage_id is missing"),
        (lambda rows: rows.with_columns(vintage=pl.col("vintage").cast(pl.String)), "vintage String, expected Int32"),
    ],
)
def test_a_part_without_a_column_or_with_another_type_is_set_aside(make_data, night, many_bottles, change, said):
    data = make_data(many_bottles(2, 100))
    part = data / "bottles" / "part-00000.parquet"
    change(pl.read_parquet(part)).write_parquet(part)
    manifest = data / "data.json"
    old = read_digest(manifest)
    manifest.write_text(manifest.read_text().replace(old, hashlib.sha256(part.read_bytes()).hexdigest()))
    (broken,) = night(data).set_aside
    assert said in broken.error


def read_digest(manifest):
    import json

    return json.loads(manifest.read_text())["tables"]["bottles"]["parts"]["part-00000.parquet"]


def test_bytes_that_are_no_table_are_set_aside(make_data, night, many_bottles):
    data = make_data(many_bottles(2, 100))
    manifest = data / "data.json"
    old = read_digest(manifest)
    (data / "bottles" / "part-00000.parquet").write_bytes(b"PAR1 and nothing")
    manifest.write_text(manifest.read_text().replace(old, hashlib.sha256(b"PAR1 and nothing").hexdigest()))
    report = night(data)
    assert [each.part for each in report.set_aside] == ["part-00000.parquet"]
    assert len(report.manifest.parts) == 1


def test_steps_can_be_run_one_by_one(data, night, tmp_path):
    whole = night(data, tmp_path / "whole").manifest
    assert night(data, steps=("curves",)).manifest is None
    night(data, steps=("score",))
    by_steps = night(data, steps=("close",)).manifest
    assert by_steps.parts == whole.parts
    assert by_steps.phases == whole.phases
    assert by_steps.set_aside == []


def test_a_night_that_is_closed_before_it_is_scored_says_so(data, night, tmp_path):
    night(data, steps=("score",))
    closed = night(data, steps=("close",))
    assert closed.manifest.parts == []
    assert {each.error for each in closed.set_aside} == {"it has no curves; run step curves"}
    assert night(data).set_aside == []


def test_rows_that_went_missing_are_found_when_the_night_is_closed(data, night, tmp_path):
    night(data)
    folder = Folder(tmp_path / "out")
    name = read_manifest(folder.manifest).parts[0].bottles
    file = folder.file("bottles", name)
    receipt = folder.receipt(name)
    pl.read_parquet(file).head(5).write_parquet(file)
    folder.write_receipt(
        "bottles",
        name,
        type(receipt)(**{each: getattr(receipt, each) for each in receipt.__struct_fields__} | {"bytes": file.stat().st_size}),
    )
    with pytest.raises(CellarError, match="does not add up"):
        night(data, steps=("close",))


def test_what_only_older_nights_list_goes(data, night, tmp_path):
    for day in (1, 2, 3):
        night(data, as_of=date(2025, 6, day), keep=2)
    kept = {file.name for file in (tmp_path / "out" / "nights").iterdir()}
    assert kept == {"2025-06-01.json", "2025-06-02.json", "2025-06-03.json"}  # what a night was stays to be told
    listed = {part.bottles for day in (2, 3) for part in read_manifest(tmp_path / "out" / "nights" / f"2025-06-0{day}.json").parts}
    assert {file.stem for file in (tmp_path / "out" / "bottles").iterdir()} == listed


def test_a_data_folder_without_bottles_is_refused(make_data, night, small_world):
    with pytest.raises(BadInput, match="holds no table 'bottles'"):
        night(small_world)


def test_empty_and_wholly_consumed_parts_have_no_row(make_data, night, rows_of_night, bottle, tmp_path):
    empty = pl.DataFrame(schema=dtypes_of("bottles"))
    manifest = night(make_data([[bottle | {"state": "consumed"}], empty])).manifest
    assert [(part.rows_in, part.consumed, part.rows) for part in manifest.parts] == [(1, 1, 0), (0, 0, 0)]
    assert rows_of_night(tmp_path / "out").height == 0
    assert dict(rows_of_night(tmp_path / "out").schema) == dtypes_of("night/bottles")


def test_a_night_of_the_past_scores_the_bottles_that_were_there_then(make_data, bottle, night, rows_of_night, tmp_path):
    gone = bottle | {"state": "consumed", "consumed_how": "drunk"}
    rows = [
        bottle,
        gone | {"bottle_id": "later", "consumed_at": date(2025, 7, 1)},
        gone | {"bottle_id": "that day", "consumed_at": AS_OF},
        gone | {"bottle_id": "before", "consumed_at": date(2025, 5, 31)},
        gone | {"bottle_id": "some day"},
        bottle | {"bottle_id": "came later", "acquired_at": date(2025, 6, 2)},
        bottle | {"bottle_id": "came later, no place", "acquired_at": date(2025, 6, 2), "storage_id": None, "wine_id": "w2"},
    ]
    data = make_data([rows])
    then = night(data).manifest
    assert rows_of_night(tmp_path / "out")["bottle_id"].to_list() == ["b1", "later", "that day"]
    assert (then.rows, then.consumed) == (3, 4)
    now = night(data, as_of=date(2025, 7, 2))
    assert rows_of_night(tmp_path / "out")["bottle_id"].to_list() == ["b1", "came later", "came later, no place"]
    assert now.manifest.changes.bottles == {"new": 2, "gone": 2, "entered": 0, "left": 0, "moved": 0}
    assert night(data, as_of=date(2025, 8, 1)).curves_computed == 0
