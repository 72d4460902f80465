"""The effective age of bottles on any day, and the day of any effective age: what curves, dates and intervals are read off.

Age counts from 1 January of the vintage, as those who state windows count it. Until a bottle came to the place that is known it is
taken to have lain at 13 degrees; from then on it ages as the place does. Both go at the rate of its size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellar_shared.ageing.arrhenius import Floats
from cellar_shared.ageing.bottle_size import size_log_sd, size_rate
from cellar_shared.ageing.storage import DAYS_PER_YEAR, Place, day_of_years, effective_years

Ints = npt.NDArray[np.int64]


def day_of_year(year: npt.ArrayLike) -> Floats:
    """1 January of each year, in days since 1970."""
    numbers = np.asarray(year, np.int64)
    return np.asarray((numbers - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64), np.float64)


@dataclass(frozen=True, slots=True)
class Trajectories:
    """How some bottles age; every array is (bottles,).

    `born` and `stored_from` are days since 1970, `stored_from` not before `born`; `size` is the rate of the bottle's size;
    `place` numbers `places`. `base` is what a place's integral was when the bottle came.
    """

    places: Sequence[Place]
    born: Floats
    stored_from: Floats
    size: Floats
    size_sd: Floats
    place: Ints
    base: Floats

    @classmethod
    def of(
        cls,
        places: Sequence[Place],
        place: Ints,
        born: npt.ArrayLike,
        stored_from: npt.ArrayLike,
        size_ml: npt.ArrayLike,
        is_sparkling: npt.ArrayLike,
    ) -> Trajectories:
        """Trajectories of bottles by their facts; a `stored_from` of NaN is one nobody knows: then all its life counts as spent there."""
        begins = np.asarray(born, np.float64)
        since = np.asarray(stored_from, np.float64)
        since = np.where(np.isnan(since), begins, np.maximum(since, begins))
        size = np.broadcast_to(size_rate(size_ml, is_sparkling), begins.shape)
        size_sd = np.broadcast_to(size_log_sd(size_ml, is_sparkling), begins.shape)
        return cls(places, begins, since, size, size_sd, place, _years_of_days(places, place, since))

    @property
    def age_when_stored(self) -> Floats:
        """Effective years on `stored_from`."""
        return self.size * (self.stored_from - self.born) / DAYS_PER_YEAR

    def age_on(self, day: npt.ArrayLike) -> Floats:
        """Effective years on `day` (days since 1970), negative before `born`. Never less on a later day."""
        at = np.broadcast_to(np.asarray(day, np.float64), self.born.shape)
        before = np.minimum(at, self.stored_from) - self.born
        there = _years_of_days(self.places, self.place, np.maximum(at, self.stored_from)) - self.base
        return np.asarray(self.size * (before / DAYS_PER_YEAR + there))

    def day_of(self, age: npt.ArrayLike) -> Floats:
        """The day (days since 1970, with its fraction) on which the effective age is `age` years; inverse of `age_on`."""
        sought = np.broadcast_to(np.asarray(age, np.float64), self.born.shape)
        before = self.born + np.minimum(sought, self.age_when_stored) / self.size * DAYS_PER_YEAR
        since = np.maximum(sought - self.age_when_stored, 0) / self.size
        there = _days_of_years(self.places, self.place, since + self.base)
        return np.where(since > 0, there, before)

    def rest(self) -> tuple[Floats, Floats, Floats]:
        """`age_from`, `age_years`, `rate`: from that day (days since 1970) on the age is age_years + rate * calendar years since it."""
        ends = np.array([place.days[-1] if len(place.days) else -np.inf for place in self.places])
        rates = np.array([place.rate for place in self.places])
        age_from = np.ceil(np.maximum(self.stored_from, ends[self.place]))
        return age_from, self.age_on(age_from), self.size * rates[self.place]

    def log_age_sd(self, age: npt.ArrayLike) -> Floats:
        """The spread of the log of effective age, when it is `age` years, that comes from not knowing energy and size exponent.

        Only the share of its age that a bottle gained in the place depends on the energy.
        """
        spreads = np.array([place.log_sd for place in self.places])[self.place]
        return np.hypot(spreads * self.share_in_place(age), self.size_sd)

    def heat_shift(self, age: npt.ArrayLike) -> Floats:
        """By how much heat moves the end of a window nearer that lies at `age` years, on the log of effective years."""
        shifts = np.array([place.heat_shift for place in self.places])[self.place]
        return np.asarray(shifts * self.share_in_place(age))

    def share_in_place(self, age: npt.ArrayLike) -> Floats:
        """The share, 0 to 1, of an effective age of `age` years that was gained in the place."""
        at = np.maximum(np.asarray(age, np.float64), 1e-9)
        return np.asarray(np.clip((at - self.age_when_stored) / at, 0.0, 1.0))


def _years_of_days(places: Sequence[Place], place: Ints, days: Floats) -> Floats:
    """Each bottle's own place's integral at its day."""
    rates = np.array([each.rate for each in places])[place]
    return _with_traces(places, place, days, rates * days / DAYS_PER_YEAR, effective_years)


def _days_of_years(places: Sequence[Place], place: Ints, years: Floats) -> Floats:
    """The day on which each bottle's own place's integral is its years."""
    rates = np.array([each.rate for each in places])[place]
    return _with_traces(places, place, years, years / rates * DAYS_PER_YEAR, day_of_years)


def _with_traces(
    places: Sequence[Place], place: Ints, values: Floats, found: Floats, function: Callable[[Place, Floats], Floats]
) -> Floats:
    """What was `found` where places have no trace, and `function` of the values where they have one, trace by trace."""
    traced = np.array([len(each.days) > 0 for each in places])
    for number in np.unique(place[traced[place]]):
        mine = place == number
        found[mine] = function(places[number], values[mine])
    return found
