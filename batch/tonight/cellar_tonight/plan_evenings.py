"""The evenings of a drink plan: everyday ones, guests, holidays; which years have which, and which bottles are for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_tonight.evening import Line
from cellar_tonight.plan_terms import EVERYDAY, GUESTS, Holiday, PlanTerms

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

BOTTLE_ML: Final = 750  # also of a line whose size nobody said
SMALL_ML: Final = 500  # smaller ones are for everyday evenings alone (judgement: a glass each for two is no holiday)
BIG_ML: Final = 1500  # from this size on bottles are for guests and holidays alone (judgement: too much for two)
SHORT: Final = 0.15  # of a bottle: by so little a guest evening may run short (judgement), so that two of 700 ml do for 1,500


@dataclass(frozen=True, slots=True)
class Kind:
    """Evenings that count alike: `names` of those of each year, `a_year` in a whole one, `bonus` and `value_weight` as in PlanTerms.

    `ml` is what one takes, 0 a bottle of whatever size; `prefers` the word in a type, if any.
    """

    names: tuple[tuple[str, ...], ...]
    a_year: int
    is_everyday: bool = False
    ml: int = 0
    bonus: float = 0.0
    value_weight: float = 0.0
    prefers: str | None = None

    @property
    def servings(self) -> float:
        """What one takes, in bottles of the usual size."""
        return max(1.0, self.ml / BOTTLE_ML)

    def need(self, sizes_ml: Ints) -> Ints:
        """Bottles of such sizes (n,) that one takes."""
        return np.maximum(np.ceil(self.ml / sizes_ml - SHORT), 1).astype(np.int64)

    def takes(self, sizes_ml: Ints) -> Bools:
        """Whether bottles of such sizes (n,) are for such evenings."""
        return np.asarray(sizes_ml < BIG_ML if self.is_everyday else sizes_ml >= SMALL_ML)

    def is_preferred(self, line: Line) -> bool:
        """Whether the line is of the kind of wine that such evenings prefer, if they prefer any."""
        return self.prefers is None or self.prefers.casefold() in (line.wine.type or "").casefold()


def kinds_of(years: Sequence[int], terms: PlanTerms, pace: int, share: float) -> tuple[Kind, ...]:
    """Everyday evenings, guest evenings and, by what they prefer, holidays; of the first year only `share` is left."""
    everyday = pace if terms.everyday_evenings is None else terms.everyday_evenings
    glasses = terms.guests * terms.ml_a_person

    def through_the_years(name: str, a_year: int, in_the_first: int) -> tuple[tuple[str, ...], ...]:
        return ((name,) * in_the_first, *((name,) * a_year for _ in years[1:]))

    kinds = [
        Kind(through_the_years(EVERYDAY, everyday, math.ceil(everyday * share)), everyday, is_everyday=True),
        Kind(
            through_the_years(GUESTS, terms.guest_evenings, round(terms.guest_evenings * share)),
            terms.guest_evenings,
            ml=glasses,
            bonus=terms.guest_bonus,
            value_weight=terms.value_weight / 2,
        ),
    ]
    for prefers in dict.fromkeys(holiday.prefers for holiday in terms.holidays):
        alike = [holiday for holiday in terms.holidays if holiday.prefers == prefers]
        names = tuple(tuple(holiday.name for holiday in alike if _is_to_come(holiday, year, terms.from_day)) for year in years)
        kinds.append(Kind(names, len(alike), bonus=terms.holiday_bonus, value_weight=terms.value_weight, prefers=prefers))
    return tuple(kinds)


def share_left(from_day: date | None) -> float:
    """The share of the first year that is left, its first day included."""
    if from_day is None:
        return 1.0
    begin, end = date(from_day.year, 1, 1), date(from_day.year + 1, 1, 1)
    return (end - from_day) / (end - begin)


def _is_to_come(holiday: Holiday, year: int, from_day: date | None) -> bool:
    return from_day is None or holiday.day_in(year) >= from_day
