"""The curve of drinkability over log age, the days that follow from it and the phase of a bottle; everyone reads curves by it.

drinkability = s((u - m1) / s1) s((m2 - u) / s2), u the log of effective years, s the logistic function. Both factors are log-concave,
so it rises, then falls, for any parameters. It is the chance that the window has begun and not ended, begin and end being logistic
around m1 and m2 with scales s1 and s2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.ageing.arrhenius import Floats
from cellar_shared.ageing.trajectory import Trajectories

LEVEL: Final = 0.8  # of every interval
# The logistic's upper end of that interval, in scales: log(.9 / .1).
REACH: Final = float(np.log((1 + LEVEL) / (1 - LEVEL)))
NEAR_THE_PEAK: Final = 0.9  # of the highest drinkability
# A logistic of scale s has the variance (pi s)^2 / 3; a normal spread is added to it in that measure.
SCALE_OF_SD: Final = float(np.sqrt(3) / np.pi)
NARROWEST: Final = 0.02  # between m1 and m2, after everything that moves them (judgement: a week in a young wine, months in an old one)
HALVINGS: Final = 40

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
        below, above = np.minimum(self.m1, self.m2) - 40 * self.s1, np.maximum(self.m1, self.m2) + 40 * self.s2
        low, high = below.copy(), above.copy()
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            rises = _expit((self.m1 - middle) / self.s1) / self.s1 > _expit((middle - self.m2) / self.s2) / self.s2
            low, high = np.where(rises, middle, low), np.where(rises, high, middle)
        top = (low + high) / 2
        level = _log_drinkability(top, *self._parameters()) + np.log(NEAR_THE_PEAK)
        sides = []
        for outer in (below, above):
            out, inside = outer.copy(), top.copy()
            for _ in range(HALVINGS):
                middle = (out + inside) / 2
                near = _log_drinkability(middle, *self._parameters()) >= level
                out, inside = np.where(near, out, middle), np.where(near, middle, inside)
            sides.append(np.clip(inside, self.m1, self.m2))
        return top, sides[0], sides[1]

    def landmarks(self) -> tuple[Floats, Floats, Floats]:
        """The four DATES as logs of effective years with the ends of their 80 % intervals: three arrays (4, curves), lows and highs around.

        Begin and end are logistic, so their intervals are exact. A side of the peak moves with both, in the proportion in which it
        lies between them. Later dates have no earlier ends than earlier dates.
        """
        _, peak_from, peak_to = self.peak()
        points = np.stack([self.m1, peak_from, peak_to, self.m2])
        share = (points - self.m1) / (self.m2 - self.m1)
        reach = REACH * np.hypot((1 - share) * self.s1, share * self.s2)
        lows = np.maximum.accumulate(points - reach, axis=0)
        highs = np.minimum.accumulate((points + reach)[::-1], axis=0)[::-1]
        return points, lows, highs

    def _parameters(self) -> tuple[Floats, Floats, Floats, Floats]:
        return self.m1, self.s1, self.m2, self.s2


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
    """The calendar days of the four DATES: first days are rounded up, last days down, none before an earlier one. (4, bottles)."""
    days = np.stack([bottles.day_of(np.exp(point)) for point in points])
    whole = np.concatenate([np.ceil(days[:2]), np.floor(days[2:])])
    return np.maximum.accumulate(whole, axis=0).astype(np.int64)


def _expit(x: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-x)))


def _log_drinkability(u: Floats, m1: Floats, s1: Floats, m2: Floats, s2: Floats) -> Floats:
    return np.asarray(-np.logaddexp(0, (m1 - u) / s1) - np.logaddexp(0, (u - m2) / s2))
