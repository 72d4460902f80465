"""Keeps what a service works on up to date: opens each new current generation beside the old one, then swaps in one step."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from cellar_shared.errors import CellarError
from cellar_shared.store.port import Store, StoreUnavailable

logger = logging.getLogger("cellar.store")

LOOK_EVERY_S: Final = 1.0
REFUSED_AGAIN_S: Final = 60.0  # at the latest

Pinned = TypeVar("Pinned")


class Swapping(Generic[Pinned]):
    """What requests pin, replaced whole when the store's current generation changes.

    `open_generation` makes it from a generation's id, in a thread of its own; while it works, and where it refuses, what is
    there already goes on answering. A request takes `pinned` once and keeps it: the old one lives as long as it is held.
    `opens_again` says of what is pinned whether the same generation could now be opened better than it was; `tell` hears
    "swapped" or "refused" of each generation that comes.
    """

    def __init__(
        self,
        store: Store,
        open_generation: Callable[[str], Pinned],
        *,
        opens_again: Callable[[Pinned], bool] = lambda pinned: False,
        look_every_s: float = LOOK_EVERY_S,
        tell: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self._store = store
        self._open = open_generation
        self._opens_again = opens_again
        self._look_every_s = look_every_s
        self._tell = tell
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._served = ""
        self._refused = ""
        self._refusals = 0
        self._refused_until = 0
        self._doubt = ""
        self.pinned: Pinned | None = None
        self.swaps = 0

    def start(self) -> None:
        """Open the current generation, or raise what kept it from opening; from then on follow the store."""
        self._served = self._store.current_id()
        self.pinned = self._open(self._served)
        self._thread = threading.Thread(target=self._follow, name="generation-swaps", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Follow no longer; what is pinned stays."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _follow(self) -> None:
        looks = 0
        trouble = ""
        while not self._stop.wait(self._look_every_s):
            looks += 1
            try:
                current = self._store.current_id()
                trouble = ""
            except Exception as error:  # whatever it is: this thread ending would leave the service where it is for good
                if str(error) != trouble:  # once, not at every look
                    logger.error("generation %s is served on, the current one cannot be told: %s", self._served, error)
                trouble = str(error)
                continue
            if not self._is_refused(current, looks) and (current != self._served or self._is_better_opened_again()):
                self._swap(current, looks)

    def _swap(self, current: str, looks: int) -> None:
        try:
            self.pinned = self._open(current)
        except (CellarError, StoreUnavailable, OSError) as error:
            logger.error("generation %s is refused, generation %s is served on: %s", current, self._served, error)
            self._refuse(current, looks)
        except Exception:
            logger.exception("generation %s could not be opened; generation %s is served on", current, self._served)
            self._refuse(current, looks)
        else:
            if current != self._served:
                logger.info("generation %s is served, before it %s", current, self._served)
                self._served = current
                self.swaps += 1
                self._tell("swapped")
            if self._is_better_opened_again():
                self._wait_with(current, looks)

    def _is_better_opened_again(self) -> bool:
        try:
            is_better = self.pinned is not None and self._opens_again(self.pinned)
        except Exception as error:  # whatever it is, as above
            if str(error) != self._doubt:
                logger.error("whether generation %s could be opened better cannot be told: %s", self._served, error)
            self._doubt = str(error)
            return False
        self._doubt = ""
        return is_better

    def _refuse(self, generation_id: str, looks: int) -> None:
        self._wait_with(generation_id, looks)
        self._tell("refused")

    def _wait_with(self, generation_id: str, looks: int) -> None:
        """At the next look first: what was in the way may be gone. Then ever more rarely, as opening is work."""
        self._refusals = self._refusals + 1 if generation_id == self._refused else 0
        self._refused = generation_id
        self._refused_until = looks + min(2 ** min(self._refusals, 30), int(REFUSED_AGAIN_S / self._look_every_s))

    def _is_refused(self, generation_id: str, looks: int) -> bool:
        return generation_id == self._refused and looks < self._refused_until
