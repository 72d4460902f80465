"""The preference contract: what a request and its answer look like on the wire; the schema in /docs is made from it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cellar_shared.events.scales import SCALES

Id = Annotated[str, Meta(min_length=1, max_length=512)]
Text = Annotated[str, Meta(max_length=512)]
Vintage = Annotated[int, Meta(ge=1500, le=2200)] | Literal["NV"] | None
# A whole number, also as 2016.0: that is what a table with missing vintages holds.
VintageAsked = Annotated[float, Meta(ge=1500, le=2200, multiple_of=1)] | Literal["NV"] | None
# Said here, decided with the scale's own sentence in `questions`.
ScaleName = Annotated[str, Meta(extra_json_schema={"enum": sorted(SCALES)})]
Rating = Annotated[
    float,
    Meta(
        extra_json_schema={
            "minimum": min(scale.lowest for scale in SCALES.values()),
            "maximum": max(scale.highest for scale in SCALES.values()),
        }
    ),
]
Instant = Annotated[datetime, Meta(tz=True)]
# Written by ourselves, so never parsed; the schema says what it is.
Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]

WINES_MOST = 500
HISTORY_MOST = 1000


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Facts of a wine that the catalogue may lack; whatever is left out is unknown."""

    producer: Text | None = None
    type: Text | None = None
    grapes: Annotated[list[Text], Meta(max_length=32)] | None = None
    country: Text | None = None
    region: Text | None = None
    price: Annotated[float, Meta(ge=0, le=10_000_000)] | None = None
    abv: Annotated[float, Meta(ge=0, le=80)] | None = None


class HistoryRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One wine that the member rated; `rating` is on the request's scale."""

    wine_id: Id
    rating: Rating
    vintage: VintageAsked = None
    rated_at: Instant | None = None
    about: About | None = None


class WineAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One wine that is asked about."""

    wine_id: Id
    vintage: VintageAsked = None
    about: About | None = None


class PreferenceRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Will this member like these wines? Give `member_id` or `history`, exactly one of the two."""

    wines: Annotated[list[WineAsked], Meta(min_length=1, max_length=WINES_MOST)]
    member_id: Id | None = None
    history: Annotated[list[HistoryRow], Meta(max_length=HISTORY_MOST)] | None = None
    scale: ScaleName | None = None
    as_of: Instant | None = None
    explain: bool = False


# What the types cannot say: null counts as left out, and an empty history as given.
REQUEST_RULES = {
    "oneOf": [
        {"required": ["member_id"], "properties": {"member_id": {"type": "string"}}},
        {"required": ["history"], "properties": {"history": {"type": "array"}}},
    ]
}


class ModelNamed(msgspec.Struct, frozen=True):
    """Which model answered, out of which slot, on which data."""

    name: str
    version: str
    deployment: str
    generation: str
    trained_through: Moment


class Interval(msgspec.Struct, frozen=True):
    """Bounds of this member's own chance for this wine, at `level`."""

    low: float
    high: float
    level: float


class Similar(msgspec.Struct, frozen=True):
    """How often answers like this one came true."""

    band: str
    answers: int
    liked: int
    measured_on: Literal["holdout", "live"]


class Evidence(msgspec.Struct, frozen=True):
    """What the answer stands on: the member's tastings that counted and the ratings of the wine."""

    own_tastings: int
    wine_ratings: int
    similar: Similar | None


class Reason(msgspec.Struct, frozen=True):
    """One reason behind a percentage."""

    code: str
    effect: float
    params: dict[str, str | float]
    text: str


Basis = Literal["catalogue", "about", "prior"]
Degradation = Literal["store_unavailable", "features_stale", "history_truncated"]
Verdict = Literal["likely", "unlikely", "toss_up", "not_enough_evidence"]


class WineAnswer(msgspec.Struct, frozen=True):
    """The answer for one wine, in the order asked; `probability` is always a number from 0 to 1."""

    index: int
    wine_id: str
    vintage: Vintage
    basis: Basis
    probability: float
    interval: Interval | None
    verdict: Verdict
    evidence: Evidence
    reasons: list[Reason]


class PreferenceAnswer(msgspec.Struct, frozen=True):
    """The answer to a PreferenceRequest."""

    request_id: str
    model: ModelNamed
    as_of: Moment
    features_as_of: Moment
    history_ignored: int
    degraded: list[Degradation]
    results: list[WineAnswer]


EXAMPLE = PreferenceRequest(
    wines=[WineAsked("w1"), WineAsked("unheard-of", 2019, About(type="Red", country="Italy", grapes=["Nebbiolo"]))],
    history=[HistoryRow("w2", 4.5, 2016), HistoryRow("w3", 2.5, "NV")],
    scale="1-5",
)
