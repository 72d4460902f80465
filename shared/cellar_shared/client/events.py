"""A client of cellar events, contract 1; made by `cellar api` from its OpenAPI document: change that instead."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

import msgspec

from .transport import Client, in_path


class EventsRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What members did, in any order. Each event is judged on its own; sending the same ones again changes nothing."""

    events: list[RatingEvent | ImpressionEvent | OutcomeEvent | BottleEvent | PreferenceEvent]  # 1 to 500 items


class RatingEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="rating"):
    """A member rated a wine. `like` is the sender's own rule for a like; left out, the scale's line decides. With `time_precision`
    "date" only the day of `occurred_at` (UTC) counts, from the following midnight on.
    """

    event_id: str  # 1 to 512 characters
    member_id: str  # 1 to 512 characters
    occurred_at: datetime
    wine_id: str  # 1 to 512 characters
    vintage: int | Literal["NV"] | None = None  # 1500 to 2200
    rating: float
    scale: str | None = None  # at most 512 characters
    like: bool | None = None
    defective: bool = False
    time_precision: Literal["date", "datetime"] = "datetime"


class ImpressionEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="impression"):
    """A wine was shown to a member, at a position of an answer."""

    event_id: str  # 1 to 512 characters
    member_id: str  # 1 to 512 characters
    occurred_at: datetime
    request_id: str  # 1 to 512 characters
    position: int  # 0 to 1000
    wine_id: str  # 1 to 512 characters
    vintage: int | Literal["NV"] | None = None  # 1500 to 2200
    source: str  # 1 to 512 characters
    propensity: float  # at most 1
    candidate_hash: str  # 1 to 512 characters


class OutcomeEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="outcome"):
    """What a member did with a wine, whether or not it had been shown: opened, bought, liked, dismissed, ..."""

    event_id: str  # 1 to 512 characters
    member_id: str  # 1 to 512 characters
    occurred_at: datetime
    outcome: str  # 1 to 64 characters
    wine_id: str  # 1 to 512 characters
    vintage: int | Literal["NV"] | None = None  # 1500 to 2200
    value: float | None = None
    request_id: str | None = None  # 1 to 512 characters
    bottle_id: str | None = None  # 1 to 512 characters


class BottleEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="bottle"):
    """The state of one bottle from `occurred_at` on; of several the newest counts."""

    event_id: str  # 1 to 512 characters
    member_id: str  # 1 to 512 characters
    occurred_at: datetime
    bottle_id: str  # 1 to 512 characters
    wine_id: str  # 1 to 512 characters
    vintage: int | Literal["NV"] | None = None  # 1500 to 2200
    size_ml: int | None = None  # 50 to 30000
    state: Literal["consumed", "pending", "stored"]
    acquired_at: date | None = None
    storage_id: str | None = None  # 1 to 512 characters
    location: str | None = None  # at most 512 characters
    bin: str | None = None  # at most 512 characters
    consumed_at: date | None = None
    consumed_how: Literal["donated", "drunk", "faulty", "gifted", "lost", "other", "sold"] | None = None
    window_from: int | None = None  # 1700 to 2300
    window_to: int | None = None  # 1700 to 2300
    window_source: Literal["community", "critic", "personal"] | None = None


class PreferenceEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="preference"):
    """A member's own rule: hide a wine, a producer or a region, or show it again (`is_set` false); the newest counts."""

    event_id: str  # 1 to 512 characters
    member_id: str  # 1 to 512 characters
    occurred_at: datetime
    preference: Literal["hide_producer", "hide_region", "hide_wine"]
    value: str  # 1 to 512 characters
    is_set: bool = True


FieldErrorCode = Literal[
    "as-of-in-future",
    "as-of-too-early",
    "bad-key",
    "deadline",
    "invalid-json",
    "member-ambiguous",
    "not-json",
    "not-ready",
    "out-of-range",
    "overloaded",
    "too-large",
    "unknown-field",
    "wrong-type",
]


class FieldError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong at one place of the body."""

    pointer: str  # JSON Pointer (RFC 6901); of a missing field: where it belongs
    code: FieldErrorCode
    detail: str


class EventsAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to an EventsRequest."""

    results: list[EventResult]


class EventResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one event, in the order sent. accepted: durable from now on. duplicate: it had been accepted before. conflict:
    another event was accepted under this id, and it stays. rejected: `problem` says why and where in the request; nothing was kept.
    """

    event_id: str | None  # null where a rejected event has none that can be read
    status: Literal["accepted", "conflict", "duplicate", "rejected"]
    problem: FieldError | None


class Live(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The process answers."""

    live: bool = True


class Ready(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The service may be asked to score; while it may not, the answer is a not-ready problem."""

    ready: bool = True


class ServerMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What runs here; `version` is that of cellar's shared frame."""

    name: str
    version: str
    extensions: list[str] = msgspec.field(default_factory=list)


class ModelMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is served; `properties` is free (bundle, generation, dates)."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    properties: dict[str, Any] = msgspec.field(default_factory=dict)


class TensorMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One input or output; -1 in `shape` is a free axis."""

    name: str
    datatype: str
    shape: list[int]


class ModelReady(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The named model may be asked to score."""

    name: str
    ready: bool = True


class EventsClient(Client):
    """Calls cellar events."""

    def events(self, request: EventsRequest, *, timeout_s: float | None = None, request_id: str | None = None) -> EventsAnswer:
        """Ask events.

        Raises ProblemError (400 invalid-json; 401 bad-key; 413 too-large; 415 not-json; 422 unknown-field, wrong-type, out-of-range,
        member-ambiguous, as-of-in-future, as-of-too-early; 429 overloaded; 503 not-ready; 504 deadline), Unreachable, TimedOut,
        BadAnswer.
        """
        return self.call("POST", "/events", EventsAnswer, request, is_idempotent=True, timeout_s=timeout_s, request_id=request_id)

    def live(self, *, timeout_s: float | None = None, request_id: str | None = None) -> Live:
        """Is the process alive?"""
        return self.call("GET", "/v2/health/live", Live, is_idempotent=True, timeout_s=timeout_s, request_id=request_id)

    def ready(self, *, timeout_s: float | None = None, request_id: str | None = None) -> Ready:
        """May it be asked to score?

        Raises ProblemError (503 not-ready), Unreachable, TimedOut, BadAnswer.
        """
        return self.call("GET", "/v2/health/ready", Ready, is_idempotent=True, timeout_s=timeout_s, request_id=request_id)

    def server(self, *, timeout_s: float | None = None, request_id: str | None = None) -> ServerMetadata:
        """What runs here.

        Raises ProblemError (401 bad-key; 429 overloaded), Unreachable, TimedOut, BadAnswer.
        """
        return self.call("GET", "/v2", ServerMetadata, is_idempotent=True, timeout_s=timeout_s, request_id=request_id)

    def model(self, name: str, *, timeout_s: float | None = None, request_id: str | None = None) -> ModelMetadata:
        """Which model is served.

        Raises ProblemError (401 bad-key; 429 overloaded; 503 not-ready), Unreachable, TimedOut, BadAnswer.
        """
        return self.call(
            "GET", f"/v2/models/{in_path(name)}", ModelMetadata, is_idempotent=True, timeout_s=timeout_s, request_id=request_id
        )

    def model_ready(self, name: str, *, timeout_s: float | None = None, request_id: str | None = None) -> ModelReady:
        """Is the model ready?

        Raises ProblemError (401 bad-key; 429 overloaded; 503 not-ready), Unreachable, TimedOut, BadAnswer.
        """
        return self.call(
            "GET", f"/v2/models/{in_path(name)}/ready", ModelReady, is_idempotent=True, timeout_s=timeout_s, request_id=request_id
        )
