"""How a member's taste meets a wine: the score, the chance that follows from it, and the half stars that follow from that."""

from __future__ import annotations

from math import erf, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.events.simulate.catalogue import Floats32
from cellar_shared.events.simulate.families import Family

Floats = npt.NDArray[np.float64]

# Shares of the half stars among likes (4 to 5) and dislikes (1 to 3.5) in X-Wines Slim, 126,564 ratings.
LIKED_STARS: Final = np.array([4.0, 4.5, 5.0])
LIKED_SHARES: Final = np.cumsum([0.614, 0.252, 0.134])
DISLIKED_STARS: Final = np.array([3.5, 3.0, 2.5, 2.0, 1.5, 1.0])
DISLIKED_SHARES: Final = np.cumsum([0.585, 0.307, 0.063, 0.031, 0.006, 0.008])


def appeal(family: Family, taste: Floats32, style: Floats32, quality: Floats32) -> Floats32:
    """Score of wines for tastes, row by row: (rows, factors), (rows, factors), (rows,) to (rows,)."""
    ideal = family.taste_form == "ideal"
    fit = -0.5 * np.square(style - taste).sum(axis=1) if ideal else np.einsum("rf,rf->r", taste, style)
    # Divided by the root of the number of factors, so that the fit's spread does not grow with it.
    score = family.quality_weight * quality + family.taste_weight / sqrt(taste.shape[1]) * fit
    return np.asarray(score, np.float32)


def chance_of(family: Family, score: npt.NDArray[np.floating]) -> Floats:
    """The chance of a like, within 0 and 1, for scores on the link's own line."""
    x = np.asarray(score, np.float64)
    if family.link == "logistic":
        chance = 1 / (1 + np.exp(-np.clip(x, -700, 700)))
    elif family.link == "probit":
        chance = 0.5 * (1 + _erf(x / sqrt(2)))
    elif family.link == "cloglog":
        chance = -np.expm1(-np.exp(np.clip(x, -700, 700)))
    else:
        chance = 0.5 + np.arctan(x) / np.pi
    return np.asarray(family.lapse / 2 + (1 - family.lapse) * chance)


def level_for(family: Family, score: Floats32, noise: Floats32, like_rate: float) -> float:
    """The constant that, added to `score`, makes the mean chance `like_rate`; found by halving."""
    low, high = -50.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        if chance_of(family, (score + middle) / noise).mean() < like_rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def draw_stars(chance: Floats, rng: np.random.Generator) -> Floats:
    """Ratings of 1 to 5 by half stars, of which each is 4 or more with exactly its `chance`.

    Given like or dislike, a higher chance leans to higher stars.
    """
    liked = rng.random(len(chance)) < chance
    draw = rng.random(len(chance))
    high = LIKED_STARS[np.searchsorted(LIKED_SHARES[:-1], draw ** (1.75 - chance), side="right")]
    low = DISLIKED_STARS[np.searchsorted(DISLIKED_SHARES[:-1], draw ** (0.65 + chance), side="right")]
    return np.where(liked, high, low)


def _erf(x: Floats) -> Floats:
    return np.asarray(np.frompyfunc(erf, 1, 1)(x), np.float64)
