"""Brings what the journal accepted into the data's tables, each event once; `materialize` begins with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from cellar_shared.events.appending import DataAppender
from cellar_shared.events.imported import note_imported
from cellar_shared.events.journal import Accepted, Journal
from cellar_shared.events.pushed import BottleEvent, ImpressionEvent, OutcomeEvent, PreferenceEvent, RatingEvent, is_like, vintage_number
from cellar_shared.events.tables import DataFolder, batches, dtypes_of, schema_of

SOURCE: Final = "push"
ENTRIES_AT_ONCE: Final = 200_000


def fold_journal(data: Path, journal: Journal, through: int, *, say: Callable[[str], None]) -> DataFolder:
    """Append to the tables of `data` what its journal accepted since the last time, up to the position `through`; the folder then.

    Tables and the position up to which they hold the journal change in one step: a crash repeats nothing and loses nothing.
    """
    folder = DataFolder.open(data)
    while folder.manifest.journal_through < through:
        folder = _fold(data, journal, through, say)
    journal.trim(folder.manifest.journal_through, now_s=time.time())
    note_ratings(folder)
    return folder


def note_ratings(folder: DataFolder) -> None:
    """See to it that doors know the ratings of every part that came by import; whoever rewrites parts calls it, too."""
    note_imported(folder.path, folder.manifest, lambda part: _rows_of(folder.path / "ratings" / part))


def _rows_of(part: Path) -> Iterator[tuple[Any, ...]]:
    """A part's ratings as `note_imported` wants them, some at a time in memory."""
    columns = ("event_id", "member_id", "wine_id", "vintage", "rating_raw", "scale", "like", pl.col("rated_at").dt.timestamp("us"))
    rows = pl.scan_parquet(part, glob=False).select(*columns, "time_precision", "defective")
    for batch in batches(rows, ENTRIES_AT_ONCE):
        yield from batch.iter_rows()


def _fold(data: Path, journal: Journal, through: int, say: Callable[[str], None]) -> DataFolder:
    with DataAppender(data) as appender:
        since = appender.folder.manifest.journal_through
        accepted: list[Accepted] = []
        reached = through
        for entry in journal.after(since, through):
            accepted.append(entry)
            if len(accepted) == ENTRIES_AT_ONCE:
                reached = entry.position
                break
        _without_forgotten(appender, accepted)
        rows = _rows_by_table(accepted)
        if rows:
            say("folding " + ", ".join(f"{len(some):,} {table}" for table, some in rows.items()))
        for table, some in rows.items():
            _append(appender, table, some)
        appender.journal_through = reached
    return DataFolder.open(data)


def _without_forgotten(appender: DataAppender, accepted: Sequence[Accepted]) -> None:
    """Take out who was forgotten: whoever forgot them may have been killed before, and a generation made of these tables would show
    them again, since its position lies behind the one at which they were forgotten."""
    if members := {entry.member_id for entry in accepted if entry.event is None}:
        for table in appender.folder.manifest.tables:
            if "member_id" in dtypes_of(table):
                appender.remove(table, "member_id", pl.Series(sorted(members)))


def _append(appender: DataAppender, table: str, rows: list[dict[str, Any]]) -> None:
    key = schema_of(table)["x-key"]
    frame = pl.DataFrame(rows, infer_schema_length=None).unique(key, keep="first", maintain_order=True)
    if table in appender.folder.manifest.tables:
        if table == "bottles":
            # A bottle is one row: what was pushed of it stands in for what was there.
            appender.remove(table, "bottle_id", frame["bottle_id"])
        else:
            standing = appender.folder.scan(table).select(key).join(frame.lazy().select(key), on=key, how="semi").collect()
            frame = frame.join(standing, on=key, how="anti")
    appender.add(table, frame)


def _rows_by_table(accepted: Sequence[Accepted]) -> dict[str, list[dict[str, Any]]]:
    """The events as rows of their tables; of a bottle's states the newest alone."""
    rows: dict[str, list[dict[str, Any]]] = {}
    newest: dict[str, BottleEvent] = {}
    for entry in accepted:
        match entry.event:
            case RatingEvent() as event:
                rows.setdefault("ratings", []).append(_rating(event))
            case PreferenceEvent() as event:
                rows.setdefault("preferences", []).append(_preference(event))
            case ImpressionEvent() as event:
                rows.setdefault("impressions", []).append(_impression(event))
            case OutcomeEvent() as event:
                rows.setdefault("outcomes", []).append(_outcome(event, entry.accepted_at))
            case BottleEvent() as event:
                standing = newest.get(event.bottle_id)
                if standing is None or (standing.occurred_at, standing.event_id) < (event.occurred_at, event.event_id):
                    newest[event.bottle_id] = event
            case None:
                pass
    if newest:
        rows["bottles"] = [_bottle(event) for event in newest.values()]
    return rows


def _rating(event: RatingEvent) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "member_id": event.member_id,
        "wine_id": event.wine_id,
        "vintage": vintage_number(event.vintage),
        "rating_raw": event.rating,
        "scale": event.scale,
        "like": is_like(event),
        "rated_at": event.occurred_at.astimezone(UTC),
        "time_precision": event.time_precision,
        "defective": event.defective,
        "source": SOURCE,
    }


def _preference(event: PreferenceEvent) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "member_id": event.member_id,
        "kind": event.preference,
        "value": event.value,
        "set_at": event.occurred_at.astimezone(UTC),
        "is_set": event.is_set,
    }


def _impression(event: ImpressionEvent) -> dict[str, Any]:
    return {
        "request_id": event.request_id,
        "member_id": event.member_id,
        "position": event.position,
        "wine_id": event.wine_id,
        "vintage": vintage_number(event.vintage),
        "source": event.source,
        "propensity": event.propensity,
        "candidate_hash": event.candidate_hash,
        "shown_at": event.occurred_at.astimezone(UTC),
    }


def _outcome(event: OutcomeEvent, accepted_at: float) -> dict[str, Any]:
    return {
        "outcome_id": event.event_id,
        "request_id": event.request_id,
        "member_id": event.member_id,
        "wine_id": event.wine_id,
        "vintage": vintage_number(event.vintage),
        "bottle_id": event.bottle_id,
        "kind": event.outcome,
        "value": event.value,
        "occurred_at": event.occurred_at.astimezone(UTC),
        "recorded_at": datetime.fromtimestamp(accepted_at, UTC),
    }


def _bottle(event: BottleEvent) -> dict[str, Any]:
    return {
        "bottle_id": event.bottle_id,
        "member_id": event.member_id,
        "wine_id": event.wine_id,
        "vintage": vintage_number(event.vintage),
        "size_ml": event.size_ml,
        "state": event.state,
        "acquired_at": event.acquired_at,
        "storage_id": event.storage_id,
        "location": event.location,
        "bin": event.bin,
        "consumed_at": event.consumed_at,
        "consumed_how": event.consumed_how,
        "window_from": event.window_from,
        "window_to": event.window_to,
        "window_source": event.window_source,
    }
