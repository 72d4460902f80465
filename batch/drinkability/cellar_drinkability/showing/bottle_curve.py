"""One bottle's curve as it is shown: its days, chances, dates and phase; the terminal, the charts and the JSON all draw this."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.ageing.arrhenius import Floats
from cellar_shared.ageing.curve import DATES, PHASES, Curves, days_of, phase_of
from cellar_shared.ageing.evidence import STATED_BEGIN, STATED_END, YOUNGEST
from cellar_shared.ageing.heat import HeatEvent
from cellar_shared.ageing.storage import DAYS_PER_YEAR, Place
from cellar_shared.ageing.trajectory import Trajectories, day_of_year

Ints = npt.NDArray[np.int64]
POINTS: Final = 800
EPOCH: Final = date(1970, 1, 1)
# An end whose interval is very long is shown no further than this many times the time from the vintage to the end itself.
FURTHEST: Final = 1.5
MARGIN: Final = 0.03  # of the time shown, after all that is shown


@dataclass(frozen=True, slots=True)
class BottleCurve:
    """A bottle's curve over `days` (points,), days since 1970, with its chance (points,) of being within its window on each.

    `dates` (3, 4): the four DATES, the lower and the upper ends of their 80 % intervals, days since 1970. Of `as_of` are the
    phase, the chance and the effective age; the latter two are None before the bottle was born.
    """

    title: str
    facts: tuple[str, ...]
    as_of: int
    days: Ints
    chance: Floats
    dates: Ints
    phase: str
    chance_now: float | None
    effective_age_years: float | None
    heat: Sequence[HeatEvent]

    @property
    def phases(self) -> npt.NDArray[np.int8]:
        """The number into PHASES of each of `days`."""
        return phase_of(self.days, self.dates[0][:, None])


@dataclass(frozen=True, slots=True)
class Stated:
    """A bottle of which nothing but a stated window and its facts is known; years are whole, `since` is days since 1970 or NaN."""

    vintage: int
    first_year: int
    last_year: int
    size_ml: int
    is_sparkling: bool
    place: Place
    since: float


def of_statement(stated: Stated, title: str, facts: tuple[str, ...], as_of: date, heat: Sequence[HeatEvent] = ()) -> BottleCurve:
    """The curve by physics alone: the stated window, as of a critic, is meant for a good cellar; the place does the rest."""
    first = math.log(max(stated.first_year - stated.vintage, YOUNGEST))
    last = math.log(max(stated.last_year + 1 - stated.vintage, YOUNGEST))
    window = Curves(*(np.array([value]) for value in (first, STATED_BEGIN, last, STATED_END)))
    born = float(day_of_year(stated.vintage))

    def bottles(count: int) -> Trajectories:
        number = np.zeros(count, np.int64)
        return Trajectories.of([stated.place], number, born, stated.since, stated.size_ml, stated.is_sparkling)

    curve = window.worn_by(bottles(1))
    dates = np.stack([days_of(ends, bottles(1))[:, 0] for ends in curve.landmarks()])
    return shown(title, facts, as_of, curve, dates, int(born), lambda days: bottles(len(days)).age_on(days), heat)


def shown(
    title: str,
    facts: tuple[str, ...],
    as_of: date,
    curve: Curves,
    dates: Ints,
    begins: int,
    age_on: Callable[[Ints], Floats],
    heat: Sequence[HeatEvent] = (),
) -> BottleCurve:
    """The curve from the day `begins` on, by the effective age (years) that `age_on` gives for days since 1970."""
    today = day_number(as_of)
    drink_by, latest = int(dates[0, 3]), int(dates[2, 3])
    last = max(today, min(latest, begins + round(FURTHEST * (drink_by - begins))))
    days = np.linspace(begins, last + MARGIN * (last - begins), POINTS).round().astype(np.int64)
    age_now = float(age_on(np.array([today]))[0])
    is_born = age_now > 0
    return BottleCurve(
        title=title,
        facts=facts,
        as_of=today,
        days=days,
        chance=_chance(curve, age_on(days)),
        dates=dates,
        phase=PHASES[int(phase_of(today, dates[0]))],
        chance_now=float(_chance(curve, np.array([age_now]))[0]) if is_born else None,
        effective_age_years=age_now if is_born else None,
        heat=heat,
    )


def _chance(curve: Curves, ages: Floats) -> Floats:
    """The one curve at many ages."""
    repeated = (np.repeat(array, len(ages)) for array in (curve.m1, curve.s1, curve.m2, curve.s2))
    return Curves(*repeated).drinkability(ages)


def facts_of(curve: BottleCurve) -> dict[str, object]:
    """The curve as one JSON document, for machines: dates as text, a point each 30 days at least."""
    every = max(1, len(curve.days) // max(1, min(len(curve.days), int((curve.days[-1] - curve.days[0]) / 30))))
    dates = {
        f"{name}{end}": calendar_day(int(day)).isoformat()
        for end, row in zip(("", "_lo", "_hi"), curve.dates, strict=True)
        for name, day in zip(DATES, row, strict=True)
    }
    heat = [
        {"from": calendar_day(math.floor(one.from_day)).isoformat(), "to": calendar_day(math.floor(one.to_day)).isoformat()}
        | {"highest_c": round(one.highest_c, 2), "months": round(one.months, 2)}
        for one in curve.heat
    ]
    points = [
        {"day": calendar_day(int(day)).isoformat(), "drinkability": round(float(chance), 6)}
        for day, chance in zip(curve.days[::every], curve.chance[::every], strict=True)
    ]
    return {
        "title": curve.title,
        "facts": list(curve.facts),
        "as_of": calendar_day(curve.as_of).isoformat(),
        "phase": curve.phase,
        "drinkability": curve.chance_now,
        "effective_age_years": curve.effective_age_years,
        **dates,
        "heat_events": heat,
        "curve": points,
    }


def day_number(day: date) -> int:
    """Days since 1970."""
    return (day - EPOCH).days


def calendar_day(number: int) -> date:
    """The day that is so many days after 1 January 1970."""
    return EPOCH + timedelta(days=number)


def fraction_of_year(days: npt.ArrayLike) -> Floats:
    """Days since 1970 as years with their fraction, for axes."""
    return np.asarray(1970 + np.asarray(days, np.float64) / DAYS_PER_YEAR)
