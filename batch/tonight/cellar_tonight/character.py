"""How a wine tastes by what is known of it: body, acidity, tannin, sweetness, alcohol; the judgement of food asks it.

A style's usual grades are made exact by grapes, then by places from the widest, then by words of the label.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from cellar_shared.events.vocabulary.canonical import canonical, colour_in, made_of, place_of
from cellar_shared.events.vocabulary.words import folded
from cellar_tonight.evening import Wine

DATA: Final = "characters.json"
STILL: Final = {"Red": "Red", "White": "White", "Orange": "White"}  # types that taste of their grapes, and these grapes' colour
MOSTLY: Final = 2.0  # how much more each grape of a blend counts than the one named after it (judgement)


@dataclass(frozen=True, slots=True)
class Character:
    """Grades from 0 (none, light) to 1 (most, full)."""

    body: float
    acidity: float
    tannin: float
    sweetness: float
    alcohol: float


@dataclass(frozen=True, slots=True)
class Known:
    """A wine's facts as the vocabularies spell them; `places` are the region and what holds it, nearest first.

    `character` is None where neither type nor colour nor grapes say what kind of wine it is, or where it is none.
    """

    type: str | None
    country: str | None
    places: tuple[str, ...]
    grapes: tuple[str, ...]
    character: Character | None

    @property
    def is_sparkling(self) -> bool:
        """Whether it has bubbles."""
        return self.type == "Sparkling"


@cache
def known_of(wine: Wine) -> Known:
    """What the vocabularies know of `wine` and how it tastes by that."""
    place = place_of(wine.region, wine.country) if wine.region else None
    places = (place.name, *place.within) if place else ()
    grapes = tuple(dict.fromkeys(grape for text in wine.grapes if (made := made_of(text)) for grape in made.grapes))
    type_ = canonical("type", wine.type) or _type_of(wine)
    country = place.country if place else canonical("country", wine.country)
    return Known(type_, country, places, grapes, _character(wine, type_, places, grapes))


def _type_of(wine: Wine) -> str | None:
    """The type of a still wine by its colour or its first grape."""
    made = made_of(wine.grapes[0]) if wine.grapes else None
    return colour_in(wine.colour) or (made.type if made else None)


def _character(wine: Wine, type_: str | None, places: tuple[str, ...], grapes: tuple[str, ...]) -> Character | None:
    data = _data()
    style = data["styles"].get(f"{type_} red" if wine.colour == "Red" else type_) or data["styles"].get(type_)
    if style is None:
        return None
    grades: dict[str, float] = dict(style)
    if type_ in STILL:
        grades |= _blended(grades, [data["grapes"][grape] for grape in grapes if _tastes(grape, type_)])
    for place in reversed(places):
        for row in data["regions"]:
            if row["region"] == place and type_ in row["types"]:
                grades |= row["is"]
    name = f" {folded(wine.name)} "
    for row in data["words"]:
        if any(f" {folded(word)} " in name for word in row["words"]):
            grades |= row["is"]
    return Character(**grades)


def _tastes(grape: str, type_: str) -> bool:
    made = made_of(grape)
    return grape in _data()["grapes"] and made is not None and made.type == STILL[type_]


def _blended(usual: dict[str, float], grapes: list[dict[str, float]]) -> dict[str, float]:
    """The mean of the grapes, the first counting most; what a grape's row leaves out is the style's."""
    weights = [MOSTLY**-place for place in range(len(grapes))]
    names = {name for grape in grapes for name in grape}
    return {
        name: sum(weight * grape.get(name, usual[name]) for weight, grape in zip(weights, grapes, strict=True)) / sum(weights)
        for name in names
    }


@cache
def _data() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(resources.files(__package__).joinpath(DATA).read_text("utf-8"))
    return read
