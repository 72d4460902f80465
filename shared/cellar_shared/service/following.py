"""What a scoring service stands on: it follows a store's generations, does without the store while it is away, and says so.

Preference and recommender hold one; what they pin for a request, and how they answer, is theirs.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, Protocol, TypeVar

from cellar_shared.errors import CellarError
from cellar_shared.service.contract import NotYet
from cellar_shared.store.generation import Generation
from cellar_shared.store.opening import STORE_WITHIN_S, answers_within
from cellar_shared.store.port import Store, StoreUnavailable
from cellar_shared.store.swapping import LOOK_EVERY_S, Swapping
from cellar_shared.telemetry import names
from cellar_shared.telemetry.predictions import PredictionLog, PredictionSettings
from cellar_shared.telemetry.recorder import RECORDER

DEPLOYMENT_VARIABLE: Final = "CELLAR_DEPLOYMENT"


class OnGeneration(Protocol):
    """What a request pins: at least a generation."""

    @property
    def generation(self) -> Generation: ...


Pinned = TypeVar("Pinned", bound=OnGeneration)
Answer = TypeVar("Answer")


def deployment_of(given: str | None) -> str:
    """The slot that answers: the one given, else the environment's, else "local"."""
    return given or os.environ.get(DEPLOYMENT_VARIABLE, "local")


class Following(Generic[Pinned]):
    """A store's current generation as a service pins it, from `start` to `close`; one event loop reads members through it."""

    def __init__(
        self,
        store: Store,
        logger: logging.Logger,
        predictions: PredictionSettings | None = None,
        *,
        store_within_s: float = STORE_WITHIN_S,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._store = store
        self._logger = logger
        self._store_within_s = store_within_s
        self._look_every_s = look_every_s
        self._swapping: Swapping[Pinned] | None = None
        self._is_without_store = False
        self._prediction_settings = predictions
        self.predictions: PredictionLog | None = None

    def start(self, pin: Callable[[str], Pinned], opens_again: Callable[[Pinned], bool]) -> None:
        """Pin the current generation by its id, then follow the store; `opens_again` says what the store's answer would make better.

        A store that cannot be read is waited for at first, then done without. NotYet while there is no generation that can be
        pinned: the next `materialize` may write one.
        """
        if not answers_within(self._store, self._store_within_s):
            self._logger.warning("%s does not answer; served without it until it does", self._store.name)
        swapping = Swapping(
            self._store,
            pin,
            opens_again=lambda pinned: opens_again(pinned) and self._store.answers(),
            look_every_s=self._look_every_s,
            tell=lambda outcome: RECORDER.count(names.SWAPS, 1, (outcome,)),
        )
        try:
            swapping.start()
        except CellarError as error:
            raise NotYet(str(error)) from error
        except OSError as error:  # a folder that goes while it is opened, a mount that is away
            raise NotYet(f"the generation of {self._store.name} cannot be opened ({error.strerror})") from error
        if self._prediction_settings is not None:
            self.predictions = PredictionLog(self._prediction_settings)
        RECORDER.watch(names.GENERATION_AGE, lambda: time.time() - self.pinned.generation.manifest.events_through / 1_000_000)
        self._swapping = swapping

    @property
    def pinned(self) -> Pinned:
        """What a request works on from beginning to end: taken once. RuntimeError before `start` has returned."""
        pinned = None if self._swapping is None else self._swapping.pinned
        if pinned is None:
            raise RuntimeError("the service was asked before it was loaded")
        return pinned

    @property
    def swaps(self) -> int:
        """How many generations came while it served."""
        return 0 if self._swapping is None else self._swapping.swaps

    async def close(self) -> None:
        """Follow the store no longer and let go of it; write what is left of the prediction log."""
        if self._swapping is not None:
            await asyncio.to_thread(self._swapping.stop)
        if self.predictions is not None:
            await asyncio.to_thread(self.predictions.close)
        await self._store.aclose()

    async def read(self, asked: Coroutine[Any, Any, Answer]) -> tuple[Answer | None, bool]:
        """What the store answers, and whether it answered: with it gone, members are answered as ones whom nobody knows."""
        try:
            answer = await asked
        except StoreUnavailable as error:
            RECORDER.count(names.STORE_FAILURES, 1, (self._store.name.partition("://")[0],))
            if not self._is_without_store:  # once, not at every request; the error's own words may hold a member's data
                self._logger.warning("members are answered without %s: %s", self._store.name, type(error.__cause__ or error).__name__)
            self._is_without_store = True
            return None, False
        if self._is_without_store:
            self._logger.warning("members are answered with %s again", self._store.name)
            self._is_without_store = False
        return answer, True
