"""Tables: their schemas, the folder written whole or not at all, and the check that finds what is wrong with one."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pytest

from cellar_shared.errors import BadInput
from cellar_shared.events.checks import check_folder
from cellar_shared.events.tables import DataFolder, DataWriter, batches, dtypes_of, schema_of

TABLES = sorted(file.name.removesuffix(".schema.json") for file in resources.files("cellar_shared.events").joinpath("schemas").iterdir())


def wines(count: int, **changed: pl.Expr) -> pl.DataFrame:
    names = dict.fromkeys(schema_of("wines")["required"], pl.lit(None))
    numbered = {"wine_id": pl.format("w{}", "n"), "name": pl.format("Wine {}", "n"), "source": pl.lit("made")}
    return pl.DataFrame({"n": range(count)}).select(**(names | numbered | changed))


def ratings(count: int, **changed: pl.Expr) -> pl.DataFrame:
    given = {
        "event_id": pl.format("e{}", "n"),
        "member_id": pl.format("m{}", pl.col("n") % 3),
        "wine_id": pl.format("w{}", "n"),
        "vintage": pl.lit(2015),
        "rating_raw": pl.lit(4.0),
        "scale": pl.lit("1-5"),
        "like": pl.lit(True),
        "rated_at": pl.lit(datetime(2020, 1, 1, tzinfo=UTC)),
        "time_precision": pl.lit("datetime"),
        "defective": pl.lit(False),
        "source": pl.lit("made"),
    }
    return pl.DataFrame({"n": range(count)}).select(**(given | changed))


def written(out: Path, scale: str = "1-5", **tables: pl.DataFrame) -> Path:
    with DataWriter(out, "made", scale, "test") as writer:
        for table, rows in tables.items():
            writer.add(table, rows)
    return out


@pytest.mark.parametrize("table", TABLES)
def test_a_published_schema_is_a_valid_json_schema_that_names_itself(table: str) -> None:
    schema = schema_of(table)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == table
    assert set(schema["required"]) <= set(schema["properties"])
    assert set(schema["x-key"]) <= set(schema["required"])


def json_row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


@pytest.mark.parametrize("table", ["wines", "ratings", "notes", "truth"])
def test_the_rows_of_a_made_up_world_keep_their_published_schema(table: str, small_world: Path) -> None:
    validator = jsonschema.Draft202012Validator(schema_of(table), format_checker=jsonschema.FormatChecker())
    rows = DataFolder.open(small_world).scan(table).collect()
    for row in rows.sample(min(300, rows.height), seed=1).iter_rows(named=True):
        validator.validate(json_row(row))
        assert list(row) == list(schema_of(table)["properties"])


@pytest.mark.parametrize("table", ["wines", "ratings"])
def test_the_rows_of_an_import_keep_their_published_schema(table: str, release: Any, tmp_path: Path) -> None:
    release.take(tmp_path / "data")
    validator = jsonschema.Draft202012Validator(schema_of(table), format_checker=jsonschema.FormatChecker())
    for row in DataFolder.open(tmp_path / "data").scan(table).collect().iter_rows(named=True):
        validator.validate(json_row(row))


def test_parts_are_read_back_in_the_order_written_with_the_schemas_columns_and_dtypes(tmp_path: Path) -> None:
    with DataWriter(tmp_path / "data", "made", "1-5", "test") as writer:
        writer.add("wines", wines(3).select(pl.all().reverse()).select(reversed(wines(0).columns)))
        writer.add("wines", wines(2, wine_id=pl.format("later{}", "n"), shelf=pl.lit("top")).drop("shelf"))
    frame = DataFolder.open(tmp_path / "data").scan("wines").collect()

    assert frame["wine_id"].to_list() == ["w2", "w1", "w0", "later0", "later1"]
    expected = {name: dtype for name, dtype in dtypes_of("wines").items() if name in frame.columns}
    assert dict(frame.schema) == expected


def test_slices_hold_every_row_once_and_no_more_than_asked(tmp_path: Path) -> None:
    frame = DataFolder.open(written(tmp_path / "data", wines=wines(25))).scan("wines")
    slices = list(batches(frame, 10))
    assert max(piece.height for piece in slices) <= 10
    assert pl.concat(slices)["wine_id"].to_list() == [f"w{n}" for n in range(25)]


def test_a_part_without_a_required_column_is_refused_and_nothing_stays(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="table ratings: column like, rated_at is missing"):
        written(tmp_path / "data", ratings=ratings(2).drop("like", "rated_at"))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_put_in_place_leaves_nothing_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(new: Path, place: Path) -> None:
        raise OSError(f"no room for {place.name}")

    monkeypatch.setattr("cellar_shared.durable._swap", fail)
    with pytest.raises(OSError, match="no room for data"), DataWriter(tmp_path / "data", "made", "1-5", "test") as writer:
        writer.add("wines", wines(1))
    assert not list(tmp_path.iterdir())


def test_equal_rows_have_equal_digests_and_other_rows_another(tmp_path: Path) -> None:
    digests = [DataFolder.open(written(tmp_path / name, wines=wines(count))).digest() for name, count in (("a", 5), ("b", 5), ("c", 6))]
    assert digests[0] == digests[1] != digests[2]


def test_a_good_folder_is_answered_with_its_facts(tmp_path: Path) -> None:
    facts = check_folder(written(tmp_path / "data", wines=wines(4), ratings=ratings(5, rated_at=pl.lit(None))))
    assert facts == {
        "namespace": "made", "wines": 4, "ratings": 5, "members": 3, "ratings_of_unknown_wines": 1, "undated_ratings": 5,
    }  # fmt: skip


def test_a_flipped_byte_is_found_and_its_part_named(tmp_path: Path) -> None:
    folder = written(tmp_path / "data", wines=wines(50))
    (part,) = (folder / "wines").iterdir()
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    with pytest.raises(BadInput, match=r"wines/part-00000\.parquet is not what was written"):
        check_folder(folder)


BROKEN: dict[str, tuple[Callable[[], dict[str, pl.DataFrame]], str]] = {
    "null id": (lambda: {"wines": wines(9, wine_id=pl.when(pl.col("n") != 6).then(pl.lit("w")))}, "'wine_id is given', first row 7"),
    "empty id": (lambda: {"ratings": ratings(3, member_id=pl.lit(""))}, "'member_id is not empty', first row 1"),
    "same id twice": (lambda: {"wines": wines(9, wine_id=pl.format("w{}", pl.col("n").clip(4, 5)))}, "'wine_id is unique', first row 1"),
    "null like": (lambda: {"ratings": ratings(3, like=pl.lit(None))}, "'like is given', first row 1"),
    "body above five": (lambda: {"wines": wines(2, body=pl.lit(6.0))}, "'body <= 5', first row 1"),
    "vintage before Christ": (lambda: {"ratings": ratings(2, vintage=pl.lit(-44))}, "'vintage >= 0', first row 1"),
    "unheard-of precision": (lambda: {"ratings": ratings(2, time_precision=pl.lit("about"))}, "time_precision is one of"),
    "chance above one": (lambda: {"truth": pl.DataFrame({"event_id": ["a"], "probability": [1.5]})}, "'probability <= 1', first row 1"),
    "chance that is no number": (
        lambda: {"truth": pl.DataFrame({"event_id": ["a", "b"], "probability": [0.5, float("nan")]})},
        "'probability <= 1', first row 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("tables", "sentence"), BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_is_named_with_its_first_row(tables: Callable[[], dict[str, pl.DataFrame]], sentence: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "data", **tables())
    with pytest.raises(BadInput) as refusal:
        check_folder(folder)
    assert sentence in str(refusal.value)


def test_a_scale_nobody_knows_is_found(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="scale '1-20' is not known"):
        check_folder(written(tmp_path / "data", scale="1-20", wines=wines(1)))


def test_a_folder_without_a_manifest_is_no_data_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"is not a data folder: it has no data\.json"):
        DataFolder.open(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"namespace": 3}'])
def test_a_manifest_that_cannot_be_read_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "data.json").write_bytes(content)
    with pytest.raises(BadInput, match=r"data\.json cannot be read .*import the data again"):
        DataFolder.open(tmp_path)


def test_a_part_that_is_gone_is_named(tmp_path: Path) -> None:
    folder = written(tmp_path / "data", wines=wines(1))
    (folder / "wines" / "part-00000.parquet").unlink()
    with pytest.raises(BadInput, match=r"part-00000\.parquet is listed in data\.json but missing"):
        DataFolder.open(folder)


def test_a_table_the_folder_does_not_hold_is_named_beside_those_it_does(tmp_path: Path) -> None:
    folder = DataFolder.open(written(tmp_path / "data", wines=wines(1)))
    with pytest.raises(BadInput, match="holds no table 'ratings'; it has wines"):
        folder.scan("ratings")


def test_the_manifest_is_json_that_names_every_part(tmp_path: Path) -> None:
    manifest = json.loads((written(tmp_path / "data", wines=wines(2)) / "data.json").read_text("utf-8"))
    assert (manifest["namespace"], manifest["scale"], manifest["source"]) == ("made", "1-5", "test")
    assert manifest["tables"]["wines"]["rows"] == 2
    assert list(manifest["tables"]["wines"]["parts"]) == ["part-00000.parquet"]
