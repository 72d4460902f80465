"""Tables: their schemas, the folder written whole or not at all, and the check that finds what is wrong with one."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pytest

from cellar_shared.errors import BadInput
from cellar_shared.events.tables import DataFolder, DataWriter, batches, dtypes_of, published_tables, schema_of

TABLES = published_tables()


@pytest.mark.parametrize("table", TABLES)
def test_a_published_schema_is_a_valid_json_schema_that_names_itself(table: str) -> None:
    schema = schema_of(table)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert (schema["title"], schema["$id"]) == (table, f"urn:cellar:table:{table}:1")
    assert all(rule["description"] for rule in schema["properties"].values())
    assert schema.get("x-time", "rated_at") in {"rated_at", *schema["required"]}
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
        assert list(row) == [name for name in schema_of(table)["properties"] if name in row]


@pytest.mark.parametrize("table", ["wines", "ratings"])
def test_the_rows_of_an_import_keep_their_published_schema(table: str, release: Any, tmp_path: Path) -> None:
    release.take(tmp_path / "data")
    validator = jsonschema.Draft202012Validator(schema_of(table), format_checker=jsonschema.FormatChecker())
    for row in DataFolder.open(tmp_path / "data").scan(table).collect().iter_rows(named=True):
        validator.validate(json_row(row))


def test_parts_are_read_back_in_the_order_written_with_the_schemas_columns_and_dtypes(tmp_path: Path, rows_of: Any) -> None:
    with DataWriter(tmp_path / "data", "made", "1-5", "test") as writer:
        writer.add("wines", rows_of("wines", 3).select(pl.all().reverse()).select(reversed(rows_of("wines", 0).columns)))
        writer.add("wines", rows_of("wines", 2, wine_id=pl.format("later{}", "n"), shelf=pl.lit("top")).drop("shelf"))
    frame = DataFolder.open(tmp_path / "data").scan("wines").collect()

    assert frame["wine_id"].to_list() == ["w2", "w1", "w0", "later0", "later1"]
    expected = {name: dtype for name, dtype in dtypes_of("wines").items() if name in frame.columns}
    assert dict(frame.schema) == expected


def test_slices_hold_every_row_once_and_no_more_than_asked(tmp_path: Path, rows_of: Any, written: Any) -> None:
    frame = DataFolder.open(written(tmp_path / "data", wines=rows_of("wines", 25))).scan("wines")
    slices = list(batches(frame, 10))
    assert max(piece.height for piece in slices) <= 10
    assert pl.concat(slices)["wine_id"].to_list() == [f"w{n}" for n in range(25)]


def test_a_part_without_a_required_column_is_refused_and_nothing_stays(tmp_path: Path, rows_of: Any, written: Any) -> None:
    with pytest.raises(BadInput, match="table ratings: column like, rated_at is missing"):
        written(tmp_path / "data", ratings=rows_of("ratings", 2).drop("like", "rated_at"))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_put_in_place_leaves_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_of: Any
) -> None:
    def fail(new: Path, place: Path) -> None:
        raise OSError(f"no room for {place.name}")

    monkeypatch.setattr("cellar_shared.durable._swap", fail)
    with pytest.raises(OSError, match="no room for data"), DataWriter(tmp_path / "data", "made", "1-5", "test") as writer:
        writer.add("wines", rows_of("wines", 1))
    assert not list(tmp_path.iterdir())


def test_equal_rows_have_equal_digests_and_other_rows_another(tmp_path: Path, rows_of: Any, written: Any) -> None:
    digests = [
        DataFolder.open(written(tmp_path / name, wines=rows_of("wines", count))).digest() for name, count in (("a", 5), ("b", 5), ("c", 6))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_a_folder_without_a_manifest_is_no_data_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"is not a data folder: it has no data\.json"):
        DataFolder.open(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"namespace": 3}'])
def test_a_manifest_that_cannot_be_read_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "data.json").write_bytes(content)
    with pytest.raises(BadInput, match=r"data\.json cannot be read .*import the data again"):
        DataFolder.open(tmp_path)


def test_a_part_that_is_gone_is_named(tmp_path: Path, rows_of: Any, written: Any) -> None:
    folder = written(tmp_path / "data", wines=rows_of("wines", 1))
    (folder / "wines" / "part-00000.parquet").unlink()
    with pytest.raises(BadInput, match=r"part-00000\.parquet is listed in data\.json but missing"):
        DataFolder.open(folder)


def test_a_table_the_folder_does_not_hold_is_named_beside_those_it_does(tmp_path: Path, rows_of: Any, written: Any) -> None:
    folder = DataFolder.open(written(tmp_path / "data", wines=rows_of("wines", 1)))
    with pytest.raises(BadInput, match="holds no table 'ratings'; it has wines"):
        folder.scan("ratings")


def test_the_manifest_is_json_that_names_every_part(tmp_path: Path, rows_of: Any, written: Any) -> None:
    manifest = json.loads((written(tmp_path / "data", wines=rows_of("wines", 2)) / "data.json").read_text("utf-8"))
    assert (manifest["namespace"], manifest["scale"], manifest["source"]) == ("made", "1-5", "test")
    assert manifest["tables"]["wines"]["rows"] == 2
    assert list(manifest["tables"]["wines"]["parts"]) == ["part-00000.parquet"]
