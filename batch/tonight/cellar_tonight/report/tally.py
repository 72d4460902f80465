"""What the report adds up of a cellar's lines: bottles and value by year, phases by year, reasons; values in, values out."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeGuard

from cellar_shared.ageing.curve import PHASES
from cellar_tonight.evening import Evening, Line, Standing
from cellar_tonight.report.wording import kind

KINDS: Final = ("red", "rose", "white", "sparkling", "sweet", "other")
UNKNOWN: Final = "unknown"
MID_YEAR: Final = (7, 1)  # the day of a year for which the evening tells drinkability


@dataclass(frozen=True, slots=True)
class Due:
    """Bottles by the year of their day to drink by and by kind of wine. `passed`: that day has passed; `later`: after the years."""

    years: tuple[int, ...]
    passed: Counter[str]
    by_year: tuple[Counter[str], ...]  # one for each of `years`
    planned: tuple[int, ...] | None  # bottles that the plan opens in each of `years`; None without a plan
    later: int
    undated: int


@dataclass(frozen=True, slots=True)
class Standings:
    """Bottles by phase, UNKNOWN among them, on the evening's day and then on 1 July of each further year, if none is opened.

    `within`: how many bottles of those with a curve are to be expected within their window then; None where no line has one.
    """

    days: tuple[date, ...]
    phases: tuple[Counter[str], ...]
    within: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Worth:
    """Value of bottles in one currency by the year of their day to drink by, as in `Due`."""

    currency: str | None
    years: tuple[int, ...]
    passed: float
    by_year: tuple[float, ...]
    later: float
    undated: float

    @property
    def total(self) -> float:
        """Of all bottles whose value is known."""
        return self.passed + sum(self.by_year) + self.later + self.undated


@dataclass(frozen=True, slots=True)
class Reason:
    """A sentence that holds for lines, with their numbers among the evening's lines."""

    says: str
    lines: tuple[int, ...]
    bottles: int


def due(evening: Evening) -> Due:
    """When the cellar's bottles are due; those on their way are not counted."""
    years = years_of(evening)
    by_year: dict[int, Counter[str]] = defaultdict(Counter)
    passed: Counter[str] = Counter()
    later = undated = 0
    for line in evening.lines:
        end = line.standing.drink_by
        if end is None:
            undated += line.bottles
        elif end < evening.as_of:
            passed[kind(line.wine)] += line.bottles
        elif end.year > years[-1]:
            later += line.bottles
        else:
            by_year[max(end.year, years[0])][kind(line.wine)] += line.bottles
    planned: Counter[int] = Counter()
    for each in evening.plan.planned if evening.plan else ():
        planned[each.year] += each.bottles
    return Due(
        years=years,
        passed=passed,
        by_year=tuple(by_year[year] for year in years),
        planned=tuple(planned[year] for year in years) if evening.plan else None,
        later=later,
        undated=undated,
    )


def standings(evening: Evening) -> Standings:
    """How the cellar ages by itself."""
    years = years_of(evening)
    days = (evening.as_of, *(date(year, *MID_YEAR) for year in years[1:]))
    phases: tuple[Counter[str], ...] = tuple(Counter() for _ in days)
    within: list[float | None] = [None] * len(days)
    for line in evening.lines:
        for number, on in enumerate(days):
            said = line.standing.phase if number == 0 else None
            phase = said if said in PHASES else phase_on(line.standing, on)
            phases[number][phase or UNKNOWN] += line.bottles
            chance = line.standing.drinkability if number == 0 else _at(line.standing.by_year, number)
            if is_number(chance):
                within[number] = (within[number] or 0.0) + line.bottles * chance
    return Standings(days, phases, tuple(within))


def phase_on(standing: Standing, on: date) -> str | None:
    """The phase on a day as far as the dates tell (the rule of `cellar_shared.ageing.curve.phase_of`); None where they do not."""
    hold, early, peak, late, past = PHASES
    ready_from, peak_from, peak_to, drink_by = standing.ready_from, standing.peak_from, standing.peak_to, standing.drink_by
    if drink_by is not None and on > drink_by:
        return past
    if ready_from is not None and on < ready_from:
        return hold
    if ready_from is None or peak_from is None or peak_to is None or drink_by is None:
        return None
    return early if on < peak_from else peak if on <= peak_to else late


def worth(evening: Evening) -> tuple[list[Worth], int]:
    """Value by currency, the largest sum first, and how many bottles have no value."""
    years = years_of(evening)
    by_currency: dict[str | None, list[Line]] = defaultdict(list)
    without = 0
    for line in evening.lines:
        if is_number(line.value) and line.value >= 0:
            by_currency[line.currency or None].append(line)
        else:
            without += line.bottles
    found = [_worth_of(currency, lines, years, evening.as_of) for currency, lines in by_currency.items()]
    found = [each for each in found if each.total > 0]
    return sorted(found, key=lambda each: (-each.total, each.currency or "")), without


def _worth_of(currency: str | None, lines: Iterable[Line], years: tuple[int, ...], as_of: date) -> Worth:
    by_year = dict.fromkeys(years, 0.0)
    passed = later = undated = 0.0
    for line in lines:
        value, end = (line.value or 0.0) * line.bottles, line.standing.drink_by
        if end is None:
            undated += value
        elif end < as_of:
            passed += value
        elif end.year > years[-1]:
            later += value
        else:
            by_year[max(end.year, years[0])] += value
    return Worth(currency, years, passed, tuple(by_year.values()), later, undated)


def reasons(evening: Evening, is_unknown: bool) -> list[Reason]:
    """Why lines have no answer (`is_unknown`), or what was taken for granted of those that have one; most bottles first."""
    found: dict[str, list[int]] = defaultdict(list)
    for number, line in enumerate(evening.lines):
        if (line.section == "unknown") == is_unknown:
            says = line.standing.says or (line.standing.reason or "").replace("_", " ")
            if says or is_unknown:
                found[says or "The export does not say why."].append(number)
    made = [Reason(says, tuple(lines), sum(evening.lines[n].bottles for n in lines)) for says, lines in found.items()]
    return sorted(made, key=lambda each: (-each.bottles, each.says))


def years_of(evening: Evening) -> tuple[int, ...]:
    """The charts' years, never none."""
    return evening.years or (evening.as_of.year,)


def is_number(value: float | None) -> TypeGuard[float]:
    """Whether there is a value that can be added."""
    return value is not None and math.isfinite(value)


def _at(values: tuple[float, ...], number: int) -> float | None:
    return values[number] if number < len(values) else None
