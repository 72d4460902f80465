"""What is known of a wine that is asked about, as of the question's midnight: definitions of the wine features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.events.moments import Moments
from cellar_shared.features.expectation import LEVELS, Expectation
from cellar_shared.features.histories import NON_VINTAGE
from cellar_shared.features.wines import Wines

Float64s = npt.NDArray[np.float64]

OLDEST_YEARS: Final = 30.0
CHANCE_MARGIN: Final = 0.02
TYPICAL_ABV: Final = 12.8  # percent; mean and spread over the X-Wines catalogue
SPREAD_ABV: Final = 1.5


@dataclass(frozen=True, slots=True)
class Candidates:
    """Wines asked about, with what to expect of them; all of length (pairs,)."""

    wines: Wines
    vintages: npt.NDArray[np.int16]
    as_of: Moments
    expected: Expectation


def ages_years(vintages: npt.NDArray[np.int16], moments: Moments) -> tuple[Float64s, Float64s]:
    """Age at each moment in years, 0 to OLDEST_YEARS, and 1 where there is none (no vintage, unknown or yet to come)."""
    year = moments.astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + 1970
    age = (year - vintages).astype(np.float64)
    is_ageless = (vintages <= NON_VINTAGE) | (age < -1)
    return np.where(is_ageless, 0.0, np.clip(age, 0.0, OLDEST_YEARS)), is_ageless.astype(np.float64)


def _logit(chance: Float64s) -> Float64s:
    bounded = np.clip(chance, CHANCE_MARGIN, 1 - CHANCE_MARGIN)
    return np.log(bounded / (1 - bounded))


Definition = Callable[[Candidates], Float64s]


def _level(level: str) -> dict[str, Definition]:
    return {
        f"{level}_likes": lambda asked: asked.expected.above(level)[:, 0],
        f"{level}_strengths": lambda asked: asked.expected.above(level)[:, 1],
    }


def _ratings(level: str) -> dict[str, Definition]:
    return {f"{level}_ratings": lambda asked: np.log1p(asked.expected.ratings[LEVELS.index(level)])}


# Name to what it is for (pairs,); likes and strengths are above everyone's trailing means, ratings as log(1 + n).
WINE_FEATURES: Final[dict[str, Definition]] = {
    "everyone_likes": lambda asked: asked.expected.everyone.like_rate,
    "everyone_strength": lambda asked: asked.expected.everyone.mean_strength,
    "everyone_unexplained": lambda asked: asked.expected.everyone.unexplained,
    "wine_chance": lambda asked: _logit(asked.expected.like_chance("wine")),
    "wine_vintage_chance": lambda asked: _logit(asked.expected.like_chance("wine_vintage")),
    **{name: definition for level in LEVELS for name, definition in _level(level).items()},
    **{name: definition for level in LEVELS for name, definition in _ratings(level).items()},
    "wine_poor": lambda asked: asked.expected.poor,
    "wine_great": lambda asked: asked.expected.great,
    "is_rated": lambda asked: (asked.expected.ratings[LEVELS.index("wine")] > 0).astype(np.float64),
    "age": lambda asked: np.log1p(ages_years(asked.vintages, asked.as_of)[0]),
    "is_ageless": lambda asked: ages_years(asked.vintages, asked.as_of)[1],
    "abv": lambda asked: np.nan_to_num((asked.wines["abv"] - TYPICAL_ABV) / SPREAD_ABV),
}
