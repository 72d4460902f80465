"""Forgets a member: hidden at once, deleted from journal, tables and prediction logs, and a receipt that says what remains where.

What generations hold goes when the next one is written; what bundles learnt stays until they are trained again, so they are
named. The command `cellar forget` calls it; doing it twice changes nothing more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl

from cellar_shared.bundle.learnt import learnt_from
from cellar_shared.events.appending import DataAppender
from cellar_shared.events.folding import note_ratings
from cellar_shared.events.journal import Journal
from cellar_shared.events.tables import DataFolder, dtypes_of
from cellar_shared.store.cellars import FOLDER as CELLARS
from cellar_shared.store.generation_folders import listed
from cellar_shared.store.keyed_values import KeyedValues
from cellar_shared.store.lists_folders import MEMBERS as LISTED
from cellar_shared.store.lists_folders import all_lists
from cellar_shared.store.port import Store, member_key
from cellar_shared.store.rating_log import event_hashes
from cellar_shared.store.wishes import FOLDER as WISHES
from cellar_shared.telemetry.forgetting import Forgotten

LEARNT_FROM: Final = ("ratings", "notes")  # tables whose events bundles say they learnt from


class Receipt(msgspec.Struct, frozen=True):
    """What was deleted, and where something of the member still lies until what happens."""

    member_id: str
    journal_events: int
    table_rows: dict[str, int]
    prediction_log_rows: int
    in_generations: list[str]
    in_bundles: list[str]
    prediction_logs_pending: int = 0
    in_lists: list[str] = []

    def text(self) -> str:
        """The receipt for a person."""
        tables = ", ".join(f"{rows:,} {table}" for table, rows in self.table_rows.items()) or "no row of any table"
        lines = [
            f"{self.member_id} is unknown to every reader from now on.",
            f"Deleted: {self.journal_events:,} events of the journal, {tables}, {self.prediction_log_rows:,} rows of prediction logs.",
        ]
        if self.prediction_logs_pending:
            lines.append(
                f"{self.prediction_logs_pending} service(s) have yet to take rows out of the prediction log that they write: "
                "they do when they go on; forget again to be told so."
            )
        if self.in_generations:
            lines.append(f"Still in generation {', '.join(self.in_generations)}: run `cellar materialize`, which deletes it.")
        if self.in_lists:
            lines.append(f"Still in precomputed lists {', '.join(self.in_lists)}: run `cellar materialize`, which deletes them.")
        if self.in_bundles:
            lines.append(f"Learnt from by {', '.join(self.in_bundles)}: train again to have it gone.")
        return "\n".join(lines)


def forget(
    member_id: str,
    data: Path,
    store: Store,
    *,
    bundles: Sequence[Path] = (),
    forget_predictions: Callable[[str], Forgotten] = lambda member_id: Forgotten(0, 0),
    say: Callable[[str], None],
) -> Receipt:
    """Forget `member_id`; `bundles` are looked through for what they learnt from, `forget_predictions` deletes logged answers.

    BadInput when `data` or a bundle is none, CellarError when store or disk fail. After a failure or a crash it can be done
    again: it goes on where it was.
    """
    folder = DataFolder.open(data)
    in_bundles = _bundles_that_learnt_from(member_id, folder, bundles)
    if in_bundles:
        # At once: when their events are gone, after a crash too, nobody can tell any more.
        say(f"learnt from by {', '.join(in_bundles)}")
    journal = Journal(data)
    try:
        journal_events = store.hide(member_id, journal, now_s=time.time())
        say("hidden from every reader")
        table_rows = _without_member(member_id, data, say)
        # Once more: a generation that was begun in between was made of the tables as they were.
        journal_events += store.hide(member_id, journal, now_s=time.time())
    finally:
        journal.close()
    predictions = forget_predictions(member_id)
    return Receipt(
        member_id=member_id,
        journal_events=journal_events,
        table_rows=table_rows,
        prediction_log_rows=predictions.rows,
        in_generations=asyncio.run(_generations_with(member_id, store)),
        in_bundles=in_bundles,
        prediction_logs_pending=predictions.pending,
        in_lists=_lists_with(member_id, store),
    )


def _bundles_that_learnt_from(member_id: str, folder: DataFolder, bundles: Sequence[Path]) -> list[str]:
    tables = [table for table in LEARNT_FROM if bundles and table in folder.manifest.tables]
    own = [folder.scan(table).filter(pl.col("member_id") == member_id).select("event_id").collect() for table in tables]
    hashes = event_hashes([event_id for rows in own for event_id in rows["event_id"]])
    return [str(bundle) for bundle in bundles if np.isin(hashes, learnt_from(bundle)).any()]


def _without_member(member_id: str, data: Path, say: Callable[[str], None]) -> dict[str, int]:
    """Rewrite every part of every table in which the member stands; rows deleted by table."""
    deleted = {}
    with DataAppender(data) as appender:
        for table in appender.folder.manifest.tables:
            if "member_id" in dtypes_of(table) and (rows := appender.remove(table, "member_id", pl.Series([member_id]))):
                deleted[table] = rows
                say(f"{rows:,} rows deleted from {table}")
    note_ratings(DataFolder.open(data))  # of the others in rewritten parts: doors know a part's ratings by its digest
    return deleted


def _has_bottles_or_wishes(generation: Path, member_id: str) -> bool:
    kept = [generation / folder for folder in (CELLARS, WISHES)]
    return any(KeyedValues.mapped(folder).holds(member_key(member_id)) for folder in kept if folder.is_dir())


def _lists_with(member_id: str, store: Store) -> list[str]:
    """The precomputed lists, by bundle, in which the member's still lies, or may: those that cannot be read."""
    found = []
    for bundle_version, lists_id in all_lists(store.lists):
        with suppress(OSError, ValueError, EOFError):
            if not KeyedValues.mapped(store.lists / bundle_version / lists_id / LISTED).holds(member_key(member_id)):
                continue
        found.append(f"{bundle_version}/{lists_id}")
    return found


async def _generations_with(member_id: str, store: Store) -> list[str]:
    """The generations in which the member's ratings, bottles or wishes still lie, behind what hides them."""
    try:
        return [
            each
            for each in listed(store.generations)
            if (await store.reader(each).read(member_id)).value is not None or _has_bottles_or_wishes(store.generations / each, member_id)
        ]
    finally:
        await store.aclose()
