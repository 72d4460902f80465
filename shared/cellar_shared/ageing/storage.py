"""What lies between a place's temperatures and a bottle's age: rates, what is known up to when, heat; trajectories read it.

A place is constant, seasonal (a year's sine wave) or a trace of readings. Mean temperature matters and fluctuation alone did not in
a 46-day trial (du Toit & Piquet 2014, SAJEV), so the rate is integrated over the temperatures and nothing is added for their moving.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.ageing.arrhenius import ENERGY_KJ, ENERGY_LOG_SD, HEAT_C, REFERENCE_C, Floats, ageing_rate, heat_rate

DAYS_PER_YEAR: Final = 365.25
# Points on a seasonal wave over which its rate is averaged: the error is below 1e-12 of it.
_WAVE: Final = np.sin(2 * np.pi * (np.arange(24) + 0.5) / 24)


@dataclass(frozen=True, slots=True)
class Place:
    """One place where bottles lie.

    `rate` is what a bottle there ages from the end of what is known on: effective years per calendar year, a yearly mean.
    `log_sd` is the spread of its log that comes from not knowing the activation energy. `heat_shift` is by how much the end of
    a window moves nearer there, on the log of effective years. `days` (days since 1970) and `years` (effective years since the
    first reading) are a trace's own integral, empty without one.
    """

    rate: float
    log_sd: float
    heat_shift: float
    days: Floats
    years: Floats


@dataclass(frozen=True, slots=True)
class HeatEvent:
    """A stretch of a trace above 21 degrees, and how many months of cellar life it cost beyond those that passed."""

    from_day: float
    to_day: float
    highest_c: float
    months: float


_NOTHING: Final = np.empty(0)
UNKNOWN_PLACE: Final = Place(1.0, 0.0, 0.0, _NOTHING, _NOTHING)


def place_of_wave(mean_c: float, amplitude_c: float = 0.0, energy_kj: float = ENERGY_KJ) -> Place:
    """A place that is always `mean_c`, or swings around it by `amplitude_c` through the year (degrees Celsius)."""
    temperatures = mean_c + amplitude_c * _WAVE if amplitude_c else np.array([mean_c])
    return _place(temperatures, np.ones(len(temperatures)), _NOTHING, _NOTHING, energy_kj)


def place_of_trace(days: npt.ArrayLike, temperatures_c: npt.ArrayLike, energy_kj: float = ENERGY_KJ) -> Place:
    """A place of which readings are known: `days` since 1970 in ascending order, `temperatures_c` (readings,).

    Between two readings the rate goes evenly from one's to the other's. Before the first and after the last one the place ages as in
    the trace's last whole year, or as in all of it where it is shorter. ValueError when there is no reading, when moments do
    not ascend, or a value is not finite.
    """
    at, warm = np.asarray(days, np.float64), np.asarray(temperatures_c, np.float64)
    if not len(at) or at.shape != warm.shape or not (np.isfinite(at).all() and np.isfinite(warm).all() and (np.diff(at) > 0).all()):
        raise ValueError("a trace needs readings in the order of their moments, each with a temperature")
    rate = ageing_rate(warm, energy_kj)
    gaps = np.diff(at) / DAYS_PER_YEAR
    years = np.concatenate([[0.0], np.cumsum(gaps * (rate[1:] + rate[:-1]) / 2)])
    # Each reading stands for half of the gap on either side.
    stands_for = (np.concatenate([[0.0], gaps]) + np.concatenate([gaps, [0.0]])) / 2
    lately = at >= at[-1] - DAYS_PER_YEAR if at[-1] - at[0] >= DAYS_PER_YEAR else np.ones(len(at), np.bool_)
    weights = np.where(lately, stands_for, 0.0) if len(at) > 1 else np.ones(1)
    return _place(warm, weights, at, years, energy_kj)


def _place(temperatures: Floats, weights: Floats, days: Floats, years: Floats, energy_kj: float) -> Place:
    rates = ageing_rate(temperatures, energy_kj)
    mean = float(np.average(rates, weights=weights))
    # d log(mean rate) / d log(energy): each rate's own log, weighted by what it adds.
    sensitivity = float(np.average(np.log(rates), weights=weights * rates))
    heat = float(np.average(np.maximum(heat_rate(temperatures) - ageing_rate(temperatures), 0), weights=weights))
    return Place(mean, ENERGY_LOG_SD * abs(sensitivity), float(np.log1p(heat / mean)), days, years)


def effective_years(place: Place, day: npt.ArrayLike) -> Floats:
    """A place's running integral at `day` (days since 1970): differences of two values are effective years between them."""
    at = np.asarray(day, np.float64)
    if not len(place.days):
        return np.asarray(place.rate * at / DAYS_PER_YEAR)
    first, last = place.days[0], place.days[-1]
    outside = np.minimum(at - first, 0) + np.maximum(at - last, 0)
    return np.asarray(np.interp(at, place.days, place.years) + place.rate * outside / DAYS_PER_YEAR)


def day_of_years(place: Place, years: npt.ArrayLike) -> Floats:
    """The day at which `effective_years` reaches `years`; its inverse."""
    sought = np.asarray(years, np.float64)
    if not len(place.days):
        return np.asarray(sought / place.rate * DAYS_PER_YEAR)
    outside = np.minimum(sought, 0) + np.maximum(sought - place.years[-1], 0)
    return np.asarray(np.interp(sought, place.years, place.days) + outside / place.rate * DAYS_PER_YEAR)


def heat_events(days: npt.ArrayLike, temperatures_c: npt.ArrayLike) -> Sequence[HeatEvent]:
    """The stretches of a trace (as for `place_of_trace`) above 21 degrees, in the order of time.

    An event costs what its time ages at the higher rate for heat, less what it would have aged at 13 degrees, in months.
    """
    at, warm = np.asarray(days, np.float64), np.asarray(temperatures_c, np.float64)
    extra = heat_rate(warm) - ageing_rate(REFERENCE_C)
    hot = warm > HEAT_C
    edges = np.flatnonzero(np.diff(np.concatenate([[False], hot, [False]]).astype(np.int8)))
    events = []
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        # Out to the readings on either side, where it was warm no longer.
        low, high = max(first - 1, 0), min(end, len(at) - 1)
        months = float(np.trapezoid(np.maximum(extra[low : high + 1], 0), at[low : high + 1])) / DAYS_PER_YEAR * 12
        events.append(HeatEvent(float(at[first]), float(at[end - 1]), float(warm[first:end].max()), months))
    return events
