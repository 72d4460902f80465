"""Which bottle in which year: the drink plan of a cellar, for the report and the command.

Each opening gives drinkability on 1 July of its year times how far the wine is likely to be liked; more on guest evenings and holidays, and
less with each further evening of the same line in the same year. HiGHS finds the openings that give most under the stock and the evenings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from cellar_shared.errors import BadInput
from cellar_tonight.evening import DrinkPlan, Line, Planned
from cellar_tonight.plan_baseline import soonest_due
from cellar_tonight.plan_notes import notes_of
from cellar_tonight.plan_setting import Ints, Setting, setting_of
from cellar_tonight.plan_solver import solve
from cellar_tonight.plan_terms import PlanTerms

PROVEN: Final = 1e-6  # a relative gap below which a plan is called optimal: HiGHS's own tolerances


def plan(lines: Sequence[Line], years: Sequence[int], terms: PlanTerms) -> DrinkPlan:
    """The plan of the lines that have a curve, over rising `years`; `planned` is in order of year, occasion and line.

    `enjoyment` is what the years give and what the bottles that are kept promise, in everyday evenings at their best (PlanTerms), later
    ones counting less; `baseline` is the same of opening what is due soonest, and never above it. `status` is "optimal", "within gap"
    (stopped at the terms' relative_gap), "time limit" (the best that was found in time), or "baseline" (nothing better was found in time).
    No plan has more than `enjoyment / (1 - gap)`; `gap` is 1 where the time was too short to know anything. The same input makes the same
    plan, unless time cut it short. BadInput where years do not rise or a curve does not cover them.
    """
    _check(lines, years, terms)
    setting = setting_of(lines, years, terms)
    greedy = soonest_due(setting)
    baseline = sum(setting.worth(greedy))
    answer = solve(setting, terms.time_limit_s, terms.relative_gap)
    found = answer.opened
    is_better = found is not None and setting.fits(found) and sum(setting.worth(found)) > baseline
    opened = found if found is not None and is_better else greedy
    enjoyment = sum(setting.worth(opened))
    gap = 1.0 if answer.bound is None else max(0.0, answer.bound - enjoyment) / max(answer.bound, PROVEN)
    if gap <= PROVEN:
        status, gap = "optimal", 0.0
    elif not is_better:
        status = "baseline"
    else:
        status = "time limit" if answer.is_cut_short else "within gap"
    return DrinkPlan(
        years=setting.years,
        bottles_a_year=setting.bottles_a_year,
        planned=tuple(_planned(setting, opened)),
        enjoyment=enjoyment,
        baseline=baseline,
        status=status,
        gap=gap,
        left=int(setting.left(opened).sum()),
        notes=(*notes_of(lines, setting, opened, terms), *_doubt(status, gap, terms)),
    )


def _check(lines: Sequence[Line], years: Sequence[int], terms: PlanTerms) -> None:
    if not years or any(later <= earlier for earlier, later in pairwise(years)):
        raise BadInput(f"drink plan, years: found {list(years)}, expected at least one, rising; hand in the evening's years")
    if terms.from_day is not None and terms.from_day.year != years[0]:
        raise BadInput(f"drink plan, from_day: found {terms.from_day}, expected a day of the first year, {years[0]}; change either")
    for number, line in enumerate(lines):
        found = len(line.standing.by_year)
        if found not in (0, len(years)):
            raise BadInput(
                f"drink plan, line {number}, by_year: found {found} values, expected {len(years)} or none; give one for each of the years"
            )


def _planned(setting: Setting, opened: Ints) -> Iterator[Planned]:
    """Openings as they are shown: everyday ones of a line together, each special evening by itself, the best to the first name."""
    for t, year in enumerate(setting.years):
        for k, kind in enumerate(setting.kinds):
            count, gain = opened[k, :, t], setting.gain[k, :, t]
            lines = np.flatnonzero(count)
            if kind.is_everyday:
                evenings = [(kind.names[t][0], n, int(count[n])) for n in lines]
            else:
                best_first = lines[np.argsort(-gain[lines], kind="stable")]
                evenings = [(name, n, 1) for name, n in zip(kind.names[t], np.repeat(best_first, count[best_first]), strict=False)]
            for name, n, times in evenings:
                bottles = times * int(setting.need[k, n])
                yield Planned(int(setting.numbers[n]), year, name, bottles, float(setting.enjoyment[n, t]))


def _doubt(status: str, gap: float, terms: PlanTerms) -> Iterator[str]:
    """What is not known of a plan that time cut short."""
    if status in ("time limit", "baseline"):
        how = "how much better is not known" if gap == 1.0 else f"by {100 * gap:.2g} % of the best possible at most"
        yield f"The solver had {terms.time_limit_s:g} s; there may be a better plan, {how}."
