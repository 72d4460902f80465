"""Which wines members choose: among what they come across, the likelier the more they expect of it; the world calls it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.events.simulate.catalogue import FIRST_VINTAGE, Catalogue, Floats32
from cellar_shared.events.simulate.chances import appeal
from cellar_shared.events.simulate.families import Family
from cellar_shared.events.simulate.hierarchy import Ints
from cellar_shared.events.simulate.members import Occasions

COME_ACROSS: Final = 16  # wines that a member compares before choosing one (judgement)
TRIES: Final = 6  # how often a wine that the member rated before is chosen anew before the occasion is dropped
UNKNOWN_VINTAGE: Final = 0.015  # share of ratings whose vintage was not noted


def choose_wines(
    family: Family, catalogue: Catalogue, occasions: Occasions, rng: np.random.Generator
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """A wine for each row, and which rows stay: a member rates a wine once, so a row that repeats one is left out."""
    wine = _choose(family, catalogue, occasions, np.arange(len(occasions.member)), rng)
    for _ in range(TRIES):
        again = np.flatnonzero(_repeats(occasions.member, wine, len(catalogue.quality)))
        if not len(again):
            break
        wine[again] = _choose(family, catalogue, occasions, again, rng)
    return wine, ~_repeats(occasions.member, wine, len(catalogue.quality))


def _choose(family: Family, catalogue: Catalogue, occasions: Occasions, rows: Ints, rng: np.random.Generator) -> Ints:
    """One wine per row by softmax of popularity and expected score, over candidates that have appeared.

    Candidates come by popularity; adding a Gumbel draw to each score and taking the highest is a softmax draw.
    """
    appeared = catalogue.appeared_by(occasions.moment[rows])
    reach = catalogue.reach[appeared - 1]
    taste = occasions.taste[rows]
    chosen = np.zeros(len(rows), np.int64)
    best = np.full(len(rows), -np.inf, np.float32)
    for _ in range(COME_ACROSS):
        found = np.searchsorted(catalogue.reach, rng.random(len(rows)) * reach, side="right")
        candidate = np.minimum(found, appeared - 1)
        expected = family.selection * appeal(family, taste, catalogue.style[candidate], catalogue.quality[candidate])
        value = expected - np.log(rng.standard_exponential(len(rows), dtype=np.float32) + np.float32(1e-30))
        better = value > best
        chosen[better], best[better] = candidate[better], value[better]
    return chosen


def _repeats(member: Ints, wine: Ints, wines: int) -> npt.NDArray[np.bool_]:
    """Rows whose member and wine stood together in an earlier row."""
    first = np.unique(member * wines + wine, return_index=True)[1]
    repeats = np.ones(len(member), np.bool_)
    repeats[first] = False
    return repeats


def draw_vintages(catalogue: Catalogue, wine: Ints, year: Ints, rng: np.random.Generator) -> tuple[Ints, Floats32, npt.NDArray[np.bool_]]:
    """Vintage (0 where the wine has none), what it does to the score, and whether the member noted it."""
    age = 1 + rng.gamma(1.5, catalogue.usual_age[wine] / 1.5).astype(np.int64)
    vintage = np.maximum(year - age, FIRST_VINTAGE)
    effect = catalogue.year_effect[catalogue.region[wine], vintage - FIRST_VINTAGE]
    none = catalogue.non_vintage[wine]
    return np.where(none, 0, vintage), np.where(none, np.float32(0), effect), rng.random(len(wine)) >= UNKNOWN_VINTAGE
