"""Changes a data folder that stands: adds parts to tables and takes rows out of them, all of it or nothing.

The manifest says which parts count. New parts lie beside the old ones until it names them, in one step; what no manifest
names is a killed writer's and goes when the next one comes.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from types import TracebackType

import msgspec
import polars as pl

from cellar_shared.durable import sync_folder, write_durably
from cellar_shared.events.manifest import MANIFEST, DataManifest, TableFacts
from cellar_shared.events.tables import DataFolder, as_table, write_part

LOCK = ".writing"


class DataAppender:
    """A context in which one writer changes the data folder at `path`; another waits for it.

    When the block ends well, everything is on disk and data.json replaced; otherwise data.json is as before. Readers that
    opened the folder earlier go on as long as its parts are there: parts that were replaced are deleted at the end.
    `journal_through` may be set; it is kept in the manifest.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = -1
        self.journal_through = 0

    def __enter__(self) -> DataAppender:
        DataFolder.open(self._path)
        self._lock = os.open(self._path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self.folder = DataFolder.open(self._path)
            self.journal_through = self.folder.manifest.journal_through
            self._tables = dict(self.folder.manifest.tables)
            self._remove_unlisted()
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._finish()
            else:
                self._remove_unlisted()
        finally:
            os.close(self._lock)

    @property
    def manifest(self) -> DataManifest:
        """The folder's manifest as it was when the block began."""
        return self.folder.manifest

    def add(self, table: str, rows: pl.DataFrame) -> None:
        """Append one part to `table`, a new one if need be; columns as `DataWriter.add` has them."""
        facts = self._tables.get(table, TableFacts(0, {}))
        name, digest = self._write(table, as_table(table, rows))
        self._tables[table] = TableFacts(facts.rows + rows.height, facts.parts | {name: digest})

    def remove(self, table: str, column: str, values: pl.Series) -> int:
        """Take the rows out whose `column` is one of `values`; how many. Only parts that hold such rows are written anew."""
        facts = self._tables[table]
        parts: dict[str, str] = {}
        removed = 0
        for part, digest in facts.parts.items():
            file = self._path / table / part
            gone = pl.col(column).is_in(values.implode())
            found = pl.scan_parquet(file).filter(gone).select(pl.len()).collect().item()
            if not found:
                parts[part] = digest
                continue
            removed += found
            name, new_digest = self._write(table, pl.read_parquet(file).filter(~gone))
            parts[name] = new_digest
        self._tables[table] = TableFacts(facts.rows - removed, parts)
        return removed

    def _write(self, table: str, rows: pl.DataFrame) -> tuple[str, str]:
        folder = self._path / table
        folder.mkdir(exist_ok=True)
        name = f"part-{len(self._tables[table].parts) if table in self._tables else 0:05d}-{secrets.token_hex(4)}.parquet"
        return name, write_part(folder / name, rows)

    def _finish(self) -> None:
        before = self.folder.manifest
        manifest = msgspec.structs.replace(before, tables=self._tables, journal_through=self.journal_through)
        if manifest == before:
            return
        for table in self._tables:
            sync_folder(self._path / table)
        write_durably(self._path / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
        self._remove_unlisted()

    def _remove_unlisted(self) -> None:
        """Delete the parts that the manifest on disk does not name."""
        tables = DataFolder.open(self._path).manifest.tables
        for file in self._path.glob("*/part-*.parquet"):
            listed = tables.get(file.parent.name)
            if listed is None or file.name not in listed.parts:
                file.unlink(missing_ok=True)
