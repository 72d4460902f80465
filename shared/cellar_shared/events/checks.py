"""Looks a data folder over and says what it holds or names the first thing that is wrong; `cellar data check` calls it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import polars as pl

from cellar_shared.errors import BadInput
from cellar_shared.events.scales import scale_named
from cellar_shared.events.tables import DataFolder, dtypes_of, schema_of


def check_folder(path: Path) -> dict[str, Any]:
    """Facts about the data folder at `path`; BadInput names table, column and row where a rule is broken."""
    folder = DataFolder.open(path)
    facts: dict[str, Any] = {"namespace": folder.manifest.namespace}
    for table, listed in folder.manifest.tables.items():
        for part, digest in listed.parts.items():
            with (path / table / part).open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                    raise BadInput(f"{path / table / part} is not what was written (its digest differs); import the data again")
        facts[table] = _check_table(folder, table)
    scale_named(folder.manifest.scale)
    if "ratings" in folder.manifest.tables and "wines" in folder.manifest.tables:
        ratings, wines = folder.scan("ratings"), folder.scan("wines")
        facts["members"] = ratings.select(pl.col("member_id").n_unique()).collect().item()
        facts["ratings_of_unknown_wines"] = ratings.join(wines, on="wine_id", how="anti").select(pl.len()).collect().item()
        facts["undated_ratings"] = ratings.select(pl.col("rated_at").is_null().sum()).collect().item()
    return facts


def _check_table(folder: DataFolder, table: str) -> int:
    schema = schema_of(table)
    frame = folder.scan(table)
    found = frame.collect_schema()
    for name, dtype in dtypes_of(table).items():
        if name not in found:
            if name in schema["required"]:
                raise BadInput(f"{folder.path / table}: column {name} is missing; the schema requires it")
        elif found[name] != dtype:
            raise BadInput(f"{folder.path / table}, column {name}: found {found[name]}, expected {dtype}")
    broken = _rules(schema, set(found.names()))
    counts = frame.select([pl.len().alias("rows"), *(rule.sum().alias(name) for name, rule in broken.items())]).collect().row(0, named=True)
    for name, rule in broken.items():
        if counts[name]:
            row = frame.with_row_index("row", offset=1).filter(rule).select("row").first().collect().item()
            raise BadInput(
                f"{folder.path / table}: {counts[name]:,} rows break '{name}', first row {row}; mend the source and import again"
            )
    return int(counts["rows"])


def _rules(schema: dict[str, Any], present: set[str]) -> dict[str, pl.Expr]:
    """What must not hold for any row, by a name that says it."""
    rules: dict[str, pl.Expr] = {}
    for name, rule in schema["properties"].items():
        if name not in present:
            continue
        column = pl.col(name)
        if "null" not in rule["type"]:
            rules[f"{name} is given"] = column.is_null()
        if rule.get("minLength") and rule["type"] == "string":
            rules[f"{name} is not empty"] = column.str.len_bytes() == 0
        if "minimum" in rule:
            rules[f"{name} >= {rule['minimum']}"] = column < rule["minimum"]
        if "maximum" in rule:
            rules[f"{name} <= {rule['maximum']}"] = column > rule["maximum"]
        if "enum" in rule:
            rules[f"{name} is one of {', '.join(rule['enum'])}"] = ~column.is_in(rule["enum"])
    for name in schema["x-key"]:
        rules[f"{name} is unique"] = pl.col(name).is_duplicated()
    return rules
