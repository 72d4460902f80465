"""A shop's own rules over a ranked list (boost, bury, pin, cap), read strictly from a versioned file; the service applies them.

Boosts and buries move by places, not by score: what a rule does to a list can be told without knowing the model, and a new model
does not change what a rule means.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, get_args

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.columns import Identities, Mask, WineColumns, identities_of
from cellar_recommender.serving.contract import LIMIT_MOST, Filters, Intent
from cellar_recommender.serving.filters import passing_wines
from cellar_shared.events.sources.yaml_places import Place, read_places
from cellar_shared.features.identity import identity

FORMAT: Final = "1"
PLACES_MOST: Final = 500  # as many as can be ranked in one request
_INTENTS: Final[tuple[Intent, ...]] = get_args(Intent)
_NAMES: Final = ("type", "country", "region", "grape", "producer")
_PRICES: Final = ("price_min", "price_max")

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class When:
    """Which wines a rule is about, and under which intents: all that is said must hold, of several names any."""

    filters: Filters
    wine_ids: tuple[str, ...] = ()
    intents: tuple[Intent, ...] = _INTENTS

    @cached_property
    def _wines(self) -> Identities:
        return identities_of("wine", self.wine_ids)

    def matches(self, columns: WineColumns) -> Mask:
        """Which wines the rule is about. (wines,)."""
        matching = passing_wines(columns, self.filters)
        return matching & np.isin(columns.wines, self._wines) if self.wine_ids else matching


@dataclass(frozen=True)
class Move:
    """Wines that come `places` earlier (below 0) or later than ranked; None: after all that are not buried so."""

    when: When
    places: int | None


@dataclass(frozen=True)
class Pin:
    """A wine that stands at a position, counted from 1, wherever it is ranked."""

    wine_id: str
    position: int
    intents: tuple[Intent, ...]


@dataclass(frozen=True)
class Rules:
    """The rules of one file. `version` is its digest; `per_producer` the most wines of one producer in a list, None for any number."""

    version: str | None = None
    moves: tuple[Move, ...] = ()
    pins: tuple[Pin, ...] = ()
    per_producer: int | None = None

    def order(self, columns: WineColumns, ranked: Places, intent: Intent) -> Places:
        """What boosts and buries make of `ranked`, places of `columns` best first. (ranked,) int64.

        A wine is moved by the sum of its rules. Of two that meet at one place the boosted goes before the unmoved, and the unmoved
        before the buried; otherwise they keep the order in which they were ranked.
        """
        moved = np.zeros(len(columns))
        for move in self.moves:
            if intent in move.when.intents:
                moved[move.when.matches(columns)] += np.inf if move.places is None else move.places
        by, place = moved[ranked], np.arange(len(ranked))
        return ranked[np.lexsort((place, np.sign(by), place + by))]

    def pinned(self, intent: Intent) -> list[tuple[int, int]]:
        """Position and identity of the wines pinned under `intent`, by position."""
        return sorted((pin.position, identity("wine", pin.wine_id)) for pin in self.pins if intent in pin.intents)


NO_RULES: Final = Rules()


def read_rules(file: Path) -> Rules:
    """The rules in a YAML or JSON file; BadInput names line and key of what cannot be followed.

        format: 1
        boost: [{when: {producer: [A, B], country: Italy, intent: buy}, places: 5}]
        bury: [{when: {type: Fortified, price_min: 80}, places: 10}, {when: {wine_id: w17}}]    # without places: to the end
        pin: [{wine_id: w3, position: 1, intent: [buy, gift]}]
        cap: {per_producer: 2}

    `when` has the words of the request's filters on wines, and their meaning; a rule without intent holds for every one.
    """
    root = read_places(file)
    keys = root.mapping(("format", "boost", "bury", "pin", "cap"))
    if "format" not in keys:
        raise root.refuse("no format", f"`format: {FORMAT}`")
    if keys["format"].text() != FORMAT:
        raise keys["format"].refuse(repr(keys["format"].value), FORMAT)
    moves = [_move(place, -1) for place in _each(keys.get("boost"))] + [_move(place, 1) for place in _each(keys.get("bury"))]
    pins = [_pin(place) for place in _each(keys.get("pin"))]
    _require_apart(pins)
    per_producer = None
    if "cap" in keys:
        cap = keys["cap"].mapping(("per_producer",))
        if "per_producer" not in cap:
            raise keys["cap"].refuse("no per_producer", "the most wines of one producer in a list")
        per_producer = _whole(cap["per_producer"], LIMIT_MOST)
    version = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    return Rules(version, tuple(moves), tuple(pin for pin, _ in pins), per_producer)


def _move(place: Place, sign: int) -> Move:
    keys = place.mapping(("when", "places"))
    if "when" not in keys:
        raise place.refuse("no when", "which wines the rule is about")
    if "places" not in keys and sign < 0:
        raise place.refuse("no places", "by how many places the wines come earlier")
    return Move(_when(keys["when"]), sign * _whole(keys["places"], PLACES_MOST) if "places" in keys else None)


def _when(place: Place) -> When:
    keys = place.mapping((*_NAMES, *_PRICES, "wine_id", "intent"))
    names = {name: _texts(keys[name]) for name in _NAMES if name in keys}
    prices = {name: _price(keys[name]) for name in _PRICES if name in keys}
    wine_ids = tuple(_texts(keys["wine_id"])) if "wine_id" in keys else ()
    if not (names or prices or wine_ids):
        raise place.refuse("nothing that tells wines apart", f"one of {', '.join((*_NAMES, *_PRICES, 'wine_id'))}")
    return When(Filters(**names, **prices), wine_ids, _intents(keys))  # type: ignore[arg-type]


def _pin(place: Place) -> tuple[Pin, Place]:
    keys = place.mapping(("wine_id", "position", "intent"))
    for needed in ("wine_id", "position"):
        if needed not in keys:
            raise place.refuse(f"no {needed}", "a wine_id and a position, counted from 1")
    if not keys["wine_id"].text():
        raise keys["wine_id"].refuse("an empty text", "the wine's id")
    return Pin(keys["wine_id"].text(), _whole(keys["position"], LIMIT_MOST), _intents(keys)), place


def _require_apart(pins: list[tuple[Pin, Place]]) -> None:
    """Under one intent a position has one wine and a wine one position."""
    for at, (pin, place) in enumerate(pins):
        for other, _ in pins[:at]:
            if set(pin.intents) & set(other.intents):
                if pin.position == other.position:
                    raise place.refuse(f"position {pin.position} a second time", "one wine a position under each intent")
                if pin.wine_id == other.wine_id:
                    raise place.refuse(f"wine {pin.wine_id} a second time", "one position a wine under each intent")


def _intents(keys: dict[str, Place]) -> tuple[Intent, ...]:
    if "intent" not in keys:
        return _INTENTS
    named = _texts(keys["intent"])
    if unknown := [intent for intent in named if intent not in _INTENTS]:
        raise keys["intent"].refuse(repr(unknown[0]), f"one or some of {', '.join(_INTENTS)}")
    return tuple(intent for intent in _INTENTS if intent in named)


def _each(place: Place | None) -> list[Place]:
    if place is None:
        return []
    if not isinstance(place.value, list):
        raise place.refuse("no list", "a list of rules, each beginning with a dash")
    return place.value


def _texts(place: Place) -> list[str]:
    texts = place.texts()
    if not texts or not all(texts):
        raise place.refuse("an empty text" if texts else "an empty list", "at least one name")
    return texts


def _whole(place: Place, most: int) -> int:
    number = place.number()
    if not (number == int(number) if np.isfinite(number) else False) or not 1 <= number <= most:
        raise place.refuse(place.text(), f"a whole number from 1 to {most}")
    return int(number)


def _price(place: Place) -> float:
    number = place.number()
    if not 0 <= number < np.inf:
        raise place.refuse(place.text(), "a price of 0 or more")
    return number
