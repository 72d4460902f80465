"""The recommender's contract: what a request and its answer look like on the wire; the schema in /docs is made from it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from cellar_shared.service.wire import (
    HISTORY_MOST,
    WINES_MOST,
    About,
    HistoryRow,
    Id,
    Instant,
    ModelNamed,
    Moment,
    ScaleName,
    Text,
    Vintage,
    VintageAsked,
)

Intent = Literal["buy", "open", "gift", "restock"]
Share = Annotated[float, Meta(ge=0, le=1)]
Price = Annotated[float, Meta(ge=0, le=10_000_000)]
# Whole numbers, also where a writer of JSON gives them a point: 750.0 is an integer to JSON Schema.
SizeMl = Annotated[float, Meta(ge=50, le=30_000, multiple_of=1)]
Year = Annotated[float, Meta(ge=1700, le=2300, multiple_of=1)]
Name = Annotated[str, Meta(min_length=1, max_length=512)]
# One, or any of several.
Names = Name | Annotated[list[Name], Meta(min_length=1, max_length=32)] | None
Sizes = SizeMl | Annotated[list[SizeMl], Meta(min_length=1, max_length=32)] | None

LIMIT_MOST: Final = 100
MEMBERS_MOST: Final = 8
BOTTLES_MOST: Final = 10_000  # the body's own limit, 1 MiB, is nearer
SEED_MOST: Final = 2**53 - 1  # what every reader of JSON keeps exactly
Seed = Annotated[float, Meta(ge=0, le=SEED_MOST, multiple_of=1)]
Limit = Annotated[float, Meta(ge=1, le=LIMIT_MOST, multiple_of=1)]


class WineNamed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wine, or one vintage of it. Left out, the vintage is any."""

    wine_id: Id
    vintage: VintageAsked = None


class MemberAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of several members: `member_id` or `history`, exactly one of the two."""

    member_id: Id | None = None
    history: Annotated[list[HistoryRow], Meta(max_length=HISTORY_MOST)] | None = None


class BottleGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bottle of somebody whose cellar is not stored: as table bottles has it, or with the dates that a night computed.

    Dates count before years. A first day that is left out has come, a last day that is left out never comes.
    """

    bottle_id: Id
    wine_id: Id
    vintage: VintageAsked = None
    size_ml: SizeMl | None = None
    state: Literal["pending", "stored", "consumed"] = "stored"
    location: Text | None = None
    bin: Text | None = None
    window_from: Year | None = None
    window_to: Year | None = None
    ready_from: date | None = None
    peak_from: date | None = None
    peak_to: date | None = None
    drink_by: date | None = None
    about: About | None = None


class Filters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for, all of it at once; of several names any. A wine of which a fact is unknown does not pass a filter on it.

    The first seven are about the wine, the others about a bottle of the member's: one and the same bottle passes them all.
    in_stock: true only wines of which a bottle is there, false only wines of which none is. in_window: true only bottles known to be
    within their window, false bottles whatever their window; left out, what the intent asks.
    """

    type: Names = None
    country: Names = None
    region: Names = None
    grape: Names = None
    producer: Names = None
    price_min: Price | None = None
    price_max: Price | None = None
    in_stock: bool | None = None
    in_window: bool | None = None
    size_ml: Sizes = None
    location: Names = None


class RecommenderRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to buy, open, give or buy again? Give `member_id`, `history` or `members`, exactly one of the three.

    `cellar` is for whoever has none stored: not beside `member_id`. With `candidates` only these are ranked; filters, wishes and the
    intent hold for them as for any.
    """

    member_id: Id | None = None
    history: Annotated[list[HistoryRow], Meta(max_length=HISTORY_MOST)] | None = None
    members: Annotated[list[MemberAsked], Meta(min_length=2, max_length=MEMBERS_MOST)] | None = None
    intent: Intent = "buy"
    cellar: Annotated[list[BottleGiven], Meta(max_length=BOTTLES_MOST)] | None = None
    limit: Limit = 20
    filters: Filters | None = None
    candidates: Annotated[list[WineNamed], Meta(min_length=1, max_length=WINES_MOST)] | None = None
    exclude: Annotated[list[Id | WineNamed], Meta(max_length=WINES_MOST)] | None = None
    diversity: Share = 0.0
    explore: Share = 0.0
    seed: Seed | None = None
    explain: bool = False
    as_of: Instant | None = None
    scale: ScaleName | None = None


_HISTORY = {"required": ["history"], "properties": {"history": {"type": "array"}}}
_MEMBER = {"required": ["member_id"], "properties": {"member_id": {"type": "string"}}}
_MEMBERS = {"required": ["members"], "properties": {"members": {"type": "array"}}}

# What the types cannot say: null counts as left out, and an empty history as given.
REQUEST_RULES = {
    "oneOf": [_MEMBER, _HISTORY, _MEMBERS],
    "allOf": [{"properties": {"members": {"items": {"oneOf": [_MEMBER, _HISTORY]}}}}],
    "not": {"required": ["member_id", "cellar"], "properties": {"member_id": {"type": "string"}, "cellar": {"type": "array"}}},
}


class SourceTold(msgspec.Struct, frozen=True):
    """What one source of candidates gave. The `proposed` of all sources are the wines that were ranked, the `returned` the items."""

    quota: int
    proposed: int
    returned: int


class MemberChance(msgspec.Struct, frozen=True):
    """The chance that one of several members likes the wine; `index` counts the request's members from 0."""

    index: int
    probability: float


class BottleTold(msgspec.Struct, frozen=True):
    """A bottle of the wine that the member has; the phase is that of the day asked about."""

    bottle_id: str
    location: str | None
    bin: str | None
    size_ml: int | None
    phase: Literal["hold", "early", "peak", "late", "past"] | None
    drink_by: Annotated[str, Meta(extra_json_schema={"format": "date"})] | None


class RecommendationReason(msgspec.Struct, frozen=True):
    """One reason why the wine stands where it stands."""

    code: str
    effect: float
    params: dict[str, str | float]
    text: str


BOTTLES_TOLD_MOST: Final = 100  # of one item; somebody with a thousand of a wine knows where they are


class Item(msgspec.Struct, frozen=True):
    """One wine of the answer; positions count from 1, `score` orders this one answer.

    `propensity` is the chance with which the wine came to this place: 1, but for the one that exploration drew. `probability` is the
    preference artefact's, of several members the mean; null where the bundle was trained without one.
    `bottles` are the first 100 of those that may be offered, what must be drunk soonest first.
    """

    position: int
    wine_id: str
    vintage: Vintage
    score: float
    probability: float | None
    source: str
    propensity: float
    members: list[MemberChance]
    bottles: list[BottleTold]
    reasons: list[RecommendationReason]


Degradation = Literal["store_unavailable", "features_stale", "history_truncated", "precomputed_order", "popular_order"]
Shortfall = Literal["filters", "cellar"]


class RecommenderAnswer(msgspec.Struct, frozen=True):
    """The answer to a RecommenderRequest.

    `matched` counts the wines that could have been shown; `shortfall` says why there are fewer items than asked for.
    """

    request_id: str
    model: ModelNamed
    as_of: Moment
    features_as_of: Moment
    precomputed_at: Moment | None
    degraded: list[Degradation]
    seed: int | None
    rules_version: str | None
    sources: dict[str, SourceTold]
    matched: int
    shortfall: Shortfall | None
    items: list[Item]


EXAMPLE = RecommenderRequest(
    history=[HistoryRow("w2", 4.5, 2016), HistoryRow("w3", 2.5, "NV")],
    scale="1-5",
    intent="buy",
    limit=3,
    filters=Filters(type="Red", price_max=40.0),
    diversity=0.3,
)
