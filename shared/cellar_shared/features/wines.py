"""What the encoder knows of a wine: one fixed-width record, made the same way from the catalogue and from a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.features.identity import UNKNOWN, identity

GRAPES_KEPT: Final = 4
PAIRINGS_KEPT: Final = 8

# Changing this record changes what a generation holds: the fingerprint covers it.
WINE: Final = np.dtype(
    [
        ("wine", "<i8"),
        ("type", "<i8"),
        ("country", "<i8"),
        ("region", "<i8"),
        ("producer", "<i8"),
        ("style", "<i8"),
        ("grapes", "<i8", (GRAPES_KEPT,)),
        ("pairings", "<i8", (PAIRINGS_KEPT,)),
        ("abv", "<f4"),
        ("body", "<f4"),
        ("acidity", "<f4"),
        ("log_price", "<f4"),
    ]
)

Wines = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class WineFacts:
    """Facts of one wine as text and numbers; None is unknown."""

    producer: str | None = None
    type: str | None = None
    country: str | None = None
    region: str | None = None
    grapes: Sequence[str] | None = None
    abv: float | None = None
    body: float | None = None
    acidity: float | None = None
    price: float | None = None
    elaborate: str | None = None
    pairings: Sequence[str] | None = None


NO_FACTS: Final = WineFacts()


@cache
def _nothing_known() -> Wines:
    return np.array([wine_record(None, NO_FACTS)], dtype=WINE)


def no_wines(count: int) -> Wines:
    """Records of `count` wines of which nothing is known."""
    return np.full(count, _nothing_known())


def wine_record(wine_id: str | None, facts: WineFacts) -> tuple[object, ...]:
    """The fields of one WINE record; unknown texts are identity 0, unknown numbers NaN."""
    return (
        identity("wine", wine_id),
        identity("type", facts.type),
        identity("country", facts.country),
        identity("region", facts.region),
        identity("producer", facts.producer),
        identity("style", facts.elaborate),
        _first("grape", facts.grapes, GRAPES_KEPT),
        _first("pairing", facts.pairings, PAIRINGS_KEPT),
        np.nan if facts.abv is None else facts.abv,
        np.nan if facts.body is None else facts.body,
        np.nan if facts.acidity is None else facts.acidity,
        np.log(facts.price) if facts.price else np.nan,
    )


def _first(kind: str, names: Sequence[str] | None, kept: int) -> tuple[int, ...]:
    known = dict.fromkeys(identity(kind, name) for name in names or ())  # each name once: sets are compared by them
    known.pop(UNKNOWN, None)
    first = tuple(known)[:kept]
    return (*first, *([UNKNOWN] * (kept - len(first))))
