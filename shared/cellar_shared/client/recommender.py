"""A client of cellar recommender, contract 1; made by `cellar api` from its OpenAPI document: change that instead."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

import msgspec

from .transport import Client, in_path


class RecommenderRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to buy, open, give or buy again? Give `member_id`, `history` or `members`, exactly one of the three. `cellar` is for whoever
    has none stored: not beside `member_id`. With `candidates` only these are ranked; filters, wishes and the intent hold for them as
    for any.
    """

    member_id: str | None = None  # 1 to 512 characters
    history: list[HistoryRow] | None = None  # at most 1000 items
    members: list[MemberAsked] | None = None  # 2 to 8 items
    intent: Literal["buy", "gift", "open", "restock"] = "buy"
    cellar: list[BottleGiven] | None = None  # at most 10000 items
    limit: int = 20  # 1 to 100
    filters: Filters | None = None
    candidates: list[WineNamed] | None = None  # 1 to 500 items
    exclude: list[str | WineNamed] | None = None  # at most 500 items
    diversity: float = 0.0  # 0 to 1
    explore: float = 0.0  # 0 to 1
    seed: int | None = None  # 0 to 9007199254740991
    explain: bool = False
    as_of: datetime | None = None
    scale: Literal["0-100", "1-5"] | None = None


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One wine that the member rated; `rating` is on the request's scale."""

    wine_id: str  # 1 to 512 characters
    rating: float  # 0.0 to 100.0
    vintage: int | Literal["NV"] | None = None  # 1500 to 2200
    rated_at: datetime | None = None
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


class MemberAsked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of several members: `member_id` or `history`, exactly one of the two."""

    member_id: str | None = None  # 1 to 512 characters
    history: list[HistoryRow] | None = None  # at most 1000 items


class BottleGiven(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A bottle of somebody whose cellar is not stored: as table bottles has it, or with the dates that a night computed. Dates count
    before years. A first day that is left out has come, a last day that is left out never comes.
    """

    bottle_id: str  # 1 to 512 characters
    wine_id: str  # 1 to 512 characters
    vintage: int | Literal["NV"] | None = None  # 1500 to 2200
    size_ml: int | None = None  # 50 to 30000
    state: Literal["consumed", "pending", "stored"] = "stored"
    location: str | None = None  # at most 512 characters
    bin: str | None = None  # at most 512 characters
    window_from: int | None = None  # 1700 to 2300
    window_to: int | None = None  # 1700 to 2300
    ready_from: date | None = None
    peak_from: date | None = None
    peak_to: date | None = None
    drink_by: date | None = None
    about: About | None = None


class Filters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is asked for, all of it at once; of several names any. A wine of which a fact is unknown does not pass a filter on it. The
    first seven are about the wine, the others about a bottle of the member's: one and the same bottle passes them all. in_stock: true
    only wines of which a bottle is there, false only wines of which none is. in_window: true only bottles known to be within their
    window, false bottles whatever their window; left out, what the intent asks.
    """

    type: str | list[str] | None = None  # 1 to 512 characters; 1 to 32 items
    country: str | list[str] | None = None  # 1 to 512 characters; 1 to 32 items
    region: str | list[str] | None = None  # 1 to 512 characters; 1 to 32 items
    grape: str | list[str] | None = None  # 1 to 512 characters; 1 to 32 items
    producer: str | list[str] | None = None  # 1 to 512 characters; 1 to 32 items
    price_min: float | None = None  # 0 to 10000000
    price_max: float | None = None  # 0 to 10000000
    in_stock: bool | None = None
    in_window: bool | None = None
    size_ml: int | list[int] | None = None  # 50 to 30000; 1 to 32 items
    location: str | list[str] | None = None  # 1 to 512 characters; 1 to 32 items


class WineNamed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A wine, or one vintage of it. Left out, the vintage is any."""

    wine_id: str  # 1 to 512 characters
    vintage: int | Literal["NV"] | None = None  # 1500 to 2200


RecommenderAnswerDegraded = Literal[
    "features_stale",
    "history_truncated",
    "popular_order",
    "precomputed_order",
    "store_unavailable",
]


class RecommenderAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a RecommenderRequest. `matched` counts the wines that could have been shown; `shortfall` says why there are fewer
    items than asked for.
    """

    request_id: str
    model: ModelNamed
    as_of: datetime
    features_as_of: datetime
    precomputed_at: datetime | None
    degraded: list[RecommenderAnswerDegraded]
    seed: int | None
    rules_version: str | None
    sources: dict[str, SourceTold]
    matched: int
    shortfall: Literal["cellar", "filters"] | None
    items: list[Item]


class ModelNamed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which model answered, out of which slot, on which data."""

    name: str
    version: str
    deployment: str
    generation: str
    trained_through: datetime


class SourceTold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one source of candidates gave. The `proposed` of all sources are the wines that were ranked, the `returned` the items."""

    quota: int
    proposed: int
    returned: int


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One wine of the answer; positions count from 1, `score` orders this one answer. `propensity` is the chance with which the wine
    came to this place: 1, but for the one that exploration drew. `probability` is the preference artefact's, of several members the
    mean; null where the bundle was trained without one. `bottles` are the first 100 of those that may be offered, what must be drunk
    soonest first.
    """

    position: int
    wine_id: str
    vintage: int | Literal["NV"] | None  # 1500 to 2200
    score: float
    probability: float | None
    source: str
    propensity: float
    members: list[MemberChance]
    bottles: list[BottleTold]
    reasons: list[RecommendationReason]


class MemberChance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The chance that one of several members likes the wine; `index` counts the request's members from 0."""

    index: int
    probability: float


class BottleTold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A bottle of the wine that the member has; the phase is that of the day asked about."""

    bottle_id: str
    location: str | None
    bin: str | None
    size_ml: int | None
    phase: Literal["early", "hold", "late", "past", "peak"] | None
    drink_by: date | None


class RecommendationReason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reason why the wine stands where it stands."""

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


class RecommenderClient(Client):
    """Calls cellar recommender."""

    def score(self, request: RecommenderRequest, *, timeout_s: float | None = None, request_id: str | None = None) -> RecommenderAnswer:
        """Ask recommender.

        Raises ProblemError (400 invalid-json; 401 bad-key; 413 too-large; 415 not-json; 422 unknown-field, wrong-type, out-of-range,
        member-ambiguous, as-of-in-future, as-of-too-early; 429 overloaded; 503 not-ready; 504 deadline), Unreachable, TimedOut,
        BadAnswer.
        """
        return self.call("POST", "/score", RecommenderAnswer, request, is_idempotent=True, timeout_s=timeout_s, request_id=request_id)

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
