"""Looks a data folder over and says what it holds, or lists what is wrong with it; `cellar data check` calls it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_shared.errors import BadInput
from cellar_shared.events.manifest import TableFacts
from cellar_shared.events.rules import row_rules
from cellar_shared.events.scales import scale_named
from cellar_shared.events.tables import DataFolder, batches, dtypes_of, published_tables, schema_of

SHOWN_FAULTS: Final = 20
SHOWN_TEXT: Final = 60
ROWS_AT_ONCE: Final = 500_000


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule: where it is first broken, what stands there, what was expected, and how many rows break it."""

    place: str
    found: str
    expected: str
    rows: int = 1

    def __str__(self) -> str:
        more = f" (so are {self.rows - 1:,} more rows)" if self.rows > 1 else ""
        return f"{self.place}: found {self.found}, expected {self.expected}{more}"


def check_folder(path: Path, now: int | None = None) -> dict[str, Any]:
    """Facts about the data folder at `path`; BadInput lists every broken rule (the first 20) with table, column and row.

    A moment more than a day after `now` (a moment) is a fault; without `now` none is. Memory is bounded by a batch of rows,
    8 bytes a row for the keys, and the ids of the table that another refers to.
    """
    folder = DataFolder.open(path)
    scale_named(folder.manifest.scale)
    facts: dict[str, Any] = {"namespace": folder.manifest.namespace}
    faults: list[Fault] = []
    sound = set()
    for table, listed in folder.manifest.tables.items():
        facts[table] = listed.rows
        of_files = list(_faults_of_files(folder, table, listed))
        if not of_files:
            sound.add(table)
        faults += of_files or [*_faults_of_rows(folder, table, now), *_repeated_keys(folder, table)]
    for table in folder.manifest.tables:
        faults += _dangling(folder, table, sound)
    if faults:
        raise BadInput(_listing(path, faults))
    return facts | _facts_between_tables(folder)


def _listing(path: Path, faults: list[Fault]) -> str:
    lines = [f"{path} breaks {len(faults)} of its tables' rules:" if len(faults) > 1 else f"{path} breaks a rule of its tables:"]
    lines += [f"  {fault}" for fault in faults[:SHOWN_FAULTS]]
    if len(faults) > SHOWN_FAULTS:
        lines.append(f"  and {len(faults) - SHOWN_FAULTS} more rules")
    return "\n".join([*lines, "Mend the source and import again; `cellar data schema TABLE` says what a table's columns mean."])


def _faults_of_files(folder: DataFolder, table: str, listed: TableFacts) -> Iterator[Fault]:
    """Parts that are not what was written, or whose columns are not those of the table."""
    if table not in published_tables():
        yield Fault(table, "a table without a published schema", f"one of {', '.join(published_tables())}")
        return
    required, dtypes = schema_of(table)["required"], dict(dtypes_of(table))
    rows = 0
    for name, part in folder.parts(table).items():
        place = f"{table}/{name}"
        with part.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != listed.parts[name]:
                yield Fault(place, "another content than was written (its digest differs)", "the part as it was written")
                continue
        columns = pl.read_parquet_schema(part)
        rows += pl.scan_parquet(part, glob=False).select(pl.len()).collect().item()
        for column in required:
            if column not in columns:
                yield Fault(f"{place}, column {column}", "no such column", "it, since the schema requires it")
        for column, dtype in columns.items():
            if dtypes.setdefault(column, dtype) != dtype:
                yield Fault(f"{place}, column {column}", f"type {dtype}", f"type {dtypes[column]}")
    if rows != listed.rows:
        yield Fault(table, f"{rows:,} rows", f"the {listed.rows:,} that data.json names")


def _faults_of_rows(folder: DataFolder, table: str, now: int | None) -> Iterator[Fault]:
    frame = folder.scan(table).with_row_index("row", offset=1)
    rules = row_rules(table, frame.collect_schema().names(), now)
    firsts = [pl.col("row").filter(rule.broken).min().alias(f"first {place}") for place, rule in enumerate(rules)]
    counts = [rule.broken.sum().alias(f"rows {place}") for place, rule in enumerate(rules)]
    found = frame.select(firsts + counts).collect(engine="streaming").row(0, named=True)
    broken = [(rule, found[f"first {place}"], found[f"rows {place}"]) for place, rule in enumerate(rules) if found[f"rows {place}"]]
    if not broken:
        return
    shown = frame.filter(pl.col("row").is_in([row for _, row, _ in broken])).collect(engine="streaming")
    rows = {row["row"]: row for row in shown.iter_rows(named=True)}
    for rule, row, count in broken:
        value = _shown(table, rule.column, rows[row][rule.column])
        yield Fault(f"{table}, row {row}, column {rule.column}", value, rule.expected, count)


def _shown(table: str, column: str, value: Any) -> str:
    if value is None:
        return "nothing"
    if schema_of(table)["properties"].get(column, {}).get("x-personal"):
        return f"{len(str(value))} characters"
    text = repr(value) if isinstance(value, str | float) else str(value)
    return text if len(text) <= SHOWN_TEXT else text[:SHOWN_TEXT] + "..."


def _repeated_keys(folder: DataFolder, table: str) -> Iterator[Fault]:
    """Rows whose whole key stands on another row too, across parts."""
    key: list[str] = schema_of(table)["x-key"]
    frame = folder.scan(table)
    hashed = pl.struct(key).hash().alias("hash")
    parts = [batch["hash"].to_numpy() for batch in batches(frame.select(hashed), ROWS_AT_ONCE)]
    twice, rows = _standing_twice(np.concatenate(parts)) if parts else (np.empty(0, np.uint64), 0)
    if not len(twice):
        return
    # Different keys may share a hash of 64 bits: what is told is looked up by the keys themselves.
    suspects = frame.with_row_index("row", offset=1).filter(hashed.is_in(twice[:1000])).select("row", *key)
    repeated = suspects.collect(engine="streaming").filter(pl.struct(key).is_duplicated()).sort("row")
    if repeated.height:
        first = repeated.row(0, named=True)
        value = ", ".join(_shown(table, column, first[column]) for column in key)
        named = f"{', '.join(key)} that no other row has (a key stands once)"
        yield Fault(f"{table}, row {first['row']}, column {', '.join(key)}", value, named, rows)


def _standing_twice(hashes: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint64], int]:
    """The hashes that stand more than once, and on how many places in all; `hashes` is sorted in place."""
    hashes.sort()
    values, counts = np.unique(hashes[_beside_its_like(hashes)], return_counts=True)
    return values, int(counts.sum())


def _beside_its_like(ordered: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    equal = ordered[1:] == ordered[:-1]
    return np.concatenate([equal, [False]]) | np.concatenate([[False], equal])  # type: ignore[no-any-return]


def _dangling(folder: DataFolder, table: str, sound: set[str]) -> Iterator[Fault]:
    """Rows that refer to a row which another table lacks."""
    if table not in sound:
        return
    for column, rule in schema_of(table)["properties"].items():
        if "x-refers" not in rule:
            continue
        other, _, identity = rule["x-refers"].partition(".")
        referring = folder.scan(table).with_row_index("row", offset=1).filter(pl.col(column).is_not_null()).select("row", column)
        if other in sound:
            referring = referring.join(folder.scan(other).select(identity).unique(), left_on=column, right_on=identity, how="anti")
        elif other in folder.manifest.tables:
            continue
        rows, first = referring.select(pl.len(), pl.struct("row", column).sort_by("row").first()).collect(engine="streaming").row(0)
        if rows:
            expected = f"a {identity} of table {other}" + ("" if other in sound else f" (the folder holds no table {other})")
            yield Fault(f"{table}, row {first['row']}, column {column}", _shown(table, column, first[column]), expected, rows)


def _facts_between_tables(folder: DataFolder) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    tables = folder.manifest.tables
    if "ratings" in tables and "wines" in tables:
        ratings, wines = folder.scan("ratings"), folder.scan("wines").select("wine_id")
        facts["members"] = _number(ratings.select(pl.col("member_id").n_unique()))
        facts["ratings_of_unknown_wines"] = _number(ratings.join(wines, on="wine_id", how="anti").select(pl.len()))
        facts["undated_ratings"] = _number(ratings.select(pl.col("rated_at").is_null().sum()))
    if "preferences" in tables and "wines" in tables:
        facts["preferences_of_unknown_wines"] = sum(
            _number(
                folder.scan("preferences")
                .filter(pl.col("kind") == kind)
                .join(folder.scan("wines").select(pl.col(column).alias("value")).unique(), on="value", how="anti")
                .select(pl.len())
            )
            for kind, column in (("hide_wine", "wine_id"), ("hide_producer", "producer"), ("hide_region", "region"))
        )
    return facts


def _number(frame: pl.LazyFrame) -> int:
    return int(frame.collect(engine="streaming").item())
