"""What of an import a data folder has already: the same row, the same key with other content, or nothing; `--since` asks it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from cellar_shared.events.appending import DataAppender
from cellar_shared.events.sources.refusals import LINE
from cellar_shared.events.tables import conformed, schema_of

_STANDS = "\0stands"


@dataclass(frozen=True, slots=True)
class Settled:
    """Rows that are new, rows in conflict with those that stand, and how many stand already or replace another."""

    new: pl.DataFrame
    conflicts: pl.DataFrame
    duplicates: int
    replaced: int


class Increment:
    """Compares rows with those that stand, by key and content; `source` is no content, since a pushed event may come again.

    An event (a table with a time of its own) never changes: other content under its id is a conflict. Of a wine, a bottle, a
    place or a window the newest facts count: the row that stands is replaced as a whole, when `finish` is called.
    """

    def __init__(self, appender: DataAppender) -> None:
        self._appender = appender
        self._changed: dict[str, list[pl.DataFrame]] = {}

    def settle(self, table: str, rows: pl.DataFrame) -> Settled:
        """Sort out `rows`, none of which has the key of another of this import."""
        nothing = rows.clear()
        if table not in self._appender.folder.manifest.tables or not rows.height:
            return Settled(rows, nothing, 0, 0)
        schema = schema_of(table)
        key: list[str] = schema["x-key"]
        scanned = self._appender.folder.scan(table)
        stands = scanned.join(rows.lazy().select(key), on=key, how="semi", nulls_equal=True).collect(engine="streaming")
        content = [name for name in schema["properties"] if name in rows.columns and name not in (*key, "source")]
        compared = rows.join(
            conformed(table, stands).select(*key, *(pl.col(name).alias(_STANDS + name) for name in content if name in stands.columns))
            .with_columns(pl.lit(True).alias(_STANDS)),
            on=key, how="left", nulls_equal=True, maintain_order="left",
        )  # fmt: skip
        same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(_STANDS + name)) for name in content if name in stands.columns)
        new = rows.filter(compared[_STANDS].is_null())
        other = rows.filter(compared.select(pl.col(_STANDS).is_not_null() & ~same).to_series())
        duplicates = rows.height - new.height - other.height
        if "x-time" in schema:
            return Settled(new, other, duplicates, 0)
        if other.height:
            self._changed.setdefault(table, []).append(other.drop(LINE))
        return Settled(new, nothing, duplicates, other.height)

    def finish(self) -> None:
        """Put changed rows in the places of those that stand; parts without such rows stay."""
        for table, frames in self._changed.items():
            self._appender.replace(table, self._rewritten(table, pl.concat(frames)))

    def _rewritten(self, table: str, changed: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
        key = schema_of(table)["x-key"]
        for name, part in self._appender.folder.parts(table).items():
            stands = conformed(table, pl.read_parquet(part, glob=False))
            comes = changed.join(stands, on=key, how="semi", nulls_equal=True)
            if comes.height:
                columns = [*stands.columns, *(column for column in comes.columns if column not in stands.columns)]
                order = stands.select(key).with_row_index(_STANDS)
                both = pl.concat([stands.join(comes, on=key, how="anti", nulls_equal=True), comes], how="diagonal")
                yield name, both.join(order, on=key, nulls_equal=True).sort(_STANDS).select(columns)
