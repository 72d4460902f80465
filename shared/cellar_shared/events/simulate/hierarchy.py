"""Draws where wines come from and what they share: regions, producers, types, grapes and the effects each hands down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Spread of the effects that each level hands down, before a factor is brought to unit variance over the catalogue
# (judgement: about half of what distinguishes wines is known from where and by whom they are made).
STYLE_SPREAD: Final = {"country": 0.3, "region": 0.4, "producer": 0.45, "wine": 0.5}
QUALITY_SPREAD: Final = {"type": 0.2, "country": 0.35, "region": 0.45, "producer": 0.55, "wine": 0.65}
WINES_PER_PRODUCER: Final = 1.4  # X-Wines: 1,007 wines of 791 wineries that have any


@cache
def wine_facts() -> dict[str, Any]:
    """Real types, countries, regions and grapes with the styles they stand for; syllables of made-up names."""
    facts: dict[str, Any] = json.loads(resources.files(__package__).joinpath("wine_facts.json").read_text("utf-8"))
    return facts


@dataclass(frozen=True, slots=True)
class Origins:
    """Where each wine comes from: indexes into the facts' lists, and grapes as indexes with -1 where there is none."""

    region: Ints  # (wines,)
    producer: Ints  # (wines,)
    producer_region: Ints  # (producers,)
    type: Ints  # (wines,)
    grapes: Ints  # (wines, 3)


def draw_origins(wines: int, rng: np.random.Generator) -> Origins:
    """Producers in regions, wines of producers, the types their region makes, the grapes it grows."""
    facts = wine_facts()
    regions, types, grapes = facts["regions"], list(facts["types"]), list(facts["grapes"])
    weights = np.array([region["weight"] for region in regions])
    producer_region = rng.choice(len(regions), size=max(1, round(wines / WINES_PER_PRODUCER)), p=weights / weights.sum())
    producer = rng.integers(len(producer_region), size=wines)
    region = producer_region[producer]

    mix = np.array([[entry["types"].get(name, 0.0) for name in types] for entry in regions])
    shares = np.cumsum(mix / mix.sum(axis=1, keepdims=True), axis=1)
    kind = (rng.random((wines, 1)) > shares[region]).sum(axis=1).clip(0, len(types) - 1)

    grown = {colour: [[grapes.index(name) for name in entry[colour]] for entry in regions] for colour in ("red", "white")}
    colours = [facts["types"][name]["colour"] for name in types]
    chosen = np.full((wines, 3), -1)
    count = rng.choice([1, 2, 3], size=wines, p=[0.6, 0.25, 0.15])
    order = rng.random((wines, 3))
    for wine in range(wines):
        there = grown[colours[kind[wine]]][region[wine]]
        picked = np.argsort(order[wine, : len(there)])[: count[wine]]
        chosen[wine, : len(picked)] = [there[index] for index in picked]
    return Origins(region, producer, producer_region, kind, chosen)


def draw_effects(origins: Origins, factors: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Style (wines, factors) and quality (wines,), each of mean 0 and unit variance over the catalogue."""
    facts = wine_facts()
    countries = sorted(facts["producer_words"])
    country = np.array([countries.index(entry["country"]) for entry in facts["regions"]])[origins.region]
    levels = {
        "type": (origins.type, len(facts["types"])),
        "country": (country, len(countries)),
        "region": (origins.region, len(facts["regions"])),
        "producer": (origins.producer, len(origins.producer_region)),
        "wine": (np.arange(len(origins.region)), len(origins.region)),
    }
    named = len(facts["factors"])
    style = np.zeros((len(origins.region), factors))
    style[:, :named] += np.array([entry["style"] for entry in facts["types"].values()])[origins.type]
    of_grape = np.array([*(entry["style"] for entry in facts["grapes"].values()), [0.0] * named])
    style[:, :named] += of_grape[origins.grapes[:, :2]].sum(axis=1) / (origins.grapes[:, :2] >= 0).sum(axis=1, keepdims=True)
    for level, spread in STYLE_SPREAD.items():
        index, size = levels[level]
        style += rng.normal(0.0, spread, (size, factors))[index]
    quality = np.zeros(len(origins.region))
    for level, spread in QUALITY_SPREAD.items():
        index, size = levels[level]
        quality += rng.normal(0.0, spread, size)[index]
    return (style - style.mean(axis=0)) / style.std(axis=0), (quality - quality.mean()) / quality.std()
