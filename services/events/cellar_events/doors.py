"""Opens the door behind which events are durable: the data's journal on one machine, Redis for many; the service calls it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cellar_shared.errors import BadInput, Incompatible
from cellar_shared.events.journal import Journal, Receipt
from cellar_shared.events.manifest import read_manifest as read_data_manifest
from cellar_shared.events.pushed import Event
from cellar_shared.store.generation import GenerationManifest, read_manifest
from cellar_shared.store.port import Door, Store, StoreUnavailable
from cellar_shared.store.redis_door import DURABILITIES, RedisDoor
from cellar_shared.store.redis_store import RedisStore

logger = logging.getLogger("cellar.events")

JOURNAL: Final = "journal"
STORE_WITHIN_S: Final = 10.0  # how long a starting service tries its store
TRY_EVERY_S: Final = 0.1


def durability_of(store: Store, data: Path | None, asked: str | None) -> str:
    """What makes an event durable here: "journal", or with Redis "aof" (default) or "replica".

    BadInput for what does not go together, before anything is opened.
    """
    if isinstance(store, RedisStore):
        durability = asked or "aof"
        if durability not in DURABILITIES:
            raise BadInput(f"--durability {durability!r} is not known; use {' or '.join(DURABILITIES)}")
        return durability
    if asked is not None:
        raise BadInput(f"--durability {asked} is for a Redis store; behind {store.name} the data's journal makes events durable")
    if data is None:
        raise BadInput(f"events for {store.name} go into the journal of its data: say which, --data DATA")
    return JOURNAL


def generation_of(store: Store, data: Path | None) -> GenerationManifest:
    """The store's current generation, from which the scale of ratings that name none is known.

    BadInput when there is none, Incompatible when `data` is not what it was made of: equal ids of others mean nothing.
    """
    generation_id = store.current_id()
    # Where the folder lies here its manifest is enough: what serving maps of it may be damaged, and events are taken in.
    manifest = read_manifest(store.folder(generation_id) if isinstance(store, RedisStore) else store.generations / generation_id)
    if data is not None:
        own = read_data_manifest(data)
        if (own.namespace, own.scale) != (manifest.namespace, manifest.scale):
            raise Incompatible(
                f"{data} is {own.namespace!r} on scale {own.scale}, generation {manifest.id} of {store.name} is {manifest.namespace!r} "
                f"on scale {manifest.scale}; name the data that the store was materialized from, or materialize this one"
            )
    return manifest


def open_door(store: Store, data: Path | None, durability: str) -> Door:
    """The door, to be closed by who opens it; what the journal holds and readers lack is laid over first.

    BadInput or another CellarError where it cannot be opened.
    """
    if isinstance(store, RedisStore):
        return RedisDoor(store.address, durability)
    if data is None:
        raise BadInput(f"events for {store.name} need the data behind it")
    generation_of(store, data)
    return _WithJournal(store, Journal(data))


def verify_durability(store: Store, durability: str, within_s: float) -> None:
    """CellarError when the store says that it cannot make events durable; one that is away is tried for `within_s` and then let be.

    Each time that events are handed in, durability is asked for anew.
    """
    if not isinstance(store, RedisStore):
        return
    end = time.monotonic() + within_s
    door = RedisDoor(store.address, durability)
    try:
        while True:
            try:
                door.require_durability()
                return
            except StoreUnavailable as error:
                if time.monotonic() >= end:
                    logger.error("started all the same, and takes nothing in until the store is back: %s", error)
                    return
                time.sleep(TRY_EVERY_S)
    finally:
        door.close()


class _WithJournal:
    """A door together with the journal behind it."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._journal = journal
        self._door = store.door(journal)
        try:
            store.settle(journal, now_s=time.time())
        except BaseException:
            self.close()
            raise

    def accept(self, events: Sequence[Event], *, now_s: float) -> list[Receipt]:
        return self._door.accept(events, now_s=now_s)

    def close(self) -> None:
        self._door.close()
        self._journal.close()
