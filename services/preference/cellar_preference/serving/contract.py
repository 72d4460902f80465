"""The preference contract: what a request and its answer look like on the wire; the schema in /docs is made from it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cellar_shared.service.asking import Basis
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
    Vintage,
    VintageAsked,
)


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
