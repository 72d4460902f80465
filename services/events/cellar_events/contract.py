"""The events contract: what a request and its answer look like on the wire; the schema in /docs is made from it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from cellar_shared.events.pushed import Event, OutcomeEvent, RatingEvent
from cellar_shared.service.problems import FieldError

EVENTS_MOST: Final = 500

Status = Literal["accepted", "duplicate", "conflict", "rejected"]


class EventsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What members did, in any order. Each event is judged on its own; sending the same ones again changes nothing."""

    events: Annotated[list[Event], Meta(min_length=1, max_length=EVENTS_MOST)]


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An EventsRequest as it is decoded: one event that is none spoils no other."""

    events: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=EVENTS_MOST)]


class EventResult(msgspec.Struct, frozen=True):
    """What became of one event, in the order sent.

    accepted: durable from now on. duplicate: it had been accepted before. conflict: another event was accepted under this id, and it
    stays. rejected: `problem` says why and where in the request; nothing was kept.
    """

    event_id: Annotated[str | None, Meta(description="null where a rejected event has none that can be read")]
    status: Status
    problem: FieldError | None


class EventsAnswer(msgspec.Struct, frozen=True):
    """The answer to an EventsRequest."""

    results: list[EventResult]


_OCCURRED_AT: Final = datetime(2026, 1, 31, 19, 30, tzinfo=UTC)

EXAMPLE: Final = EventsRequest(
    [
        RatingEvent(event_id="rating-1", member_id="m1", occurred_at=_OCCURRED_AT, wine_id="w1", vintage=2016, rating=4.5, scale="1-5"),
        OutcomeEvent(event_id="outcome-1", member_id="m1", occurred_at=_OCCURRED_AT, outcome="opened", wine_id="w1", vintage=2016),
    ]
)
