"""The events service: judges each event of a request and takes in what can be; `cellar serve events` runs it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Final

from cellar_events.commits import Commits, Full, NotTaken
from cellar_events.contract import EXAMPLE, Envelope, EventResult, EventsAnswer, EventsRequest
from cellar_events.doors import STORE_WITHIN_S, durability_of, generation_of, open_door, verify_durability
from cellar_events.judging import judge
from cellar_shared.errors import CellarError
from cellar_shared.events.journal import Receipt
from cellar_shared.events.pushed import Event
from cellar_shared.service.contract import NotYet, RequestContext
from cellar_shared.service.deadline import Deadline
from cellar_shared.service.limits import retry_after_ms
from cellar_shared.service.metadata import ModelMetadata, TensorMetadata
from cellar_shared.service.problems import Problem
from cellar_shared.store.port import Store
from cellar_shared.telemetry import names
from cellar_shared.telemetry.recorder import RECORDER

NAME: Final = "events"
# A Redis that starts again, a disk that is made room on: seconds rather than minutes (judgement).
RETRY_MS: Final = 1_000
REFUSED: Final = "unknown"  # the kind of an event that is none


class EventsService:
    """Takes events in for one store, and on one machine into the journal of the data behind it."""

    name = NAME
    route = "/events"
    request_type = Envelope
    documented_request_type = EventsRequest
    answer_type = EventsAnswer
    example = EXAMPLE

    def __init__(
        self, store: Store, data: Path | None = None, durability: str | None = None, *, store_within_s: float = STORE_WITHIN_S
    ) -> None:
        """BadInput where `data` is needed and not given, or `durability` is no store's."""
        self._store = store
        self._data = data
        self._durability = durability_of(store, data, durability)
        self._store_within_s = store_within_s
        self._commits = Commits(lambda: open_door(store, data, self._durability))
        self._scale = ""
        self._namespace = ""

    def load(self) -> None:
        """Look the generation and the data over, open the door, verify that it can make events durable.

        A Redis that is away does not keep the service from starting: until it is back, nothing is taken in. NotYet while there is
        no generation of the data: the next `materialize` may write one.
        """
        try:
            generation = generation_of(self._store, self._data)
        except CellarError as error:
            raise NotYet(str(error)) from error
        self._scale, self._namespace = generation.scale, generation.namespace
        verify_durability(self._store, self._durability, self._store_within_s)
        self._commits.start()

    async def close(self) -> None:
        """Commit what waits, and let go of the store."""
        await asyncio.to_thread(self._commits.close)
        await self._store.aclose()

    def metadata(self) -> ModelMetadata:
        """What is served, in Open Inference Protocol's terms."""
        return ModelMetadata(
            name=NAME,
            versions=("1",),
            platform="cellar",
            inputs=(TensorMetadata("request", "BYTES", (1,)),),
            outputs=(TensorMetadata("status", "BYTES", (-1,)),),
            properties={"scale": self._scale, "namespace": self._namespace, "durability": self._durability},
        )

    async def score(self, request: Envelope, context: RequestContext) -> EventsAnswer:
        """What became of each event; Problem when none can be taken in now."""
        judged = judge(request.events, self._scale, context.received_at)
        context.stages.lap("judge")
        taken = [each for each in judged if not isinstance(each, EventResult)]
        receipts = iter(await self._taken_in(taken, context.deadline) if taken else ())
        context.stages.lap("commit")
        results = [each if isinstance(each, EventResult) else _result(next(receipts)) for each in judged]
        for given, result in zip(judged, results, strict=True):
            kind = REFUSED if isinstance(given, EventResult) else str(given.__struct_config__.tag)
            RECORDER.count(names.EVENTS, 1, (kind, result.status))
        return EventsAnswer(results)

    async def _taken_in(self, events: Sequence[Event], deadline: Deadline) -> list[Receipt]:
        deadline.require()
        left_ms = deadline.left_ms()
        try:
            async with asyncio.timeout(None if left_ms == inf else left_ms / 1000):
                return await self._commits.commit(events)
        except TimeoutError:
            raise deadline.passed() from None
        except Full as full:
            raise Problem(
                "overloaded",
                "More events wait than can be committed in time: wait as long as retry_after_ms says, then send the same again.",
                retry_after_ms=retry_after_ms(full.waited_ms),
            ) from None
        except NotTaken:
            raise Problem(
                "not-ready",
                "Events cannot be made durable now: send the same again later; those that were taken in all the same are known again.",
                retry_after_ms=round(RETRY_MS * random.uniform(1, 2)),  # spread, lest all return at once
            ) from None


def _result(receipt: Receipt) -> EventResult:
    return EventResult(receipt.event_id, receipt.status, None)
