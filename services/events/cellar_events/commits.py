"""Commits what requests bring in groups: one thread takes all that waits through the door in one step; the service awaits it.

While a disk syncs, further requests come in; they share the next sync instead of each paying for one of their own (group commit,
as databases do it). So the event loop never waits for a disk, and throughput grows with the load.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from cellar_shared.errors import CellarError
from cellar_shared.events.journal import Receipt
from cellar_shared.events.pushed import Event
from cellar_shared.store.port import Door

logger = logging.getLogger("cellar.events")

# One transaction of so many takes some hundred milliseconds, which is what the first in it waits for the last (judgement).
EVENTS_A_GROUP: Final = 2_000
# About a second's worth: what would wait longer is better off elsewhere, or later (judgement).
EVENTS_WAITING_MOST: Final = 10_000
LOGGED_EVERY_S: Final = 10.0


class Full(Exception):
    """So much waits already that no more is taken; `waited_ms` is how long the first of it has."""

    def __init__(self, waited_ms: float) -> None:
        super().__init__(f"the first has waited {waited_ms:.0f} ms")
        self.waited_ms = waited_ms


class NotTaken(Exception):
    """Nothing can be promised of these events: they may be sent again."""


class _Batch(NamedTuple):
    events: Sequence[Event]
    receipts: asyncio.Future[list[Receipt]]
    came_at_s: float


class Commits:
    """The one writer of this process. `open_door` is called at the start and, after a failure, for the next group.

    `commit` belongs to one event loop; `start` and `close` may block.
    """

    def __init__(self, open_door: Callable[[], Door], waiting_most: int = EVENTS_WAITING_MOST) -> None:
        self._open_door = open_door
        self._waiting_most = waiting_most
        self._door: Door | None = None
        self._changed = threading.Condition()
        self._waiting: deque[_Batch] = deque()
        self._events_waiting = 0
        self._is_closing = False
        self._log_at_s = 0.0
        self._thread = threading.Thread(target=self._run, name="commits", daemon=True)

    def start(self) -> None:
        """Open the door and begin to commit; CellarError when it cannot be opened."""
        self._door = self._open_door()
        self._thread.start()

    async def commit(self, events: Sequence[Event]) -> list[Receipt]:
        """Take events in; one Receipt each, in their order, once they are durable.

        Full when too much waits, NotTaken when the store cannot promise it. Given up, they may be taken in nonetheless.
        """
        receipts: asyncio.Future[list[Receipt]] = asyncio.get_running_loop().create_future()
        now_s = time.monotonic()
        with self._changed:
            if self._waiting and self._events_waiting + len(events) > self._waiting_most:
                raise Full((now_s - self._waiting[0].came_at_s) * 1000)
            self._waiting.append(_Batch(events, receipts, now_s))
            self._events_waiting += len(events)
            self._changed.notify()
        return await receipts

    def close(self) -> None:
        """Commit what waits, then let go of the door."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._drop_door()

    def _run(self) -> None:
        while group := self._next_group():
            self._commit(group)

    def _next_group(self) -> list[_Batch]:
        """What waits, as much as one step takes; empty at the end."""
        with self._changed:
            while not self._waiting and not self._is_closing:
                self._changed.wait()
            group: list[_Batch] = []
            count = 0
            while self._waiting and (not group or count + len(self._waiting[0].events) <= EVENTS_A_GROUP):
                group.append(self._waiting.popleft())
                count += len(group[-1].events)
            self._events_waiting -= count
        return group

    def _commit(self, group: Sequence[_Batch]) -> None:
        try:
            if self._door is None:
                self._door = self._open_door()
            receipts = self._door.accept([event for batch in group for event in batch.events], now_s=time.time())
        except CellarError as error:
            self._drop_door()
            self._log(error)
            # Who waits behind it would wait as long for the same.
            for batch in (*group, *self._all_waiting()):
                _tell(batch, NotTaken())
        except Exception as error:
            self._drop_door()
            if len(group) > 1:  # a fault with one of them is none of the others'
                for batch in group:
                    self._commit([batch])
            else:
                _tell(group[0], error)
        else:
            place = 0
            for batch in group:
                _tell(batch, receipts[place : place + len(batch.events)])
                place += len(batch.events)

    def _all_waiting(self) -> list[_Batch]:
        with self._changed:
            waiting = list(self._waiting)
            self._waiting.clear()
            self._events_waiting = 0
            return waiting

    def _drop_door(self) -> None:
        door, self._door = self._door, None
        if door is not None:
            try:
                door.close()
            except Exception:
                logger.warning("the door did not close well", exc_info=True)

    def _log(self, error: CellarError) -> None:
        now_s = time.monotonic()
        if now_s >= self._log_at_s:
            self._log_at_s = now_s + LOGGED_EVERY_S
            logger.error("events are not taken in: %s", error)


def _tell(batch: _Batch, outcome: list[Receipt] | Exception) -> None:
    def settle() -> None:
        if batch.receipts.done():
            return  # nobody waits any longer
        if isinstance(outcome, Exception):
            batch.receipts.set_exception(outcome)
        else:
            batch.receipts.set_result(outcome)

    try:
        batch.receipts.get_loop().call_soon_threadsafe(settle)
    except RuntimeError:
        logger.debug("the loop of a request is gone")
