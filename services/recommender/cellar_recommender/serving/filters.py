"""Which wines pass what was asked for, what a member hid and what the request leaves out; before any source proposes, never after a cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from cellar_recommender.serving.bottles import Bottles, within_window
from cellar_recommender.serving.columns import NAMED, Identities, Mask, Vintages, WineColumns, fit_among, identities_of
from cellar_recommender.serving.contract import Filters, Intent, WineNamed
from cellar_shared.features.histories import NON_VINTAGE, UNKNOWN_VINTAGE
from cellar_shared.features.identity import identity

NO_FILTERS: Final = Filters()


@dataclass(frozen=True, slots=True)
class Hidden:
    """What a member does not want to be shown: identities of wines, producers and regions, each (things,) int64."""

    wines: Identities
    producers: Identities
    regions: Identities

    @classmethod
    def of(cls, wines: Sequence[str] = (), producers: Sequence[str] = (), regions: Sequence[str] = ()) -> Self:
        """What was hidden by name; a region's parts go with it."""
        return cls(identities_of("wine", wines), identities_of("producer", producers), identities_of("region", regions))


@dataclass(frozen=True, slots=True)
class Excluded:
    """Wines that a request leaves out: `wines` (excluded,) int64 identities, `vintages` (excluded,) int64."""

    wines: Identities
    vintages: Vintages

    @classmethod
    def of(cls, named: Sequence[str | WineNamed] | None) -> Self:
        """What the request names; a wine without a vintage is left out whole."""
        wines = [WineNamed(wine) if isinstance(wine, str) else wine for wine in named or ()]
        return cls(
            np.array([identity("wine", wine.wine_id) for wine in wines], dtype=np.int64),
            np.array([_vintage(wine.vintage) for wine in wines], dtype=np.int64),
        )


def passing_wines(columns: WineColumns, filters: Filters) -> Mask:
    """Which wines pass the filters on wines. (wines,). What is unknown of a wine passes no filter on it."""
    passing = np.ones(len(columns), dtype=bool)
    for kind in NAMED:
        if (asked := getattr(filters, kind)) is not None:
            passing &= columns.named[kind].among(identities_of(kind, _texts(asked)))
    # Compared as prices are kept, so that a wine that costs exactly the bound passes; NaN passes neither.
    with np.errstate(divide="ignore"):
        if filters.price_min is not None:
            passing &= columns.log_prices >= np.float32(np.log(filters.price_min))
        if filters.price_max is not None:
            passing &= columns.log_prices <= np.float32(np.log(filters.price_max))
    return passing


def passing_bottles(bottles: Bottles, filters: Filters, excluded: Excluded, intent: Intent, day: int) -> Mask:
    """Which bottles may be offered on `day` (days since 1970): there, within what the intent asks of a window, and all filters. (bottles,).

    Without a word on windows, `open` leaves out what is known to lie before ready_from or after drink_by, and `gift` what is known
    to be past: a gift may wait. Where nothing is known of a window, nothing speaks against the bottle.
    """
    cellar = bottles.cellar
    passing = bottles.is_there.copy()
    is_within, has_window = within_window(cellar, day)
    if filters.in_window:
        passing &= is_within
    elif filters.in_window is None and intent == "open":
        passing &= is_within | ~has_window
    elif filters.in_window is None and intent == "gift":
        passing &= (day <= cellar.dates[-1]) | ~has_window
    if filters.size_ml is not None:
        passing &= np.isin(cellar.sizes_ml, filters.size_ml)
    if filters.location is not None:
        asked = {text.strip().casefold() for text in _texts(filters.location)}
        passing &= np.array([where is not None and where.strip().casefold() in asked for where in cellar.locations], dtype=bool)
    return passing & ~_are_excluded(bottles, excluded)


def asks_for_bottles(filters: Filters) -> bool:
    """Does a filter ask for a bottle of the member's?"""
    return bool(filters.in_stock or filters.in_window or filters.size_ml is not None or filters.location is not None)


def hidden_wines(columns: WineColumns, hidden: Hidden) -> Mask:
    """Which wines a member hid. (wines,)."""
    found = np.zeros(len(columns), dtype=bool) if not len(hidden.wines) else columns.holding(hidden.wines)
    if len(hidden.producers):
        found |= columns.named["producer"].among(hidden.producers)
    if len(hidden.regions):
        found |= columns.named["region"].among(hidden.regions)
    return found


def excluded_wines(columns: WineColumns, excluded: Excluded) -> Mask:
    """Which wines the request leaves out. (wines,). A wine that is offered without a vintage might be the one left out, so it is."""
    return columns.holding(excluded.wines, excluded.vintages)


def _are_excluded(bottles: Bottles, excluded: Excluded) -> Mask:
    """Which bottles hold a wine and vintage that is left out; one of unknown vintage might. (bottles,)."""
    return fit_among(bottles.wines, bottles.vintages, excluded.wines, excluded.vintages)


def _texts(asked: str | list[str]) -> list[str]:
    return [asked] if isinstance(asked, str) else asked


def _vintage(vintage: float | str | None) -> int:
    if vintage is None:
        return UNKNOWN_VINTAGE
    return NON_VINTAGE if vintage == "NV" else int(vintage)
