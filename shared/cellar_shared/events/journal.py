"""The data's journal: every pushed event, durable before it is acknowledged, once; what tables and overlays are made of.

It is one SQLite database in the data folder, shared by every process that takes events in. A position is an event's place
in the order of acceptance; a new journal's lie behind those of any before it, so that an overlay never takes one for
another. Once `materialize` has folded events into the tables their content goes, after a while; that they were there
stays, so that a sender who tries again hears so.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cellar_shared.errors import CellarError
from cellar_shared.events.imported import FOLDER as NOTED
from cellar_shared.events.imported import ImportedEvents
from cellar_shared.events.manifest import MANIFEST, read_manifest
from cellar_shared.events.pushed import Event, content_digest, decode_event, encode_event

FILE: Final = "journal.sqlite"
BUSY_MS: Final = 30_000
# A transaction takes a few milliseconds. SQLite itself waits longer and longer between tries: of two busy processes one waited up to
# three seconds, with steady tries a third of one.
BETWEEN_TRIES_S: Final = 0.001
# How long folded events are kept: another store on the same data may still have to lay them over.
KEPT_AFTER_FOLD_S: Final = 7 * 86_400

Status = Literal["accepted", "duplicate", "conflict"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT UNIQUE,           -- NULL: a member was forgotten here
    digest BLOB,
    member_id TEXT,
    content BLOB,                   -- NULL: folded into the tables, and gone from here
    accepted_at REAL NOT NULL       -- seconds since 1970
) STRICT;
CREATE INDEX IF NOT EXISTS by_member ON entries (member_id) WHERE member_id IS NOT NULL;
"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one event: its position, also where it had been accepted before."""

    event_id: str
    status: Status
    position: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """One entry of the journal: an event, or None where `member_id` was forgotten."""

    position: int
    member_id: str
    event: Event | None
    accepted_at: float


class Journal:
    """The journal of one data folder; used by one thread at a time, open until it is closed."""

    def __init__(self, data: Path) -> None:
        """Open the journal of the data folder at `data`, made when there is none.

        BadInput when `data` is no data folder, CellarError when the journal cannot be opened.
        """
        read_manifest(data)
        self.path = data / FILE
        self._manifest = data / MANIFEST
        self._seen: tuple[tuple[tuple[int, int], ...], ImportedEvents] | None = None
        try:
            self._connection = sqlite3.connect(self.path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
            self._opened = _file_at(self.path)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", f"busy_timeout={BUSY_MS}"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise CellarError(f"{self.path} cannot be opened ({error}); check the folder's rights and the disk's room") from error

    def append(self, events: Sequence[Event], *, now_s: float) -> list[Receipt]:
        """Accept events, all in one transaction, on disk when this returns; one Receipt each, in their order.

        What came by import is known too, as of the last `materialize`; its position is 0.
        """
        with self._writing() as connection:
            self._require_start(connection, now_s)
            found = self._digests([event.event_id for event in events])
            imported = self._imported()
            receipts = []
            for event in events:
                digest = content_digest(event)
                if (standing := found.get(event.event_id)) is not None:
                    receipts.append(Receipt(event.event_id, "duplicate" if standing[0] == digest else "conflict", standing[1]))
                    continue
                if (known := imported.knows(event)) is not None:
                    receipts.append(Receipt(event.event_id, known, 0))
                    continue
                cursor = connection.execute(
                    "INSERT INTO entries (event_id, digest, member_id, content, accepted_at) VALUES (?, ?, ?, ?, ?)",
                    (event.event_id, digest, event.member_id, encode_event(event), now_s),
                )
                position = int(cursor.lastrowid or 0)
                found[event.event_id] = (digest, position)
                receipts.append(Receipt(event.event_id, "accepted", position))
        return receipts

    def last(self) -> int:
        """The last position given out, also where what lay there is gone; 0 before the first."""
        with self._reading() as connection:
            row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
        return int(row[0]) if row else 0

    def folded_through(self) -> int:
        """The position up to which the data's tables hold what was accepted."""
        return read_manifest(self._manifest.parent).journal_through

    def after(self, position: int, through: int | None = None) -> Iterator[Accepted]:
        """The entries behind `position` that still have their content, in order, up to `through`."""
        through = self.last() if through is None else through
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT position, member_id, event_id, content, accepted_at FROM entries"
                " WHERE position > ? AND position <= ? AND member_id IS NOT NULL AND (content IS NOT NULL OR event_id IS NULL)"
                " ORDER BY position",
                (position, through),
            )
            for at, member_id, event_id, content, accepted_at in rows:
                yield Accepted(at, member_id, None if event_id is None else decode_event(content), accepted_at)

    def trim(self, through: int, *, now_s: float) -> int:
        """Let go of the content of entries up to `through`, accepted long enough ago; their ids stay. How many went."""
        with self._writing() as connection:
            return connection.execute(
                "UPDATE entries SET content = NULL, member_id = NULL WHERE position <= ? AND accepted_at < ? AND member_id IS NOT NULL",
                (through, now_s - KEPT_AFTER_FOLD_S),
            ).rowcount

    def forget(self, member_id: str, *, now_s: float) -> list[str]:
        """Delete every event of a member, and note at a position of its own that they were; the ids of those there were."""
        with self._writing() as connection:
            self._require_start(connection, now_s)
            rows = connection.execute("SELECT event_id FROM entries WHERE member_id = ? AND event_id IS NOT NULL", (member_id,))
            deleted = [event_id for (event_id,) in rows]
            connection.execute("DELETE FROM entries WHERE member_id = ?", (member_id,))
            connection.execute("INSERT INTO entries (member_id, accepted_at) VALUES (?, ?)", (member_id, now_s))
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log, too, held what was deleted
        return deleted

    def forgot_since(self, position: int) -> bool:
        """Was a member forgotten behind `position`?"""
        query = "SELECT 1 FROM entries WHERE position > ? AND event_id IS NULL LIMIT 1"
        return self._connection.execute(query, (position,)).fetchone() is not None

    @contextmanager
    def draining(self) -> Iterator[None]:
        """Hold the right to bring events in from elsewhere, in their order; waits for who holds it. Gone with the process."""
        handle = os.open(self.path.with_suffix(".drain"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def close(self) -> None:
        """Close the database; closing twice is once."""
        self._connection.close()

    def _digests(self, event_ids: Sequence[str]) -> dict[str, tuple[bytes, int]]:
        found: dict[str, tuple[bytes, int]] = {}
        for start in range(0, len(event_ids), 500):
            some = list(event_ids[start : start + 500])
            marks = ",".join("?" * len(some))
            rows = self._connection.execute(f"SELECT event_id, digest, position FROM entries WHERE event_id IN ({marks})", some)  # noqa: S608
            found |= {event_id: (digest, position) for event_id, digest, position in rows}
        return found

    def _imported(self) -> ImportedEvents:
        """The events that came by import, looked up anew when the data folder changes, or what was noted of it: that comes later."""
        state = tuple((status.st_mtime_ns, status.st_ino) for status in (self._manifest.stat(), _noted_at(self._manifest.parent)) if status)
        if self._seen is None or self._seen[0] != state:
            self._seen = (state, ImportedEvents.of(self._manifest.parent, read_manifest(self._manifest.parent)))
        return self._seen[1]

    def _require_start(self, connection: sqlite3.Connection, now_s: float) -> None:
        """Positions begin at the microsecond of the first one: data that is imported anew has a new journal, and the store's overlay
        still holds what the old one had."""
        if self.last() == 0:
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('entries', ?)", (int(now_s * 1_000_000),))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """The database to read from; CellarError when the disk refuses it."""
        try:
            yield self._connection
        except sqlite3.Error as error:
            raise CellarError(f"{self.path} cannot be read ({error}); check the disk") from error

    def _begin(self) -> None:
        """Be the one who writes; sqlite3.OperationalError when another still does after BUSY_MS."""
        end = time.monotonic() + BUSY_MS / 1000
        self._connection.execute("PRAGMA busy_timeout=0")
        try:
            while True:
                try:
                    self._connection.execute("BEGIN IMMEDIATE")
                    return
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                        raise
                time.sleep(BETWEEN_TRIES_S)
        finally:
            self._connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that nobody else writes beside; CellarError when the disk refuses it."""
        try:
            self._begin()
            if _file_at(self.path) != self._opened:
                raise CellarError(f"{self.path} was replaced while it was open; open it anew, then send again")
            yield self._connection
            self._connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise CellarError(f"{self.path} cannot be written ({error}); check the disk's room and rights, then send again") from error
        finally:
            # A commit that fails may leave its transaction open, and some errors end theirs by themselves.
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.rollback()


def _noted_at(data: Path) -> os.stat_result | None:
    """The state of the folder in which imported events are noted; each one noted changes it."""
    try:
        return (data / NOTED).stat()
    except FileNotFoundError:
        return None


def _file_at(path: Path) -> tuple[int, int] | None:
    """Which file stands at `path`: an import may replace the whole folder, and what is open then is nobody's any more."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
