"""Members' wishes out of table preferences, as a generation keeps them; `materialize` writes them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from cellar_shared.events.tables import DataFolder
from cellar_shared.store.keyed_values import KeyedWriter
from cellar_shared.store.port import member_key
from cellar_shared.store.wishes import FOLDER, Wish, newest, pack_wishes


def write_wishes(generation: Path, folder: DataFolder) -> None:
    """Write each member's wishes into a generation that is being written; there are none without table preferences."""
    with KeyedWriter(generation / FOLDER) as writer:
        for member_id, wishes in groupby(_rows(folder), key=lambda row: row[0]):
            key = member_key(member_id)
            writer.add(key, pack_wishes(newest(Wish(*wish) for _, *wish in wishes), key))


def _rows(folder: DataFolder) -> Iterator[tuple[Any, ...]]:
    """Member, moment, event id, kind, value and whether it is set, member by member: of equal texts the newest alone."""
    if "preferences" not in folder.manifest.tables:
        return
    wishes = folder.scan("preferences").select(
        "member_id", pl.col("set_at").dt.timestamp("us").alias("moment"), "event_id", "kind", "value", pl.col("is_set").fill_null(True)
    )
    things = ("member_id", "kind", "value")
    latest = wishes.sort("moment", "event_id").unique(things, keep="last").sort("member_id", "kind", "value")
    yield from latest.select("member_id", "moment", "event_id", "kind", "value", "is_set").collect().iter_rows()
