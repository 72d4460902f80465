"""Adds to a data folder, or rewrites parts of it, all at once or not at all; increments, the journal's fold and forget call it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import polars as pl

from cellar_shared.durable import sync_folder, write_durably
from cellar_shared.errors import BadInput
from cellar_shared.events.locking import WAIT_S, writing_alone
from cellar_shared.events.manifest import MANIFEST, TableFacts, encoded
from cellar_shared.events.tables import DataFolder, published_tables, write_part


class DataAppender:
    """Changes an existing data folder; used as a context manager by one process at a time (others wait up to `wait_s`).

    At a good end new parts are on disk first, then `data.json` names them, then parts it no longer names are deleted. After
    an error or a kill `data.json` is as it was and the next appender removes what it does not name. Where nothing has
    changed, no byte changes.

    `folder` is what stood when the block began; `journal_through` and `notes` are what the manifest will say.
    """

    def __init__(self, path: Path, wait_s: float = WAIT_S) -> None:
        self.path = path
        self.wait_s = wait_s
        self._exit = ExitStack()

    def __enter__(self) -> DataAppender:
        DataFolder.open(self.path)  # no lock file where there is no data folder
        with ExitStack() as held:
            held.enter_context(writing_alone(self.path, self.wait_s))
            self.folder = DataFolder.open(self.path)
            self.journal_through: int = self.folder.manifest.journal_through
            self.notes: dict[str, Any] = dict(self.folder.manifest.notes)
            self._tables = {
                name: _Table(name, self.path / name, facts.rows, dict(facts.parts)) for name, facts in self.folder.manifest.tables.items()
            }
            _remove_unlisted(self.path, self.folder.manifest.tables)
            self._exit = held.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._exit:
            if kind is None:
                self._commit()
            else:
                _remove_unlisted(self.path, self.folder.manifest.tables)

    def add(self, table: str, rows: pl.DataFrame) -> None:
        """Append `rows` as one new part; columns are brought to the schema's names, order and dtypes. No rows: no part."""
        if rows.height:
            known = self._tables.get(table, _Table(table, self.path / table, 0, {}))
            known.append(rows)
            self._tables[table] = known

    def replace(self, table: str, parts: Iterable[tuple[str, pl.DataFrame]]) -> None:
        """Let each named part of `table` hold other rows (none: the part goes); parts that are not named stay.

        `parts` are pairs of a part's file name, as `folder.parts(table)` lists them, and its new rows; they are taken one
        by one, so a generator holds one part in memory at a time.
        """
        known = self._tables.get(table)
        for name, rows in parts:
            if known is None or name not in known.parts:
                raise BadInput(f"{self.path / table} has no part {name}; it cannot be replaced")
            known.put_in_place_of(name, rows)

    def remove(self, table: str, column: str, values: pl.Series) -> int:
        """Take out the rows of `table` whose `column` is one of `values`; how many. Parts without such a row stay."""
        is_gone = pl.col(column).is_in(values.implode())
        removed = 0

        def left() -> Iterator[tuple[str, pl.DataFrame]]:
            nonlocal removed
            for name in list(self._tables[table].parts) if table in self._tables else ():
                file = self.path / table / name
                if found := pl.scan_parquet(file, glob=False).filter(is_gone).select(pl.len()).collect().item():
                    removed += found
                    yield name, pl.read_parquet(file, glob=False).filter(~is_gone)

        self.replace(table, left())
        return removed

    def _commit(self) -> None:
        before = self.folder.manifest
        tables = {name: TableFacts(table.rows, table.parts) for name, table in self._tables.items()}
        after = msgspec.structs.replace(before, tables=tables, notes=self.notes, journal_through=self.journal_through)
        if after == before:
            return
        for table in self._tables.values():
            if table.folder.is_dir():
                sync_folder(table.folder)
                sync_folder(table.folder.parent)
        sync_folder(self.path)
        write_durably(self.path / MANIFEST, encoded(after))
        _remove_unlisted(self.path, tables)


class _Table:
    """One table while it is being changed: its rows and its parts in their order."""

    def __init__(self, name: str, folder: Path, rows: int, parts: dict[str, str]) -> None:
        self.name = name
        self.folder = folder
        self.rows = rows
        self.parts = parts

    def append(self, rows: pl.DataFrame) -> None:
        number = 1 + max((_number_of(name) for name in self.parts), default=-1)
        self.parts |= self._written(number, rows)
        self.rows += rows.height

    def put_in_place_of(self, old: str, rows: pl.DataFrame) -> None:
        """The new part takes the old one's number and its place in the order of rows."""
        before = pl.scan_parquet(self.folder / old, glob=False).select(pl.len()).collect().item()
        new = self._written(_number_of(old), rows) if rows.height else {}
        kept: dict[str, str] = {}
        for name, digest in self.parts.items():
            kept |= new if name == old else {name: digest}
        self.parts = kept
        self.rows += rows.height - before

    def _written(self, number: int, rows: pl.DataFrame) -> dict[str, str]:
        """A name is used for one content only, so that a reader with an older manifest never reads other rows under it."""
        unnamed = self.folder / f".part-{number:05d}.parquet"
        digest = write_part(unnamed, self.name, rows)
        name = f"part-{number:05d}-{digest[:12]}.parquet"
        unnamed.replace(self.folder / name)
        return {name: digest}


def _number_of(part: str) -> int:
    """`part-00017.parquet` and `part-00017-9f86d081884c.parquet` are number 17."""
    return int(part.removesuffix(".parquet").split("-")[1])


def _remove_unlisted(path: Path, tables: dict[str, TableFacts]) -> None:
    """Delete the parts that the manifest does not name: what a killed appender wrote, or no longer had time to delete."""
    for table in sorted({*tables, *published_tables()}):
        folder = path / table
        if not folder.is_dir():
            continue
        listed = tables[table].parts if table in tables else {}
        unlisted = [file for pattern in ("part-*.parquet", ".part-*") for file in folder.glob(pattern) if file.name not in listed]
        for file in unlisted:
            file.unlink(missing_ok=True)
        if unlisted:
            sync_folder(folder)
        if table not in tables and not any(folder.iterdir()):
            folder.rmdir()
    for file in path.glob(f".{MANIFEST}.*"):
        file.unlink(missing_ok=True)
