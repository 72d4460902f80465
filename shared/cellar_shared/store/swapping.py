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
REFUSED_AGAIN_S: Final = 60.0

Pinned = TypeVar("Pinned")


class Swapping(Generic[Pinned]):
    """What requests pin, replaced whole when the store's current generation changes.

    `tell` hears "swapped" or "refused" of each. `open_generation` makes it from a generation's id, in a thread of its own; while it works, and where it refuses, what is
    there already goes on answering. A request takes `pinned` once and keeps it: the old one lives as long as it is held.
    """

    def __init__(
        self,
        store: Store,
        open_generation: Callable[[str], Pinned],
        look_every_s: float = LOOK_EVERY_S,
        tell: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self._store = store
        self._tell = tell
        self._open = open_generation
        self._look_every_s = look_every_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._served = ""
        self._refused: tuple[str, int] = ("", 0)
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
        current = ""
        while not self._stop.wait(self._look_every_s):
            looks += 1
            try:
                current = self._store.current_id()
                if current == self._served or self._is_refused(current, looks):
                    continue
                self.pinned = self._open(current)
            except (CellarError, StoreUnavailable, OSError) as error:
                self._refuse(current, looks, error)
            except Exception:
                logger.exception("a new generation could not be opened; generation %s is served on", self._served)
                self._refused = (current, looks)
                self._tell("refused")
            else:
                logger.info("generation %s is served, before it %s", current, self._served)
                self._served = current
                self.swaps += 1
                self._tell("swapped")

    def _is_refused(self, generation_id: str, looks: int) -> bool:
        refused, since = self._refused
        return generation_id == refused and (looks - since) * self._look_every_s < REFUSED_AGAIN_S

    def _refuse(self, generation_id: str, looks: int, error: Exception) -> None:
        self._refused = (generation_id, looks)
        self._tell("refused")
        logger.error("generation %s is refused, generation %s is served on: %s", generation_id, self._served, error)
