"""What is known of one wine in a member's history, against what everyone made of it then: definitions of the item features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.events.moments import MICROSECONDS_PER_DAY, Moments
from cellar_shared.features.candidates import ages_years
from cellar_shared.features.counts import GREAT_FROM, POOR_AT_MOST
from cellar_shared.features.expectation import LEVELS, Expectation
from cellar_shared.features.histories import Histories

Float64s = npt.NDArray[np.float64]

LONGEST_YEARS: Final = 5.0  # what lies further back is long ago, all the same
DAYS_PER_YEAR: Final = 365.25
BEST: Final = 1.0  # strengths at least this are the best: 5 of 5 stars


@dataclass(frozen=True, slots=True)
class Tastings:
    """Rows of histories and what was expected of each wine when it was tasted; all (rows,)."""

    histories: Histories
    expected: Expectation

    def above_chance(self) -> Float64s:
        """How far the like (0 or 1) lay above the chance that everyone gave it."""
        return self.histories.liked - self.expected.like_chance("wine_vintage")

    def expected_strength(self) -> Float64s:
        """The strength that everyone let expect."""
        return self.expected.strength("wine_vintage")


def _surprise(rows: Tastings) -> Float64s:
    chance = rows.expected.like_chance("wine_vintage")
    return rows.above_chance() / np.sqrt(chance * (1 - chance))


# Name to what it is for (rows,). Units of strength are the rating scale's (one star on 1-5).
ITEM_FEATURES: Final[dict[str, Callable[[Tastings], Float64s]]] = {
    "like_above": Tastings.above_chance,
    "strength_above": lambda rows: rows.histories.strengths - rows.expected_strength(),
    "liked": lambda rows: rows.histories.liked.astype(np.float64),
    "strength": lambda rows: rows.histories.strengths.astype(np.float64),
    "is_poor": lambda rows: (rows.histories.strengths <= POOR_AT_MOST).astype(np.float64),
    "is_great": lambda rows: (rows.histories.strengths >= GREAT_FROM).astype(np.float64),
    "is_best": lambda rows: (rows.histories.strengths >= BEST).astype(np.float64),
    "expected_like": lambda rows: rows.expected.like_chance("wine_vintage"),
    "expected_strength": Tastings.expected_strength,
    "surprise": _surprise,
    "wine_ratings": lambda rows: np.log1p(rows.expected.ratings[LEVELS.index("wine")]),
    "age": lambda rows: np.log1p(ages_years(rows.histories.vintages, rows.histories.moments)[0]),
    "is_ageless": lambda rows: ages_years(rows.histories.vintages, rows.histories.moments)[1],
}


def years_between(moments: Moments, as_of: Moments) -> Float64s:
    """Years from each tasting to the moment it is looked back from, 0 to LONGEST_YEARS."""
    return np.clip((as_of - moments) / (MICROSECONDS_PER_DAY * DAYS_PER_YEAR), 0.0, LONGEST_YEARS)
