"""What lies between a place's temperatures and a bottle's age: rates, and what a trace adds up to; trajectories read it.

A place is constant, seasonal (a year's sine wave) or a trace of readings. Mean temperature matters and fluctuation alone did not in
a 46-day trial (du Toit & Piquet 2014, SAJEV), so the rate is integrated over the temperatures and nothing is added for their moving.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, overload

import numpy as np
import numpy.typing as npt

from cellar_shared.ageing.arrhenius import ENERGY_KJ, Floats, ageing_rate, heat_rate, rate_by_energy

DAYS_PER_YEAR: Final = 365.25
# Points on a seasonal wave over which rates are averaged. The ageing rate is smooth: exact to rounding. The rate of heat has a kink at
# 21 degrees: within 1e-5 of its mean.
_WAVE: Final = np.sin(2 * np.pi * (np.arange(180) + 0.5) / 180)
_WAVES_AT_ONCE: Final = 1000
_NOTHING: Final = np.empty(0)


@dataclass(frozen=True, slots=True)
class Running:
    """A quantity that grows along a trace, and evenly by `rate` per calendar year before and after it.

    `days` (readings,) are days since 1970, `amounts` (readings,) what has gathered since the first; both are empty without a trace.
    """

    rate: float
    days: Floats = field(default_factory=lambda: _NOTHING)
    amounts: Floats = field(default_factory=lambda: _NOTHING)

    def at(self, day: npt.ArrayLike) -> Floats:
        """The amount at `day` (days since 1970): only differences of two of them mean something."""
        at = np.asarray(day, np.float64)
        if not len(self.days):
            return np.asarray(self.rate * at / DAYS_PER_YEAR)
        outside = np.minimum(at - self.days[0], 0) + np.maximum(at - self.days[-1], 0)
        return np.asarray(np.interp(at, self.days, self.amounts) + self.rate * outside / DAYS_PER_YEAR)

    def day_of(self, amount: npt.ArrayLike) -> Floats:
        """The day on which the amount is reached: the inverse of `at`, for a quantity that only grows."""
        sought = np.asarray(amount, np.float64)
        if not len(self.days):
            return np.asarray(sought / self.rate * DAYS_PER_YEAR)
        outside = np.minimum(sought, 0) + np.maximum(sought - self.amounts[-1], 0)
        return np.asarray(np.interp(sought, self.amounts, self.days) + outside / self.rate * DAYS_PER_YEAR)


@dataclass(frozen=True, slots=True)
class Place:
    """One place where bottles lie: how effective years gather there, how the end of a window is used up, what the energy does.

    `age` gathers effective years. `heat` gathers them at the rate of `heat_rate`, faster above 21 degrees. `by_energy` is the
    derivative of `age` by the log of the activation energy.
    """

    age: Running
    heat: Running
    by_energy: Running

    @property
    def rate(self) -> float:
        """Effective years per calendar year from the end of what is known on, a yearly mean."""
        return self.age.rate

    @property
    def heat_shift(self) -> float:
        """By how much the end of a window moves nearer for a whole life spent in the yearly mean, on the log of effective years."""
        return float(np.log(self.heat.rate / self.age.rate))

    @property
    def known_to(self) -> float:
        """The day (since 1970) of the last reading; minus infinity without a trace."""
        return float(self.age.days[-1]) if len(self.age.days) else -np.inf


UNKNOWN_PLACE: Final = Place(Running(1.0), Running(1.0), Running(0.0))


def place_of_wave(mean_c: float, amplitude_c: float = 0.0, energy_kj: float = ENERGY_KJ) -> Place:
    """A place that is always `mean_c`, or swings around it by `amplitude_c` through the year (degrees Celsius)."""
    return places_of_waves([mean_c], [amplitude_c], energy_kj)[0]


def places_of_waves(mean_c: npt.ArrayLike, amplitude_c: npt.ArrayLike, energy_kj: float = ENERGY_KJ) -> list[Place]:
    """A place for each of `mean_c` and `amplitude_c` (places,), as `place_of_wave` makes one; a million take some seconds."""
    means, amplitudes = np.asarray(mean_c, np.float64), np.asarray(amplitude_c, np.float64)
    places: list[Place] = []
    for start in range(0, len(means), _WAVES_AT_ONCE):
        some = slice(start, start + _WAVES_AT_ONCE)
        waves = means[some, None] + amplitudes[some, None] * (_WAVE if amplitudes[some].any() else _WAVE[:1])
        rates = [rate(waves, energy_kj).mean(axis=1).tolist() for rate in (ageing_rate, heat_rate, rate_by_energy)]
        places += [Place(Running(age), Running(heat), Running(by)) for age, heat, by in zip(*rates, strict=True)]
    return places


def place_of_trace(days: npt.ArrayLike, temperatures_c: npt.ArrayLike, energy_kj: float = ENERGY_KJ) -> Place:
    """A place of which readings are known: `days` since 1970 in ascending order, `temperatures_c` (readings,).

    Between two readings the rate goes evenly from one's to the other's. Before the first and after the last one the place ages as in
    the trace's last whole year, or as in all of it where it is shorter. ValueError when there is no reading, when moments do
    not ascend, or a value is not finite.
    """
    at, warm = np.asarray(days, np.float64), np.asarray(temperatures_c, np.float64)
    if at.ndim != 1 or not len(at) or at.shape != warm.shape:
        raise ValueError(f"a trace needs at least one reading and a temperature for each: {at.shape} moments, {warm.shape} temperatures")
    if not (np.isfinite(at).all() and np.isfinite(warm).all() and (np.diff(at) > 0).all()):
        raise ValueError("a trace needs readings in the order of their moments, no two at one moment, every value a finite number")
    weights = _last_year(at)
    age, heat, by_energy = (_gathered(at, rate(warm, energy_kj), weights) for rate in (ageing_rate, heat_rate, rate_by_energy))
    return Place(age, heat, by_energy)


def _gathered(at: Floats, rate: Floats, weights: Floats) -> Running:
    amounts = np.concatenate([[0.0], np.cumsum(np.diff(at) / DAYS_PER_YEAR * (rate[1:] + rate[:-1]) / 2)])
    return Running(float((weights * rate).sum()), at, amounts)  # not a BLAS product: its last digit depends on threads


def _last_year(at: Floats) -> Floats:
    """What each reading weighs in the mean of the last whole year, or of all when there is less: the trapezoids' areas. (readings,)."""
    if len(at) == 1:
        return np.ones(1)
    start = max(at[-1] - DAYS_PER_YEAR, at[0])
    inside = np.clip(at[1:] - start, 0, np.diff(at))  # how much of each gap lies within
    older = inside / np.diff(at) / 2  # the older reading's mean share along that part; the newer one has the rest
    areas = np.concatenate([inside * older, [0.0]]) + np.concatenate([[0.0], inside * (1 - older)])
    return np.asarray(areas / areas.sum())


def effective_years(place: Place, day: npt.ArrayLike) -> Floats:
    """A place's running integral at `day` (days since 1970): differences of two values are effective years between them."""
    return place.age.at(day)


def day_of_years(place: Place, years: npt.ArrayLike) -> Floats:
    """The day at which `effective_years` reaches `years`; its inverse."""
    return place.age.day_of(years)


class Places(Sequence[Place]):
    """Places by their numbers, with their rates as arrays (places,): build it once for all the slices of a night."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = tuple(places)
        self.age = np.array([place.age.rate for place in self._places])
        self.heat = np.array([place.heat.rate for place in self._places])
        self.by_energy = np.array([place.by_energy.rate for place in self._places])
        self.known_to = np.array([place.known_to for place in self._places])

    @overload
    def __getitem__(self, number: int) -> Place: ...
    @overload
    def __getitem__(self, number: slice) -> tuple[Place, ...]: ...
    def __getitem__(self, number: int | slice) -> Place | tuple[Place, ...]:
        return self._places[number]

    def __len__(self) -> int:
        return len(self._places)
