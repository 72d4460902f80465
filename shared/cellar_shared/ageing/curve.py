"""The curve of drinkability over log age, the days that follow from it and the phase of a bottle; everyone reads curves by it.

drinkability = s((u - m1) / s1) s((m2 - u) / s2), u the log of effective years, s the logistic function. Both factors are log-concave,
so it rises, then falls, for any parameters. It is the chance that the window has begun and not ended, begin and end being logistic
around m1 and m2 with scales s1 and s2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.ageing.arrhenius import Floats
from cellar_shared.ageing.peak import peaks
from cellar_shared.ageing.trajectory import Trajectories

LEVEL: Final = 0.8  # of every interval
# The logistic's upper end of that interval, in scales: log(.9 / .1).
REACH: Final = float(np.log((1 + LEVEL) / (1 - LEVEL)))
NEAR_THE_PEAK: Final = 0.9  # of the highest drinkability
# A logistic of scale s has the variance (pi s)^2 / 3; a normal spread is added to it in that measure.
SCALE_OF_SD: Final = float(np.sqrt(3) / np.pi)
NARROWEST: Final = 0.02  # between m1 and m2, after everything that moves them (judgement: a week in a young wine, months in an old one)
AT_ONCE: Final = 8192
LAST_DAY: Final = 2_932_896  # 31 December 9999, in days since 1970: no calendar goes further
# Days. A window that was stated by years begins and ends at midnight: the begin's is the new day's, the end's still the old one's, and the
# last bits of an exponential must not decide it.
MIDNIGHT: Final = 1e-4
LONGEST: Final = 1e9  # effective years; longer is as long

PHASES: Final = ("hold", "early", "peak", "late", "past")
DATES: Final = ("ready_from", "peak_from", "peak_to", "drink_by")


@dataclass(frozen=True, slots=True)
class Curves:
    """Windows on the log of effective years; every array is (curves,). s1 and s2 are above 0, m2 is above m1."""

    m1: Floats
    s1: Floats
    m2: Floats
    s2: Floats

    def drinkability(self, age: npt.ArrayLike) -> Floats:
        """Chance, 0 to 1, that bottles of effective age `age` (years, (curves,)) are within their window; 0 before they are born."""
        with np.errstate(divide="ignore"):
            u = np.log(np.maximum(np.asarray(age, np.float64), 0.0))
        return drinkability(u, self.m1, self.s1, self.m2, self.s2)

    def worn_by(self, bottles: Trajectories) -> Curves:
        """The curves as they hold for those bottles: heat brings the end nearer, what is not known of the physics widens both."""
        m2 = np.maximum(self.m2 - bottles.heat_shift(np.exp(self.m2)), self.m1 + NARROWEST)
        s1 = np.hypot(self.s1, SCALE_OF_SD * bottles.log_age_sd(np.exp(self.m1)))
        s2 = np.hypot(self.s2, SCALE_OF_SD * bottles.log_age_sd(np.exp(m2)))
        return Curves(self.m1, s1, m2, s2)

    def peak(self) -> tuple[Floats, Floats, Floats]:
        """Where drinkability is highest, and from where to where it is at least .9 of that, clamped between m1 and m2: logs of years."""
        found = np.empty((3, len(self.m1)))
        for some, curves in self._in_turn():
            found[:, some] = peaks(*curves, NEAR_THE_PEAK)
        return found[0], found[1], found[2]

    def landmarks(self) -> tuple[Floats, Floats, Floats]:
        """The four DATES as logs of effective years with the ends of their 80 % intervals: three arrays (4, curves), lows and highs around.

        Begin and end are logistic, so their intervals are exact. A side of the peak moves with both, in the proportion in which it
        lies between them. Later dates have no earlier ends than earlier dates.
        """
        found = np.empty((3, 4, len(self.m1)))
        for some, (m1, s1, m2, s2) in self._in_turn():
            points, lows, highs = found[:, :, some]
            points[:] = m1, *peaks(m1, s1, m2, s2, NEAR_THE_PEAK)[1:], m2
            share = (points - m1) / (m2 - m1)
            reach = REACH * np.hypot((1 - share) * s1, share * s2)
            np.maximum.accumulate(points - reach, axis=0, out=lows)
            np.minimum.accumulate((points + reach)[::-1], axis=0, out=highs[::-1])
        return found[0], found[1], found[2]

    def _in_turn(self) -> Iterator[tuple[slice, tuple[Floats, Floats, Floats, Floats]]]:
        """Some curves at a time, so that the arrays stay in the processor's cache."""
        for start in range(0, len(self.m1), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            yield some, (self.m1[some], self.s1[some], self.m2[some], self.s2[some])


def drinkability(u: npt.ArrayLike, m1: Floats, s1: Floats, m2: Floats, s2: Floats) -> Floats:
    """Chance of being within the window at `u`, the log of effective years. Shapes broadcast."""
    at = np.asarray(u, np.float64)
    return np.asarray(_expit((at - m1) / s1) * _expit((m2 - at) / s2))


def phase_of(day: npt.ArrayLike, dates: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
    """Numbers into PHASES: hold < ready_from <= early < peak_from <= peak <= peak_to < late <= drink_by < past.

    `day` in days since 1970; `dates` (4, bottles) likewise, in the order of DATES.
    """
    at = np.asarray(day, np.int64)
    ready_from, peak_from, peak_to, drink_by = dates
    return np.asarray((at >= ready_from).astype(np.int8) + (at >= peak_from) + (at > peak_to) + (at > drink_by), np.int8)


def days_of(points: Floats, bottles: Trajectories) -> npt.NDArray[np.int64]:
    """The calendar days of the four DATES, days since 1970, (4, bottles), from `points` (4, bottles), logs of effective years.

    First days are rounded up, last days down (at MIDNIGHT either is the earlier day), none lies before an earlier one or after the year
    9999.
    """
    days = np.empty(points.shape, np.int64)
    for date, (point, rounded) in enumerate(zip(points, (np.ceil, np.ceil, np.floor, np.floor), strict=True)):
        with np.errstate(over="ignore"):
            exact = bottles.day_of(np.minimum(np.exp(point), LONGEST))
        days[date] = np.minimum(rounded(exact - MIDNIGHT), LAST_DAY)
    return np.maximum.accumulate(days, axis=0)


def _expit(x: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-x)))
