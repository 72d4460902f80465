"""The effective age of bottles on any day, and the day of any effective age: what curves, dates and intervals are read off.

Age counts from 1 January of the vintage, as those who state windows count it. Until a bottle came to the place that is known it is
taken to have lain at 13 degrees; from then on it ages as the place does. Both go at the rate of its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from cellar_shared.ageing.arrhenius import ENERGY_LOG_SD, Floats
from cellar_shared.ageing.bottle_size import size_log_sd, size_rate
from cellar_shared.ageing.storage import DAYS_PER_YEAR, Place, Places, Running

Ints = npt.NDArray[np.int64]
Quantity = Literal["age", "heat", "by_energy"]  # of a Place


def day_of_year(year: npt.ArrayLike) -> Floats:
    """1 January of each year, in days since 1970."""
    numbers = np.asarray(year, np.int64)
    return np.asarray((numbers - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64), np.float64)


@dataclass(frozen=True, slots=True)
class Trajectories:
    """How some bottles age; every array is (bottles,).

    `born` and `stored_from` are days since 1970, `stored_from` not before `born`; `size` is the rate of the bottle's size and
    `size_sd` the spread of its log; `place` numbers `places`. `base` is what a place's integral was when the bottle came.
    `traced` holds the number of each place with a trace and its bottles'.
    """

    places: Places
    born: Floats
    stored_from: Floats
    size: Floats
    size_sd: Floats
    place: Ints
    base: Floats
    traced: Sequence[tuple[int, Ints]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "traced", _by_trace(self.places, self.place))

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
        """Trajectories of bottles by their facts; a `stored_from` of NaN is one nobody knows: then all its life counts as spent there.

        `place` (bottles,) sets how many bottles there are; the other facts broadcast to it. IndexError for a place that is not there.
        """
        number = np.asarray(place, np.int64)
        known = places if isinstance(places, Places) else Places(places)
        begins = np.broadcast_to(np.asarray(born, np.float64), number.shape)
        since = np.asarray(stored_from, np.float64)
        since = np.where(np.isnan(since), begins, np.maximum(since, begins))
        size = np.broadcast_to(size_rate(size_ml, is_sparkling), number.shape)
        size_sd = np.broadcast_to(size_log_sd(size_ml, is_sparkling), number.shape)
        base = _amount_at(known, number, _by_trace(known, number), "age", since)
        return cls(known, begins, since, size, size_sd, number, base)

    @property
    def age_when_stored(self) -> Floats:
        """Effective years on `stored_from`."""
        return self.size * (self.stored_from - self.born) / DAYS_PER_YEAR

    def age_on(self, day: npt.ArrayLike) -> Floats:
        """Effective years on `day` (days since 1970), negative before `born`. Never less on a later day."""
        at = np.broadcast_to(np.asarray(day, np.float64), self.born.shape)
        before = np.minimum(at, self.stored_from) - self.born
        there = self._at("age", np.maximum(at, self.stored_from)) - self.base
        return np.asarray(self.size * (before / DAYS_PER_YEAR + there))

    def day_of(self, age: npt.ArrayLike) -> Floats:
        """The day (days since 1970, with its fraction) on which the effective age is `age` years; inverse of `age_on`."""
        return self._day_of("age", age, self.base)

    def rest(self) -> tuple[Floats, Floats, Floats]:
        """`age_from`, `age_years`, `rate`: from that day (days since 1970) on the age is age_years + rate * calendar years since it."""
        age_from = np.ceil(np.maximum(self.stored_from, self.places.known_to[self.place]))
        return age_from, self.age_on(age_from), self.size * self.places.age[self.place]

    def log_age_sd(self, age: npt.ArrayLike) -> Floats:
        """The spread of the log of effective age, when it is `age` years, that comes from not knowing energy and size exponent.

        Linear in both: only what a bottle gained in the place depends on the energy, all of its age on its size.
        """
        years = np.maximum(np.asarray(age, np.float64), 1e-9)
        day = np.maximum(self.day_of(years), self.stored_from)
        by_energy = self.size * (self._at("by_energy", day) - self._at("by_energy", self.stored_from)) / years
        return np.hypot(ENERGY_LOG_SD * by_energy, self.size_sd)

    def heat_shift(self, age: npt.ArrayLike) -> Floats:
        """By how much heat moves the end of a window nearer that lies at `age` years, on the log of effective years; never below 0.

        The end comes on the day on which the rate of heat has used up `age` years; it is charged what the bottle's age falls short by.
        """
        years = np.maximum(np.asarray(age, np.float64), 1e-9)
        day = self._day_of("heat", years, self._at("heat", self.stored_from))
        shift = np.log(years / np.maximum(self.age_on(day), 1e-9))
        return np.where(years > self.age_when_stored, np.maximum(shift, 0), 0.0)

    def share_in_place(self, age: npt.ArrayLike) -> Floats:
        """The share, 0 to 1, of an effective age of `age` years that was gained in the place."""
        at = np.maximum(np.asarray(age, np.float64), 1e-9)
        return np.asarray(np.clip((at - self.age_when_stored) / at, 0.0, 1.0))

    def _at(self, quantity: Quantity, day: Floats) -> Floats:
        return _amount_at(self.places, self.place, self.traced, quantity, day)

    def _day_of(self, quantity: Quantity, amount: npt.ArrayLike, base: Floats) -> Floats:
        """The day on which `quantity` has gathered `amount` effective years since the bottle was born, of which `base` is its stand
        in the place when the bottle came.
        """
        sought = np.broadcast_to(np.asarray(amount, np.float64), self.born.shape)
        before = self.born + np.minimum(sought, self.age_when_stored) / self.size * DAYS_PER_YEAR
        since = np.maximum(sought - self.age_when_stored, 0) / self.size
        there = self.stored_from + since / getattr(self.places, quantity)[self.place] * DAYS_PER_YEAR
        for number, mine in self.traced:
            there[mine] = _running(self.places, number, quantity).day_of(since[mine] + base[mine])
        return np.where(since > 0, there, before)


def _by_trace(places: Places, place: Ints) -> Sequence[tuple[int, Ints]]:
    """The bottles of each place that has a trace, found by one sort, however many places there are."""
    mine = np.flatnonzero(np.isfinite(places.known_to)[place])
    mine = mine[np.argsort(place[mine], kind="stable")]
    numbers, starts = np.unique(place[mine], return_index=True)
    return list(zip(numbers.tolist(), np.split(mine, starts[1:]), strict=True)) if len(mine) else []


def _amount_at(places: Places, place: Ints, traced: Sequence[tuple[int, Ints]], quantity: Quantity, day: Floats) -> Floats:
    """Each bottle's own place's integral at its day."""
    found = np.asarray(getattr(places, quantity)[place] * day / DAYS_PER_YEAR)
    for number, mine in traced:
        found[mine] = _running(places, number, quantity).at(day[mine])
    return found


def _running(places: Places, number: int, quantity: Quantity) -> Running:
    running: Running = getattr(places[number], quantity)
    return running
