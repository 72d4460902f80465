"""Reads pushed events line by line and hands them in at the store's door; the command `cellar push` calls it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from cellar_shared.events.journal import Journal, Status
from cellar_shared.events.manifest import read_manifest
from cellar_shared.events.pushed import Event, decode_event, with_scale, wrong_with
from cellar_shared.store.port import Store

EVENTS_AT_ONCE: Final = 500
REFUSALS_SHOWN: Final = 20


@dataclass(slots=True)
class Pushed:
    """What became of a file's events. `refused` holds a sentence for each line that is no event, `conflicts` the ids of events
    that are known with other content."""

    counts: dict[Status, int] = field(default_factory=lambda: {"accepted": 0, "duplicate": 0, "conflict": 0})
    refused: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)


def push(lines: Iterable[bytes], data: Path, store: Store, *, tell: Callable[[str, int], None]) -> Pushed:
    """Push events, one JSON object a line. A line that is none is refused and the others go on; pushing again is safe."""
    scale = read_manifest(data).scale
    pushed = Pushed()
    journal = Journal(data)
    door = store.door(journal)
    try:
        for events in _in_batches(_events(lines, scale, pushed)):
            for receipt in door.accept(events, now_s=time.time()):
                pushed.counts[receipt.status] += 1
                if receipt.status == "conflict":
                    pushed.conflicts.append(receipt.event_id)
            tell("events", sum(pushed.counts.values()))
        store.settle(journal, now_s=time.time())
    finally:
        door.close()
        journal.close()
    return pushed


def _events(lines: Iterable[bytes], scale: str, pushed: Pushed) -> Iterator[Event]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            event = with_scale(decode_event(line), scale)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            pushed.refused.append(f"line {number}: {error}")
            continue
        if (wrong := wrong_with(event, datetime.now(UTC))) is not None:
            pushed.refused.append(f"line {number}: {wrong}")
            continue
        yield event


def _in_batches(events: Iterable[Event]) -> Iterator[list[Event]]:
    batch: list[Event] = []
    for event in events:
        batch.append(event)
        if len(batch) == EVENTS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
