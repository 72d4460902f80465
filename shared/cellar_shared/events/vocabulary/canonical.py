"""One spelling of a wine's type, country, region and grapes, out of written vocabularies; sources, checks and the match look them up.

The vocabularies are data beside this module, each with its sources in README.md. A word that is not written down means nothing: it is
answered with None, never guessed at.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final, Literal, get_args

from cellar_shared.events.vocabulary.wine_words import Variety, variety_of
from cellar_shared.events.vocabulary.words import folded, shorter

Kind = Literal["type", "country", "region", "grape"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

# What stands in a cell that says nothing; folded.
PLACEHOLDERS: Final = frozenset({"", "unknown", "n/a", "na", "none", "null", "not specified", "unspecified", "other"})
_BETWEEN_GRAPES: Final = re.compile(r"\s*(?:-|\u2013|,|;|\+|\band\b|&)\s*")
_COLOURS: Final = {"red": "Red", "white": "White", "rose": "Rosé"}


@dataclass(frozen=True, slots=True)
class Place:
    """A region as the vocabulary spells it: its country and the wider places that hold it, nearest first."""

    name: str
    country: str
    within: tuple[str, ...]


def canonical(kind: Kind, text: str | None, country: str | None = None) -> str | None:
    """The one spelling of `text`; None when it says nothing or is not written down.

    `country`, spelled in any way, tells places of one name apart. ValueError for a kind that is none.
    """
    if text is None or folded(text) in PLACEHOLDERS:
        return None
    if kind == "region":
        place = place_of(text, country)
        return place.name if place else None
    if kind not in KINDS:
        raise ValueError(f"there is no vocabulary of {kind!r}; there are {', '.join(KINDS)}")
    return _names(kind).get(folded(text))


@cache
def place_of(text: str, country: str | None = None) -> Place | None:
    """The place that `text` names, within `country` where that is known; an appellation's ranks and climats are left aside."""
    home = canonical("country", country)
    for name in shorter(text):
        found = _places().get(name, ())
        named = next((place for place in found if place.country == home), None) if home else next(iter(found), None)
        if named:
            return named
    return None


@cache
def spellings_of(kind: Kind, text: str) -> frozenset[str]:
    """Every written spelling of what `text` names, of a region also of the places within it; empty when it is not written down.

    A region's name that several countries have means all of them.
    """
    if kind != "region":
        named = canonical(kind, text)
        if named is None:
            return frozenset()
        if kind == "type":
            types: dict[str, list[str]] = _json("types.json")["types"]
            return frozenset([named, *types[named]])
        rows = _rows("countries.csv" if kind == "country" else "grapes.csv")
        return frozenset(next(spellings(row) for row in rows if row["name"] == named))
    meant = next((found for name in shorter(text) if (found := _places().get(name))), ())
    wanted = {(place.name, place.country) for place in meant}
    return frozenset(
        spelled
        for row in _rows("regions.csv")
        if not wanted.isdisjoint((name, row["country"]) for name in (row["name"], *_within()[row["name"], row["country"]]))
        for spelled in spellings(row)
    )


def country_code(text: str | None) -> str | None:
    """The ISO 3166-1 code (two letters) of a country; None for one that is not written down."""
    named = canonical("country", text)
    return _codes()[named] if named else None


@cache
def made_of(text: str) -> Variety | None:
    """What a grape's, a variety's or a blend's name says of colour (as `type`) and grapes; None when it is not written down."""
    name = folded(text)
    if name in PLACEHOLDERS:
        return None
    if known := _names("grape").get(name):
        return Variety(_grape_colours()[known], (known,))
    if blend := _blends().get(name):
        return Variety(blend.get("colour"), tuple(blend.get("grapes", ())))
    parts = _BETWEEN_GRAPES.split(re.sub(r"(?i)\s+blend$", "", text.strip()))
    grapes = [_names("grape").get(folded(part)) for part in parts]
    known_grapes = tuple(dict.fromkeys(grape for grape in grapes if grape))
    if None in grapes:
        # The critics' own words for blends, such as G-S-M and Portuguese Red.
        told = variety_of(text)
        return told if told.type or told.grapes else None
    return Variety("Red" if any(_grape_colours()[grape] == "Red" for grape in known_grapes) else "White", known_grapes)


def colour_in(text: str | None) -> str | None:
    """Red, White or Rosé where a type's text begins with it, as in `White - Sparkling`; None otherwise."""
    return _COLOURS.get(folded(text).partition(" ")[0]) if text else None


def _rows(file: str) -> Iterator[dict[str, str]]:
    yield from csv.DictReader(resources.files(__package__).joinpath(file).read_text("utf-8").splitlines())


def _json(file: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(resources.files(__package__).joinpath(file).read_text("utf-8"))
    return read


def spellings(row: dict[str, str]) -> list[str]:
    """A vocabulary row's name and what it is called besides."""
    return [row["name"], *(also for also in row["also"].split("; ") if also)]


@cache
def _names(kind: str) -> dict[str, str]:
    if kind == "type":
        types: dict[str, list[str]] = _json("types.json")["types"]
        return {folded(spelled): name for name, also in types.items() for spelled in (name, *also)}
    rows = _rows("countries.csv" if kind == "country" else "grapes.csv")
    return {folded(spelled): row["name"] for row in rows for spelled in spellings(row)}


@cache
def _codes() -> dict[str, str]:
    return {row["name"]: row["code"] for row in _rows("countries.csv")}


@cache
def _grape_colours() -> dict[str, str]:
    return {row["name"]: row["colour"] for row in _rows("grapes.csv")}


@cache
def _blends() -> dict[str, dict[str, Any]]:
    return {folded(name): blend for name, blend in _json("blends.json")["blends"].items()}


@cache
def _within() -> dict[tuple[str, str], tuple[str, ...]]:
    """The wider places that hold each region, nearest first, by the region's name and country."""
    wider = {(row["name"], row["country"]): row["within"] for row in _rows("regions.csv")}
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for (name, country), above in wider.items():
        within, next_above = [], above
        while next_above:
            within.append(next_above)
            next_above = wider[next_above, country]
        found[name, country] = tuple(within)
    return found


@cache
def _places() -> dict[str, tuple[Place, ...]]:
    found: dict[str, list[Place]] = {}
    for row in _rows("regions.csv"):
        place = Place(row["name"], row["country"], _within()[row["name"], row["country"]])
        for spelled in spellings(row):
            found.setdefault(folded(spelled), []).append(place)
    return {name: tuple(places) for name, places in found.items()}
