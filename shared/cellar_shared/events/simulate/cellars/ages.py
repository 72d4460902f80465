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


@dataclass(frozen=True, slots=True)
class TrueAges:
    """How some bottles truly age; arrays (bottles,). `born` and `stored_from` are days since 1970, `size` and `rate` are rates.

    `heat` is by how much heat brings the end nearer, on the log of effective years. `traced` numbers the bottles whose place
    has a trace, `trajectories` are theirs.
    """

    born: Floats
    stored_from: Floats
    size: Floats
    rate: Floats
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
        gained = np.clip(1 - self.size * (self.stored_from - self.born) / DAYS_PER_YEAR / end, 0.0, 1.0)
        return end * np.exp(-self.heat * gained)

    def only(self, rows: Ints) -> TrueAges:
        """Those of the bottles `rows`, which may repeat."""
        traced, trajectories = np.empty(0, np.int64), None
        if self.trajectories:
            place_among = np.full(len(self.born), -1)
            place_among[self.traced] = np.arange(len(self.traced))
            traced = np.flatnonzero(place_among[rows] >= 0)
            trajectories = _only(self.trajectories, place_among[rows[traced]]) if len(traced) else None
        return TrueAges(
            self.born[rows], self.stored_from[rows], self.size[rows], self.rate[rows], self.heat[rows], traced, trajectories
        )  # fmt: skip


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
    rate, charge = np.zeros(len(born)), np.zeros(len(born))
    warm = np.flatnonzero(mean_c + amplitude_c > HEAT_C)
    for wave in _WAVE:
        rate += ageing_rate(mean_c + amplitude_c * wave, energy_kj)
        temperature = mean_c[warm] + amplitude_c[warm] * wave
        charge[warm] += np.maximum(heat_rate(temperature) - ageing_rate(temperature), 0.0)
    shift = np.log1p(charge / rate)
    rate /= len(_WAVE)
    since = np.where(np.isnan(stored_from), born, np.maximum(stored_from, born))
    size = size_rate(size_ml, False, exponent)
    at = np.array([bottle for bottle, _ in traces], np.int64)
    trajectories = None
    if len(at):
        places = [place for _, place in traces]
        shift[at] = [place.heat_shift for place in places]
        rate[at] = [place.rate for place in places]
        usual = Trajectories.of(places, np.arange(len(at)), born[at], since[at], size_ml[at], np.zeros(len(at), np.bool_))
        trajectories = replace(usual, size=size[at])
    return TrueAges(born, since, size, rate, heat * shift, at, trajectories)
