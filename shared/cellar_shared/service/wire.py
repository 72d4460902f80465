"""What requests and answers of the scoring services have in common on the wire: ids, wines, histories, moments, the model named."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from cellar_shared.events.scales import SCALES

Id = Annotated[str, Meta(min_length=1, max_length=512)]
Text = Annotated[str, Meta(max_length=512)]
Vintage = Annotated[int, Meta(ge=1500, le=2200)] | Literal["NV"] | None
# A whole number, also as 2016.0: that is what a table with missing vintages holds.
VintageAsked = Annotated[float, Meta(ge=1500, le=2200, multiple_of=1)] | Literal["NV"] | None
# Said here, decided with the scale's own sentence where the request is understood.
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

WINES_MOST: Final = 500
HISTORY_MOST: Final = 1000


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


class ModelNamed(msgspec.Struct, frozen=True):
    """Which model answered, out of which slot, on which data."""

    name: str
    version: str
    deployment: str
    generation: str
    trained_through: Moment
