"""One event as it is pushed, by file or over HTTP: its kinds, its checks and what makes two of them the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from cellar_shared.errors import BadInput
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, moment_of
from cellar_shared.events.scales import SCALES, scale_named

Id = Annotated[str, Meta(min_length=1, max_length=512)]
Text = Annotated[str, Meta(max_length=512)]
Vintage = Annotated[int, Meta(ge=1500, le=2200)] | Literal["NV"] | None
Instant = Annotated[datetime, Meta(tz=True)]
Year = Annotated[int, Meta(ge=1700, le=2300)]

CLOCK_SKEW: Final = timedelta(seconds=60)
EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2300, 1, 1, tzinfo=UTC)  # of what may lie ahead; a year later than any window's


class _Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", kw_only=True):
    """What every event has. `event_id` is the sender's: the same id twice is one event."""

    event_id: Id
    member_id: Id
    occurred_at: Instant


class RatingEvent(_Event, frozen=True, tag="rating", kw_only=True):
    """A member rated a wine. `like` is the sender's own rule for a like; left out, the scale's line decides.

    With `time_precision` "date" only the day of `occurred_at` (UTC) counts, from the following midnight on.
    """

    wine_id: Id
    vintage: Vintage = None
    rating: float
    scale: Text | None = None
    like: bool | None = None
    defective: bool = False
    time_precision: Literal["datetime", "date"] = "datetime"


class ImpressionEvent(_Event, frozen=True, tag="impression", kw_only=True):
    """A wine was shown to a member, at a position of an answer."""

    request_id: Id
    position: Annotated[int, Meta(ge=0, le=1000)]
    wine_id: Id
    vintage: Vintage = None
    source: Id
    propensity: Annotated[float, Meta(gt=0, le=1)]
    candidate_hash: Id


class OutcomeEvent(_Event, frozen=True, tag="outcome", kw_only=True):
    """What a member did with a wine, whether or not it had been shown: opened, bought, liked, dismissed, ..."""

    outcome: Annotated[str, Meta(min_length=1, max_length=64)]
    wine_id: Id
    vintage: Vintage = None
    value: float | None = None
    request_id: Id | None = None
    bottle_id: Id | None = None


class BottleEvent(_Event, frozen=True, tag="bottle", kw_only=True):
    """The state of one bottle from `occurred_at` on; of several the newest counts."""

    bottle_id: Id
    wine_id: Id
    vintage: Vintage = None
    size_ml: Annotated[int, Meta(ge=50, le=30_000)] | None = None
    state: Literal["pending", "stored", "consumed"]
    acquired_at: date | None = None
    storage_id: Id | None = None
    location: Text | None = None
    bin: Text | None = None
    consumed_at: date | None = None
    consumed_how: Literal["drunk", "gifted", "sold", "donated", "lost", "faulty", "other"] | None = None
    window_from: Year | None = None
    window_to: Year | None = None
    window_source: Literal["personal", "community", "critic"] | None = None


class PreferenceEvent(_Event, frozen=True, tag="preference", kw_only=True):
    """A member's own rule: hide a wine, a producer or a region, or show it again (`is_set` false); the newest counts."""

    preference: Literal["hide_wine", "hide_producer", "hide_region"]
    value: Id
    is_set: bool = True


Event = RatingEvent | ImpressionEvent | OutcomeEvent | BottleEvent | PreferenceEvent

_decoder: Final = msgspec.json.Decoder(Event)
_encoder: Final = msgspec.json.Encoder(order="deterministic")


def decode_event(content: bytes | msgspec.Raw) -> Event:
    """The event in a JSON text; msgspec.ValidationError or msgspec.DecodeError say why it is none."""
    event: Event = _decoder.decode(content)
    return event


def encode_event(event: Event) -> bytes:
    """The event as JSON, the same bytes for the same event: what the journal keeps."""
    return _encoder.encode(event)


def content_digest(event: Event) -> bytes:
    """Sixteen bytes that two events share exactly when they say the same, however they were written down."""
    occurred_at = event.occurred_at.astimezone(UTC)
    return blake2b(_encoder.encode(msgspec.structs.replace(event, occurred_at=occurred_at)), digest_size=16).digest()


def with_scale(event: Event, catalogue_scale: str) -> Event:
    """The event with its scale named: a rating without one is on the catalogue's."""
    if isinstance(event, RatingEvent) and event.scale is None:
        return msgspec.structs.replace(event, scale=catalogue_scale)
    return event


class Wrong(NamedTuple):
    """What is wrong with an event beyond its form: in which field, and a sentence."""

    field: str
    sentence: str


def wrong_with(event: Event, now: datetime) -> Wrong | None:
    """What is wrong with an event beyond its form; None when it can be taken. `now` is aware."""
    if event.occurred_at > now + CLOCK_SKEW:
        return Wrong("occurred_at", f"occurred_at {event.occurred_at.isoformat()} lies in the future; send what has happened")
    for name, day in _days(event):
        if not EARLIEST.date() <= day < LATEST.date():
            sentence = f"{name} {day.isoformat()} lies outside the years {EARLIEST.year} to {LATEST.year - 1}; send when it happened"
            return Wrong(name, sentence)
    if isinstance(event, RatingEvent):
        try:
            scale = scale_named(event.scale or "")
        except BadInput:
            return Wrong("scale", f"scale {(event.scale or '')[:40]!r} is not known; use one of {', '.join(SCALES)}")
        if not scale.holds(event.rating):
            sentence = f"rating {event.rating:g} is not on scale {scale.name}; it goes from {scale.lowest:g} to {scale.highest:g}"
            return Wrong("rating", sentence)
    return None


def _days(event: Event) -> Iterator[tuple[str, date]]:
    """The days that the event names, by field."""
    yield "occurred_at", event.occurred_at.date()
    if isinstance(event, BottleEvent):
        if event.acquired_at is not None:
            yield "acquired_at", event.acquired_at
        if event.consumed_at is not None:
            yield "consumed_at", event.consumed_at


def effective_moment(event: RatingEvent) -> int:
    """From just after which microsecond on the rating is known to questions."""
    moment = moment_of(event.occurred_at)
    return moment - moment % MICROSECONDS_PER_DAY + MICROSECONDS_PER_DAY - 1 if event.time_precision == "date" else moment


def is_like(event: RatingEvent) -> bool:
    """The sender's own rule, else the scale's line."""
    return event.rating >= scale_named(event.scale or "").liked_from if event.like is None else event.like


def vintage_number(vintage: int | str | None) -> int | None:
    """The vintage as tables have it: 0 for non-vintage, null for unknown."""
    return 0 if vintage == "NV" else None if vintage is None else int(vintage)
