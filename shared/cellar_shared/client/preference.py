"""A client of cellar preference, contract 1; made by `cellar api` from its OpenAPI document: change that instead."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from .transport import Client, in_path


class PreferenceRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Will this member like these wines? Give `member_id` or `history`, exactly one of the two."""

    wines: list[WineAsked]  # 1 to 500 items
    member_id: str | None = None  # 1 to 512 characters
    history: list[HistoryRow] | None = None  # at most 1000 items
    scale: Literal["0-100", "1-5"] | None = None
    as_of: datetime | None = None
    explain: bool = False


class WineAsked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One wine that is asked about."""

    wine_id: str  # 1 to 512 characters
    vintage: int | Literal["NV"] | None = None  # 1500 to 2200
    about: About | None = None


class About(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Facts of a wine that the catalogue may lack; whatever is left out is unknown."""

    producer: str | None = None  # at most 512 characters
    type: str | None = None  # at most 512 characters
    grapes: list[str] | None = None  # at most 32 items
    country: str | None = None  # at most 512 characters
    region: str | None = None  # at most 512 characters
    price: float | None = None  # 0 to 10000000
    abv: float | None = None  # 0 to 80


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One wine that the member rated; `rating` is on the request's scale."""

    wine_id: str  # 1 to 512 characters
    rating: float  # 0.0 to 100.0
    vintage: int | Literal["NV"] | None = None  # 1500 to 2200
    rated_at: datetime | None = None
    about: About | None = None


class PreferenceAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a PreferenceRequest."""

    request_id: str
    model: ModelNamed
    as_of: datetime
    features_as_of: datetime
    history_ignored: int
    degraded: list[Literal["features_stale", "history_truncated", "store_unavailable"]]
    results: list[WineAnswer]


class ModelNamed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which model answered, out of which slot, on which data."""

    name: str
    version: str
    deployment: str
    generation: str
    trained_through: datetime


class WineAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer for one wine, in the order asked; `probability` is always a number from 0 to 1."""

    index: int
    wine_id: str
    vintage: int | Literal["NV"] | None  # 1500 to 2200
    basis: Literal["about", "catalogue", "prior"]
    probability: float
    interval: Interval | None
    verdict: Literal["likely", "not_enough_evidence", "toss_up", "unlikely"]
    evidence: Evidence
    reasons: list[Reason]


class Interval(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Bounds of this member's own chance for this wine, at `level`."""

    low: float
    high: float
    level: float


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the answer stands on: the member's tastings that counted and the ratings of the wine."""

    own_tastings: int
    wine_ratings: int
    similar: Similar | None


class Similar(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How often answers like this one came true."""

    band: str
    answers: int
    liked: int
    measured_on: Literal["holdout", "live"]


class Reason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reason behind a percentage."""

    code: str
    effect: float
    params: dict[str, str | float]
    text: str


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


class PreferenceClient(Client):
    """Calls cellar preference."""

    def score(self, request: PreferenceRequest, *, timeout_s: float | None = None, request_id: str | None = None) -> PreferenceAnswer:
        """Ask preference.

        Raises ProblemError (400 invalid-json; 401 bad-key; 413 too-large; 415 not-json; 422 unknown-field, wrong-type, out-of-range,
        member-ambiguous, as-of-in-future, as-of-too-early; 429 overloaded; 503 not-ready; 504 deadline), Unreachable, TimedOut,
        BadAnswer.
        """
        return self.call("POST", "/score", PreferenceAnswer, request, is_idempotent=True, timeout_s=timeout_s, request_id=request_id)

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
