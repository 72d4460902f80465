"""The port through which a member's ratings are read, and its two embedded stores: LMDB on disk and a dictionary in memory."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final, Protocol

import lmdb
import numpy as np

from cellar_shared.features.histories import EVENT, Events

logger = logging.getLogger("cellar.store")

LONGEST_KEY: Final = 400  # LMDB takes keys of up to 511 bytes
ROOM_BYTES: Final = 1 << 40  # address space to map while writing, not disk


class MemberStore(Protocol):
    """Reads what is kept of a member."""

    def events_of(self, member_id: str) -> Events | None:
        """The member's ratings (EVENT, oldest first), or None for a member who is not known."""

    def each(self) -> Iterator[Events]:
        """Every member's ratings, in no order that means anything."""

    def close(self) -> None:
        """Let go of files and connections; closing twice is once."""


class MemoryMembers:
    """Members in a dictionary: for tests and for what fits."""

    def __init__(self, members: Mapping[str, Events]) -> None:
        self._members = dict(members)

    def events_of(self, member_id: str) -> Events | None:
        return self._members.get(member_id)

    def each(self) -> Iterator[Events]:
        yield from self._members.values()

    def close(self) -> None:
        self._members = {}


class LmdbMembers:
    """Members of one generation in a read-only LMDB environment; many processes may read it at once."""

    def __init__(self, folder: Path) -> None:
        self._environment = lmdb.open(str(folder), readonly=True, lock=False, readahead=False, max_dbs=0)
        self._reader = self._environment.begin(buffers=False)

    def events_of(self, member_id: str) -> Events | None:
        value = self._reader.get(member_key(member_id))
        return None if value is None else np.frombuffer(value, dtype=EVENT)

    def each(self) -> Iterator[Events]:
        with self._environment.begin() as reader, reader.cursor() as cursor:
            for value in cursor.iternext(keys=False, values=True):
                yield np.frombuffer(value, dtype=EVENT)

    def close(self) -> None:
        self._environment.close()


class LostMembers:
    """Stands for a member store that cannot be opened: readers hear so at every question, and answer without it."""

    def __init__(self, reason: lmdb.Error) -> None:
        self._reason = reason

    def events_of(self, member_id: str) -> Events | None:
        raise lmdb.Error(f"the member store could not be opened: {self._reason}")

    def each(self) -> Iterator[Events]:
        yield from ()

    def close(self) -> None:
        pass


def open_members(folder: Path) -> MemberStore:
    """The members in `folder`; a store that cannot be opened does not keep a service from answering."""
    try:
        return LmdbMembers(folder)
    except lmdb.Error as error:
        logger.error("the member store %s cannot be opened: %s", folder, error)
        return LostMembers(error)


def write_members(folder: Path, members: Iterable[tuple[str, Events]]) -> int:
    """Write a new LMDB environment of members to `folder`; returns how many. The caller moves it to its place when whole."""
    folder.mkdir(parents=True)
    written = 0
    environment = lmdb.open(str(folder), map_size=ROOM_BYTES, sync=False, metasync=False)
    try:
        with environment.begin(write=True) as writer:
            for member_id, events in members:
                writer.put(member_key(member_id), events.tobytes())
                written += 1
        environment.sync(True)
        environment.copy(str(_fresh(folder / "compact")), compact=True)
    finally:
        environment.close()
    (folder / "compact" / "data.mdb").replace(folder / "data.mdb")
    shutil.rmtree(folder / "compact")
    (folder / "lock.mdb").unlink(missing_ok=True)
    return written


def _fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder


def member_key(member_id: str) -> bytes:
    """The key a member's value is kept under: the id itself, or its digest where it is too long for a key."""
    key = b"m:" + member_id.encode("utf-8", "surrogatepass")
    return key if len(key) <= LONGEST_KEY else b"h:" + blake2b(key, digest_size=32).digest()
