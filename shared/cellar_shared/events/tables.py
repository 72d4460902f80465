"""Tables on disk: their published schemas, and writing them whole or not at all; used by every source and every reader.

A data folder holds one folder of Parquet parts per table and `data.json`, the manifest with row counts and digests.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
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
from cellar_shared.events.manifest import MANIFEST, DataManifest, TableFacts, read_manifest


@cache
def schema_of(table: str) -> dict[str, Any]:
    """The JSON Schema of one row of `table`."""
    text = resources.files("cellar_shared.events").joinpath("schemas", f"{table}.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def dtypes_of(table: str) -> dict[str, pl.DataType]:
    """Polars dtypes of the table's columns, in the schema's order."""
    return {name: _dtype(rule) for name, rule in schema_of(table)["properties"].items()}


def _dtype(rule: dict[str, Any]) -> pl.DataType:
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    kind = next(kind for kind in kinds if kind != "null")
    if rule.get("format") == "date-time":
        return pl.Datetime("us", "UTC")
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
        for table, facts in manifest.tables.items():
            for part in facts.parts:
                if not (path / table / part).is_file():
                    raise BadInput(f"{path / table / part} is listed in {MANIFEST} but missing; import the data again")
        return cls(path, manifest)

    def scan(self, table: str) -> pl.LazyFrame:
        """The table's rows, lazily; BadInput when the folder does not hold it."""
        facts = self.manifest.tables.get(table)
        if facts is None:
            raise BadInput(f"{self.path} holds no table {table!r}; it has {', '.join(self.manifest.tables)}")
        return pl.scan_parquet([self.path / table / part for part in facts.parts])

    def digest(self) -> str:
        """One digest of every part of every table."""
        parts = {name: facts.parts for name, facts in sorted(self.manifest.tables.items())}
        return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


@dataclass(slots=True)
class DataWriter:
    """Writes a data folder beside its final place and moves it there when all went well: whole or not at all.

    Used as a context manager. An existing `path` is refused unless `replace`; with it, the old folder stays until the
    new one stands.
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
        if self.path.exists() and not (self.path.is_dir() and not any(self.path.iterdir())):
            if not self.replace:
                raise BadInput(f"{self.path} already exists; name another folder or say --replace")
            if not (self.path / MANIFEST).is_file():
                raise BadInput(f"{self.path} is not a data folder, so it is not replaced; name another folder")
        self.staging = self._exit.enter_context(staged_folder(self.path))
        self._exit.push(self._finish)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._exit.__exit__(kind, error, trace)

    def _finish(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            tables = {name: TableFacts(self._rows[name], self._parts[name]) for name in self._rows}
            manifest = DataManifest(self.namespace, self.scale, self.source, tables, self.notes)
            write_durably(self.staging / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))

    def add(self, table: str, rows: pl.DataFrame) -> None:
        """Append one part to `table`; columns are brought to the schema's names, order and dtypes."""
        parts = self._parts.setdefault(table, {})
        folder = self.staging / table
        folder.mkdir(exist_ok=True)
        name = f"part-{len(parts):05d}.parquet"
        parts[name] = write_part(folder / name, as_table(table, rows))
        self._rows[table] = self._rows.get(table, 0) + rows.height


def as_table(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the schema's columns in its order and dtypes, others behind them; BadInput when a required one is missing."""
    missing = [name for name in schema_of(table)["required"] if name not in rows.columns]
    if missing:
        raise BadInput(f"table {table}: column {', '.join(missing)} is missing; it has {', '.join(rows.columns)}")
    dtypes = dtypes_of(table)
    known = [pl.col(name).cast(dtype) for name, dtype in dtypes.items() if name in rows.columns]
    return rows.select(known + [pl.col(name) for name in rows.columns if name not in dtypes])


def write_part(file: Path, rows: pl.DataFrame) -> str:
    """Write one Parquet part durably; its digest."""
    rows.write_parquet(file, compression="zstd")
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
        return hashlib.file_digest(stream, "sha256").hexdigest()


def batches(frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """The frame's rows in slices of at most `rows`, for readers with bounded memory."""
    yield from frame.collect_batches(chunk_size=rows, maintain_order=True)
