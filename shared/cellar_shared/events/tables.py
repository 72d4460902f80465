"""Tables on disk: their published schemas, and writing them whole or not at all; used by every source and every reader.

A data folder holds one folder of Parquet parts per table and `data.json`, the manifest with row counts and digests. A part
is never changed once `data.json` names it: what is appended, or rewritten, is another part (appending.py).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import polars as pl

from cellar_shared.durable import staged_folder, write_durably
from cellar_shared.errors import BadInput
from cellar_shared.events.journal import FILE as JOURNAL
from cellar_shared.events.journal import Journal
from cellar_shared.events.locking import writing_alone
from cellar_shared.events.manifest import MANIFEST, DataManifest, TableFacts, encoded, read_manifest

_SCHEMAS = resources.files("cellar_shared.events").joinpath("schemas")


@cache
def published_tables() -> tuple[str, ...]:
    """The names of the tables that have a published schema, in alphabetical order; those of a night's output last."""
    of_data, of_a_night = (
        sorted(file.name.removesuffix(".schema.json") for file in place.iterdir() if file.name.endswith(".schema.json"))
        for place in (_SCHEMAS, _SCHEMAS.joinpath("night"))
    )
    return (*of_data, *(f"night/{table}" for table in of_a_night))


@cache
def schema_of(table: str) -> dict[str, Any]:
    """The JSON Schema of one row of `table`; BadInput when there is no such table."""
    if table not in published_tables():
        raise BadInput(f"there is no table {table!r}; the tables are {', '.join(published_tables())}")
    schema: dict[str, Any] = json.loads(_SCHEMAS.joinpath(f"{table}.schema.json").read_text("utf-8"))
    return schema


def dtypes_of(table: str) -> dict[str, pl.DataType]:
    """Polars dtypes of the table's columns, in the schema's order."""
    return {name: _dtype(rule) for name, rule in schema_of(table)["properties"].items()}


def _dtype(rule: dict[str, Any]) -> pl.DataType:
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    kind = next(kind for kind in kinds if kind != "null")
    if rule.get("format") == "date-time":
        return pl.Datetime("us", "UTC")
    if rule.get("format") == "date":
        return pl.Date()
    if kind == "array":
        return pl.List(pl.String())
    return {"string": pl.String(), "number": pl.Float64(), "integer": pl.Int32(), "boolean": pl.Boolean()}[kind]


@dataclass(frozen=True, slots=True)
class DataFolder:
    """A data folder that was checked to hold a readable manifest."""

    path: Path
    manifest: DataManifest

    @classmethod
    def open(cls, path: Path) -> DataFolder:
        """The data folder at `path`; BadInput when it is none or a part is missing."""
        manifest = read_manifest(path)
        while missing := _missing_part(path, manifest):
            # Between the reading of the manifest and here an appender may have replaced the part: then it is another manifest.
            again = read_manifest(path)
            if again == manifest:
                raise BadInput(f"{missing} is listed in {MANIFEST} but missing; import the data again")
            manifest = again
        return cls(path, manifest)

    def parts(self, table: str) -> dict[str, Path]:
        """The table's parts by file name, in the order of their rows; BadInput when the folder does not hold it."""
        facts = self.manifest.tables.get(table)
        if facts is None:
            raise BadInput(f"{self.path} holds no table {table!r}; it has {', '.join(self.manifest.tables)}")
        return {part: self.path / table / part for part in facts.parts}

    def scan(self, table: str) -> pl.LazyFrame:
        """The table's rows, lazily; BadInput when the folder does not hold it.

        A column that only some parts have (columns may be added) is null in the others.
        """
        parts = list(self.parts(table).values())
        if not parts:
            return pl.LazyFrame(schema=dtypes_of(table))
        if len(parts) == 1:
            return pl.scan_parquet(parts, glob=False)
        columns: dict[str, pl.DataType] = {}
        for part in parts:
            for name, dtype in pl.read_parquet_schema(part).items():
                columns.setdefault(name, dtype)
        return pl.scan_parquet(parts, glob=False, schema=columns, missing_columns="insert")

    def digest(self) -> str:
        """One digest of every part of every table."""
        parts = {name: facts.parts for name, facts in sorted(self.manifest.tables.items())}
        return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def _missing_part(path: Path, manifest: DataManifest) -> Path | None:
    parts = (path / table / part for table, facts in manifest.tables.items() for part in facts.parts)
    return next((part for part in parts if not part.is_file()), None)


def _require_no_pushed_events(path: Path) -> None:
    """BadInput where replacing the folder would lose events that were pushed to it."""
    if (path / JOURNAL).is_file():
        journal = Journal(path)
        try:
            if journal.last():
                raise BadInput(
                    f"{path} has taken in pushed events, which a source does not have; import what is new into it with --since, "
                    "or name another folder"
                )
        finally:
            journal.close()


@dataclass(slots=True)
class DataWriter:
    """Writes a data folder beside its final place and moves it there when all went well: whole or not at all.

    Used as a context manager. An existing `path` is refused unless `replace`; with it, the old folder stays until the
    new one stands, and nobody appends to it meanwhile.
    """

    path: Path
    namespace: str
    scale: str
    source: str
    replace: bool = False
    notes: dict[str, Any] = field(default_factory=dict)
    staging: Path = field(init=False)
    _exit: ExitStack = field(init=False, default_factory=ExitStack)
    _rows: dict[str, int] = field(init=False, default_factory=dict)
    _parts: dict[str, dict[str, str]] = field(init=False, default_factory=dict)

    def __enter__(self) -> DataWriter:
        with ExitStack() as held:
            self._enter(held)
            self._exit = held.pop_all()
        return self

    def _enter(self, held: ExitStack) -> None:
        if self.path.exists() and not (self.path.is_dir() and not any(self.path.iterdir())):
            if not self.replace:
                raise BadInput(f"{self.path} already exists; name another folder or say --replace")
            if not (self.path / MANIFEST).is_file():
                raise BadInput(f"{self.path} is not a data folder, so it is not replaced; name another folder")
            held.enter_context(writing_alone(self.path))
            _require_no_pushed_events(self.path)
        self.staging = held.enter_context(staged_folder(self.path))
        held.push(self._finish)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._exit.__exit__(kind, error, trace)

    def _finish(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            tables = {name: TableFacts(self._rows[name], self._parts[name]) for name in self._rows}
            manifest = DataManifest(self.namespace, self.scale, self.source, tables, self.notes)
            write_durably(self.staging / MANIFEST, encoded(manifest))

    def add(self, table: str, rows: pl.DataFrame) -> None:
        """Append one part to `table`; columns are brought to the schema's names, order and dtypes."""
        self.add_written(table, lambda file: (rows.height, write_part(file, table, rows)))

    def add_written(self, table: str, write: Callable[[Path], tuple[int, str]]) -> int:
        """Append one part to `table` that `write` puts into the file given, and answers with its rows and digest; how many rows."""
        parts = self._parts.setdefault(table, {})
        name = f"part-{len(parts):05d}.parquet"
        rows, parts[name] = write(self.staging / table / name)
        self._rows[table] = self._rows.get(table, 0) + rows
        return rows


def conformed(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the table's columns in the schema's names, order and dtypes, others behind them; BadInput when one is missing."""
    missing = [name for name in schema_of(table)["required"] if name not in rows.columns]
    if missing:
        raise BadInput(f"table {table}: column {', '.join(missing)} is missing; it has {', '.join(rows.columns)}")
    dtypes = dtypes_of(table)
    known = [pl.col(name).cast(dtype) for name, dtype in dtypes.items() if name in rows.columns]
    return rows.select(known + [pl.col(name) for name in rows.columns if name not in dtypes])


def write_part(file: Path, table: str, rows: pl.DataFrame) -> str:
    """Write a part of `table`, conformed, and return its digest. It is on disk; that its folder names it is the caller's matter."""
    ready = conformed(table, rows)
    file.parent.mkdir(parents=True, exist_ok=True)
    ready.write_parquet(file, compression="zstd")
    return synced_digest(file)


def synced_digest(file: Path) -> str:
    """The digest of a part that was written, which is on disk from then on."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
        return hashlib.file_digest(stream, "sha256").hexdigest()


def batches(frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """The frame's rows in slices of at most `rows`, for readers with bounded memory."""
    yield from frame.collect_batches(chunk_size=rows, maintain_order=True)
