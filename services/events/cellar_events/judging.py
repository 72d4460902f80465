"""Reads the events of a request one by one: each is an event that can be taken in, or the problem that says why not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from cellar_events.contract import EventResult
from cellar_shared.events.pushed import Event, Id, with_scale, wrong_with
from cellar_shared.service.payload import Payload
from cellar_shared.service.problems import FieldError, Problem


class _Named(msgspec.Struct):
    event_id: Id


_payload: Final = Payload(Event)
_named: Final = msgspec.json.Decoder(_Named)


def judge(events: Sequence[msgspec.Raw], catalogue_scale: str, now: datetime) -> list[Event | EventResult]:
    """Each event decoded and checked, ratings without a scale on the catalogue's, or its rejection; in their order. `now` is aware."""
    return [_judged(raw, f"/events/{place}", catalogue_scale, now) for place, raw in enumerate(events)]


def _judged(raw: msgspec.Raw, pointer: str, catalogue_scale: str, now: datetime) -> Event | EventResult:
    try:
        event: Event = with_scale(_payload.decode(bytes(raw)), catalogue_scale)
    except Problem as problem:
        # A Problem without a place speaks of a whole body: here it is a text that is no UTF-8, which nobody looked into before.
        first = problem.errors[0] if problem.errors else FieldError("", problem.code, "is no JSON in UTF-8")
        return _rejected(raw, FieldError(pointer + first.pointer, first.code, first.detail))
    if (wrong := wrong_with(event, now)) is not None:
        return _rejected(raw, FieldError(f"{pointer}/{wrong.field}", "out-of-range", wrong.sentence))
    return event


def _rejected(raw: msgspec.Raw, problem: FieldError) -> EventResult:
    return EventResult(_event_id(raw), "rejected", problem)


def _event_id(raw: msgspec.Raw) -> str | None:
    try:
        return _named.decode(raw).event_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
