"""The true curve of a wine's quality over effective age, and where it is near its peak: the truth that a model's peak is held to.

Quality is 1 at its highest and a half at the begin and at the end of the window. Two forms: `powers`, exp(-ln 2 |x|^p) with x the distance
from the peak on log age in units of that side's reach and p another number on either side (2: a bell, large: a plateau with a cliff, near
1: a tent); `gamma`, (y exp(1 - y))^k with y = (age / peak)^skew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.ageing.curve import NEAR_THE_PEAK
from cellar_shared.events.simulate.cellars.draws import Floats

FORMS: Final = ("powers", "gamma")
AT_THE_EDGES: Final = 0.5
HALVINGS: Final = 50


@dataclass(frozen=True, slots=True)
class QualityCurves:
    """Curves of wines; arrays (wines,). `begin`, `peak`, `end` are effective years. `rise` and `fall` are the two powers, or skew and k."""

    is_gamma: npt.NDArray[np.bool_]
    begin: Floats
    peak: Floats
    end: Floats
    rise: Floats
    fall: Floats

    def quality(self, age: npt.ArrayLike) -> Floats:
        """Quality, 0 to 1, at `age` effective years (wines,)."""
        with np.errstate(divide="ignore"):
            u = np.log(np.maximum(np.asarray(age, np.float64), 0.0))
        return np.exp(self._log_quality(np.maximum(u, -50.0)))

    def near_peak(self) -> tuple[Floats, Floats]:
        """From and to which effective age quality is at least .9 of its highest."""
        peak = np.log(self.peak)
        found = []
        for edge in (np.log(self.begin), np.log(self.end)):
            outside, inside = edge, peak
            for _ in range(HALVINGS):
                middle = (outside + inside) / 2
                near = self._log_quality(middle) >= np.log(NEAR_THE_PEAK)
                outside, inside = np.where(near, outside, middle), np.where(near, middle, inside)
            found.append(np.exp(inside))
        return found[0], found[1]

    def _log_quality(self, u: Floats) -> Floats:
        begin, peak, end = np.log(self.begin), np.log(self.peak), np.log(self.end)
        before = u < peak
        x = np.abs(u - peak) / np.where(before, peak - begin, end - peak)
        with np.errstate(over="ignore"):
            powers = np.log(AT_THE_EDGES) * np.power(x, np.where(before, self.rise, self.fall), where=~self.is_gamma, out=np.zeros_like(x))
            log_y = self.rise * (u - peak)
            gamma = self.fall * (log_y + 1 - np.exp(np.minimum(log_y, 700.0)))
        return np.where(self.is_gamma, gamma, powers)


def power_curves(begin: Floats, end: Floats, place: Floats, rise: Floats, fall: Floats) -> QualityCurves:
    """Curves of the form `powers` whose peak lies at `place` (0 to 1) of the way from begin to end on log age."""
    peak = begin ** (1 - place) * end**place
    return QualityCurves(np.zeros(len(begin), np.bool_), begin, peak, end, rise, fall)


def gamma_curves(begin: Floats, end: Floats, skew: Floats) -> QualityCurves:
    """Curves of the form `gamma` with that `skew` (not 0), through a half at begin and end: both fix the peak and k.

    Equal quality at both edges gives peak^skew = (end^skew - begin^skew) / (skew ln(end / begin)).
    """
    length = np.log(end / begin)
    peak = begin * (np.expm1(skew * length) / (skew * length)) ** (1 / skew)
    log_y = skew * np.log(begin / peak)
    steepness = np.log(AT_THE_EDGES) / (log_y + 1 - np.exp(log_y))
    return QualityCurves(np.ones(len(begin), np.bool_), begin, peak, end, skew, steepness)
