"""The true effective age of bottles, by each wine's own energy and size exponent, and the day of any age: truth and outcomes read it.

The physics is that of `cellar_shared.ageing`; places without a trace are gone through as arrays, since a world has millions of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np

from cellar_shared.ageing.arrhenius import HEAT_C, ageing_rate, heat_rate
from cellar_shared.ageing.bottle_size import size_rate
from cellar_shared.ageing.storage import DAYS_PER_YEAR, Place
from cellar_shared.ageing.trajectory import Trajectories
from cellar_shared.events.simulate.cellars.draws import Floats
from cellar_shared.events.simulate.hierarchy import Ints

_WAVE: Final = np.sin(2 * np.pi * (np.arange(24) + 0.5) / 24)
_FINE_WAVE: Final = np.sin(2 * np.pi * (np.arange(180) + 0.5) / 180)  # for the rate of heat, which has a kink at 21 degrees


@dataclass(frozen=True, slots=True)
class TrueAges:
    """How some bottles truly age; arrays (bottles,). `born` and `stored_from` are days since 1970, `size` and `rate` are rates.

    `heat_rate` is the rate at which the end comes nearer, `heat` how much of its lead over `rate` the wine bears. `traced` numbers
    the bottles whose place has a trace, `trajectories` are theirs.
    """

    born: Floats
    stored_from: Floats
    size: Floats
    rate: Floats
    heat_rate: Floats
    heat: Floats
    traced: Ints
    trajectories: Trajectories | None

    def age_on(self, day: Floats) -> Floats:
        """Effective years on `day` (days since 1970), negative before a bottle was born."""
        before = np.minimum(day, self.stored_from) - self.born
        there = np.maximum(day - self.stored_from, 0.0) * self.rate
        age = np.asarray(self.size * (before + there) / DAYS_PER_YEAR)
        if self.trajectories:
            age[self.traced] = self.trajectories.age_on(day[self.traced])
        return age

    def day_of(self, age: Floats) -> Floats:
        """The day on which the effective age is `age` years."""
        cellared = age / self.size * DAYS_PER_YEAR
        before = self.stored_from - self.born
        day = np.asarray(self.born + np.where(cellared <= before, cellared, before + (cellared - before) / self.rate))
        if self.trajectories:
            day[self.traced] = self.trajectories.day_of(age[self.traced])
        return day

    def end_in_place(self, end: Floats) -> Floats:
        """The effective age at which a window of that `end` is over where the bottle lies: heat there brings it nearer."""
        lived = self.size * (self.stored_from - self.born) / DAYS_PER_YEAR
        # On the day on which the rate of heat has used the end up, the bottle's age is this much.
        there = np.maximum(end - lived, 0.0)
        shift = np.log(end / np.where(end > lived, lived + there * self.rate / self.heat_rate, end))
        if self.trajectories:
            shift[self.traced] = self.trajectories.heat_shift(end[self.traced])
        return end * np.exp(-self.heat * np.maximum(shift, 0.0))

    def only(self, rows: Ints) -> TrueAges:
        """Those of the bottles `rows`, which may repeat."""
        traced, trajectories = np.empty(0, np.int64), None
        if self.trajectories:
            place_among = np.full(len(self.born), -1)
            place_among[self.traced] = np.arange(len(self.traced))
            traced = np.flatnonzero(place_among[rows] >= 0)
            trajectories = _only(self.trajectories, place_among[rows[traced]]) if len(traced) else None
        arrays = {name: getattr(self, name)[rows] for name in ("born", "stored_from", "size", "rate", "heat_rate", "heat")}
        return TrueAges(**arrays, traced=traced, trajectories=trajectories)


def _only(trajectories: Trajectories, rows: Ints) -> Trajectories:
    values = {each.name: getattr(trajectories, each.name) for each in fields(trajectories)}
    chosen: dict[str, Any] = {name: value[rows] for name, value in values.items() if isinstance(value, np.ndarray)}
    return replace(trajectories, **chosen)


def true_ages(
    mean_c: Floats,
    amplitude_c: Floats,
    traces: Sequence[tuple[int, Place]],
    *,
    energy_kj: Floats,
    exponent: Floats,
    heat: Floats,
    size_ml: Floats,
    born: Floats,
    stored_from: Floats,
) -> TrueAges:
    """The true ages of bottles (bottles,) by where they lie; `traces` are bottles with the place that their own energy makes of its trace.

    `heat` is how much of the charge for heat the wine bears. `stored_from` NaN: the whole life counts as spent there.
    """
    rate = np.zeros(len(born))
    for wave in _WAVE:
        rate += ageing_rate(mean_c + amplitude_c * wave, energy_kj)
    rate /= len(_WAVE)
    of_heat = rate.copy()
    warm = np.flatnonzero(mean_c + amplitude_c > HEAT_C)
    mean, amplitude, energy = mean_c[warm], amplitude_c[warm], energy_kj[warm]
    of_heat[warm] = sum(heat_rate(mean + amplitude * wave, energy) for wave in _FINE_WAVE) / len(_FINE_WAVE)
    since = np.where(np.isnan(stored_from), born, np.maximum(stored_from, born))
    size = size_rate(size_ml, False, exponent)
    at = np.array([bottle for bottle, _ in traces], np.int64)
    trajectories = None
    if len(at):
        places = [place for _, place in traces]
        usual = Trajectories.of(places, np.arange(len(at)), born[at], since[at], size_ml[at], np.zeros(len(at), np.bool_))
        trajectories = replace(usual, size=size[at])
    return TrueAges(born, since, size, rate, of_heat, heat, at, trajectories)
