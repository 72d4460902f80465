"""How alike two wines are, fact by fact: producer, name, region, grapes and colour; matches.py weighs it.

Every piece of evidence is a number from 0 (against) to 1 (for), or None where one of the two does not say.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any, Final

from cellar_shared.events.vocabulary.canonical import Place, canonical, made_of, place_of
from cellar_shared.events.vocabulary.words import folded

# Words that many names hold and that tell none apart.
_EMPTY: Final = frozenset({
    "a", "and", "by", "d", "da", "das", "de", "dei", "del", "della", "delle", "den", "der", "des", "di", "do", "du", "e",
    "el", "et", "i", "il", "in", "l", "la", "las", "le", "les", "los", "of", "o", "the", "und", "von", "y", "chateau",
    "domaine", "domaines", "dom", "weingut", "bodega", "bodegas", "cantina", "cantine", "tenuta", "tenute", "fattoria",
    "azienda", "agricola", "podere", "casa", "vina", "vinas", "vinedos", "vinedo", "vineyard", "vineyards", "winery",
    "wines", "wine", "estate", "estates", "cellar", "cellars", "maison", "cave", "caves", "vignoble", "vignobles",
    "quinta", "herdade", "vinicola", "vini", "vin", "vins", "vino", "vinos", "vinho", "vinhos", "weine", "wein", "co",
    "company", "s", "r", "sa", "srl", "ltd", "grand", "cru", "premier", "classe", "docg", "doc", "igt", "aoc",
})  # fmt: skip
_ALIKE: Final = 0.84  # of two words' letters, for words of four and more: one letter lost or added (judgement)
_EXPLAINED: Final = 0.25  # what a name's word counts when the other wine says it as its place or grape instead (judgement)

# Types that one list may call by the other: a Sauternes is white or a dessert wine.
_MAY_BE: Final = frozenset(
    frozenset(pair)
    for pair in (
        ("White", "Dessert"), ("Dessert", "Dessert/Port"), ("Red", "Dessert/Port"), ("White", "Dessert/Port"), ("Red", "Dessert"),
        ("White", "Sparkling"), ("Rosé", "Sparkling"), ("White", "Orange"),
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WineWords:
    """A wine's facts made ready for comparison."""

    wine_id: str
    producer: frozenset[str]
    name: frozenset[str]
    facts: frozenset[str]
    place: Place | None
    region: str
    country: str | None
    grapes: frozenset[str]
    kind: str | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> WineWords:
        """From a row of table wines."""
        country = canonical("country", row["country"])
        regions = [name for name in (row["region"], row.get("province")) if name]
        place = next((found for name in regions if (found := place_of(name, row["country"]))), None)
        made = [told for grape in row["grapes"] or () if (told := made_of(grape))]
        grapes = frozenset(grape for told in made for grape in told.grapes)
        facts = words_of(" ".join((*regions, *(row["grapes"] or ()), *grapes, row.get("variety") or "", place.name if place else "")))
        return cls(
            row["wine_id"], words_of(row["producer"]), words_of(row["name"]), facts, place, folded(regions[0]) if regions else "",
            country or (place.country if place else None), grapes, canonical("type", row["type"]),
        )  # fmt: skip


def words_of(text: str | None) -> frozenset[str]:
    """The telling words of a name, folded; all its words where none tells."""
    words = frozenset(word for part in folded(text or "").split() for word in part.split("/") if word)
    return words - _EMPTY or words


@dataclass(frozen=True, slots=True)
class Weights:
    """How much a word tells: the rarer among the producers and names of a catalogue, the more."""

    counts: Mapping[str, int]
    wines: int

    @classmethod
    def of(cls, wines: Sequence[WineWords]) -> Weights:
        """From the catalogue that is matched to."""
        return cls(Counter(word for wine in wines for word in wine.producer | wine.name), len(wines))

    def of_word(self, word: str) -> float:
        """Above 0; a word that the catalogue lacks tells as much as one that it has once."""
        return math.log(1 + self.wines / max(self.counts.get(word, 1), 1))

    def of_words(self, words: Iterable[str]) -> float:
        """The sum over `words`."""
        return sum(self.of_word(word) for word in words)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for two wines being one; see the module."""

    producer: float | None
    name: float
    region: float | None
    grape: float | None
    colour: float | None


def evidence_of(wine: WineWords, other: WineWords, weights: Weights) -> Evidence:
    """The evidence that `wine` is `other`."""
    return Evidence(
        _producer(wine, other, weights), _name(wine, other, weights), _region(wine, other), _grapes(wine, other), _colour(wine, other)
    )


def _producer(wine: WineWords, other: WineWords, weights: Weights) -> float | None:
    """How much of each producer's words the other wine holds, in its producer or its name; the smaller share counts."""
    shares = [
        _held(mine, theirs, weights)
        for mine, theirs in ((wine.producer, other.producer | other.name), (other.producer, wine.producer | wine.name))
        if mine
    ]
    return min(shares, default=None)


def _held(words: frozenset[str], by: frozenset[str], weights: Weights) -> float:
    return weights.of_words(word for word in words if _among(word, by)) / weights.of_words(words)


def _name(wine: WineWords, other: WineWords, weights: Weights) -> float:
    """The share of both names' words, without the producers', that the other has too; 0 where both hold other numbers (10 and 20 years)."""
    numbers = [{word for word in words if word.isdigit()} for words in (wine.name, other.name)]
    if numbers[0] != numbers[1] and all(numbers):
        return 0.0
    producers = wine.producer | other.producer
    mine = [word for word in sorted(wine.name) if not _among(word, producers)]
    theirs = [word for word in sorted(other.name) if not _among(word, producers)]
    common = unlike = 0.0
    for words, names, facts in ((mine, other.name, other.facts), (theirs, wine.name, wine.facts)):
        for word in words:
            if _among(word, names):
                common += weights.of_word(word)
            else:
                unlike += weights.of_word(word) * (_EXPLAINED if _among(word, facts) else 1.0)
    return common / (common + unlike) if common + unlike else 1.0


def _among(word: str, words: frozenset[str]) -> bool:
    return word in words or any(_alike(word, each) for each in words)


@lru_cache(1 << 18)
def _alike(one: str, two: str) -> bool:
    if min(len(one), len(two)) < 4 or abs(len(one) - len(two)) > 2 or not (one.isalpha() and two.isalpha()):
        return False
    return SequenceMatcher(None, one, two, autojunk=False).ratio() >= _ALIKE


def _region(wine: WineWords, other: WineWords) -> float | None:
    if wine.country and other.country and wine.country != other.country:
        return 0.0
    if wine.region and wine.region == other.region:
        return 1.0
    one, two = wine.place, other.place
    if one is None or two is None:
        return None
    if one.name in (two.name, *two.within) or two.name in one.within:
        return 1.0
    # Two parts of one region, and two regions of one country.
    return 0.5 if set(one.within) & set(two.within) else 0.2


def _grapes(wine: WineWords, other: WineWords) -> float | None:
    if not wine.grapes or not other.grapes:
        return None
    return len(wine.grapes & other.grapes) / min(len(wine.grapes), len(other.grapes))


def _colour(wine: WineWords, other: WineWords) -> float | None:
    if wine.kind is None or other.kind is None:
        return None
    return 1.0 if wine.kind == other.kind else 0.5 if frozenset((wine.kind, other.kind)) in _MAY_BE else 0.0
