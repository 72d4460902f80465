"""Drains a Redis stream into the data's journal until told to stop; the command `cellar drain` calls it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cellar_shared.errors import BadInput, CellarError
from cellar_shared.events.journal import Journal
from cellar_shared.store.port import Store

WAIT_MS: Final = 1_000
TRY_AGAIN_S: Final = 1.0


def drain(data: Path, store: Store, *, is_once: bool, say: Callable[[str], None]) -> None:
    """Bring events from the store's stream into the journal of `data`; without `is_once` until SIGINT or SIGTERM.

    BadInput when the store has no stream. A Redis that is away is tried again; `is_once` raises CellarError then.
    """
    from cellar_shared.store.redis_door import Drain  # noqa: PLC0415  redis is an extra
    from cellar_shared.store.redis_store import RedisStore  # noqa: PLC0415

    if not isinstance(store, RedisStore):
        raise BadInput(f"{store.name} has no stream to drain: what is pushed there is in the journal at once")
    stop = threading.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: stop.set())
    journal = Journal(data)
    work = Drain(store.address, journal)
    try:
        while not stop.is_set():
            try:
                with store.commanding() as client:
                    taken, _ = work.once(client, now_s=time.time(), wait_ms=1 if is_once else WAIT_MS)
            except CellarError as error:
                if is_once:
                    raise
                say(str(error))
                stop.wait(TRY_AGAIN_S)
                continue
            if taken:
                say(f"{taken:,} events brought into the journal")
            if is_once:
                return
    finally:
        journal.close()
