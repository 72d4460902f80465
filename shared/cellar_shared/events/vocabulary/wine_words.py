"""What a variety, a grape's name and a country's name mean: type, grapes and one spelling; sources and features look them up.

Names of grapes, types and countries are spelled as the X-Wines release spells them, so that statements about wines and a catalogue of
wines meet. A word that is not written down means nothing: it is answered with None, never guessed at.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

_BETWEEN_GRAPES: Final = re.compile(r"\s*(?:-|,|\band\b|&)\s*")


@dataclass(frozen=True, slots=True)
class Variety:
    """What a variety or a blend says of a wine; None and no grapes where it says nothing.

    The grapes of a blend known by its style are the usual ones of that style (judgement), most important first.
    """

    type: str | None
    grapes: tuple[str, ...]


@cache
def _words() -> dict[str, Any]:
    words: dict[str, Any] = json.loads(resources.files(__package__).joinpath("wine_words.json").read_text("utf-8"))
    return words


@cache
def _colours() -> dict[str, str]:
    return {grape: kind for kind, key in (("Red", "red"), ("White", "white")) for grape in _words()[key]}


def grape_named(name: str) -> str | None:
    """The one spelling of a grape; None for a name that is not written down."""
    spelled = _words()["synonyms"].get(name, name)
    return spelled if spelled in _colours() else None


def country_named(name: str) -> str:
    """The country's English name; one that is not written down is taken as it stands."""
    named: str = _words()["countries"].get(name, name)
    return named


@cache
def variety_of(text: str) -> Variety:
    """What a variety's or a blend's name says, such as Shiraz, Cabernet Sauvignon-Merlot or Champagne Blend."""
    blend = _words()["blends"].get(text)
    if blend:
        return Variety(blend["type"], tuple(blend.get("grapes", ())))
    parts = [text] if grape_named(text) else _BETWEEN_GRAPES.split(text)
    short: dict[str, str] = _words()["short_in_blends"] if len(parts) > 1 else {}
    grapes = [grape_named(short.get(part, part)) for part in parts]
    known = tuple(dict.fromkeys(grape for grape in grapes if grape))
    if None in grapes:
        return Variety(None, ())
    # A blend with red grapes is red: a little white in it (Shiraz-Viognier) does not change that.
    return Variety("Red" if any(_colours()[grape] == "Red" for grape in known) else "White", known)


def type_of(variety: str | None, region: str | None, province: str | None) -> str | None:
    """Red, White, Sparkling, Rosé, Dessert or Dessert/Port, from what a wine is made of and where; None when that does not tell."""
    told = variety_of(variety).type if variety else None
    for place in (region, province):
        rule = _words()["places"].get(place, {})
        if changed := rule.get(told, rule.get("any")):
            return str(changed)
    return told
