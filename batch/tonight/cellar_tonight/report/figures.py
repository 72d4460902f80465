"""The report's figures of the whole cellar: each a chart, its legend, what it says in sentences, and its numbers as a table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from cellar_shared.ageing.curve import PHASES
from cellar_tonight.evening import DrinkPlan, Evening
from cellar_tonight.report.charts import Column, Part, columns, compared
from cellar_tonight.report.tally import KINDS, UNKNOWN, Worth, due, standings, worth
from cellar_tonight.report.wording import count, day, decimal, money, percent, short, signed

KIND_NAMES: Final = {kind: kind for kind in KINDS} | {"rose": "ros\u00e9", "sweet": "sweet, fortified"}
PHASE_NAMES: Final = {phase: phase for phase in PHASES} | {UNKNOWN: "not known"}
NOW: Final = "now"
PASSED: Final = "past"


@dataclass(frozen=True, slots=True)
class Figure:
    """`legend` pairs a class with its words; `head` and `rows` are the same numbers for who would rather read them.

    `chart` is empty where there is nothing to draw: then what it says is all.
    """

    title: str
    chart: Markup
    legend: tuple[tuple[str, str], ...]
    says: tuple[str, ...]
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def due_figure(evening: Evening) -> Figure | None:
    """When bottles are due, by kind; None where no day is known."""
    told = due(evening)
    everything = sum((told.passed, *told.by_year), Counter[str]())
    if not everything.total() and not told.later and not any(told.planned or ()):
        return None
    kinds = [kind for kind in KINDS if everything[kind]]
    with_passed = [(None, told.passed, None)] if told.passed.total() else []
    planned: tuple[int | None, ...] = told.planned or (None,) * len(told.years)
    drawn, rows = [], []
    for year, bottles, opened in [*with_passed, *zip(told.years, told.by_year, planned, strict=True)]:
        label = str(year) if year else PASSED
        parts = tuple(Part(f"k-{kind}", bottles[kind], f"{label}: {count(bottles[kind], 'bottle')}, {KIND_NAMES[kind]}") for kind in kinds)
        extra_says = f"{label}: {count(opened or 0, 'bottle')} planned to be opened"
        drawn.append(Column(parts, short(bottles.total()) if bottles.total() else "", year, PASSED, beside=opened, extra_says=extra_says))
        extra = () if told.planned is None else ("" if opened is None else f"{opened:,}",)
        rows.append((label, *(f"{bottles[kind]:,}" for kind in kinds), f"{bottles.total():,}", *extra))
    soon, last = told.by_year[0].total(), told.years[-1]
    says = []
    if told.passed.total():
        says.append(f"The day to drink by has passed for {count(told.passed.total(), 'bottle')}.")
    says.append(_sentence(f"{count(soon, 'bottle')} {_is(soon)} due before {told.years[0]} ends."))
    if told.later:
        says.append(f"{count(told.later, 'bottle')} {_is(told.later)} due after {last} and {_is(told.later)} not drawn.")
    if told.undated:
        says.append(f"For {count(told.undated, 'bottle')} no day is known.")
    if any(line.awaited for line in evening.lines):
        says.append("Bottles on their way are not counted.")
    legend = [(f"k-{kind}", KIND_NAMES[kind]) for kind in kinds]
    if told.planned is not None:
        legend.append(("beside", "planned to be opened"))
    picture = columns("due-chart", "Bottles by the year they are to be drunk by", _plain(says), drawn)
    head = ("year", *(KIND_NAMES[kind] for kind in kinds), "bottles", *(() if told.planned is None else ("planned",)))
    return Figure("", picture, tuple(legend), tuple(says), head, tuple(rows))


def standings_figure(evening: Evening) -> Figure | None:
    """How the cellar ages if nothing is opened; None for a cellar of which no phase is known."""
    told = standings(evening)
    if not any(phases.total() - phases[UNKNOWN] for phases in told.phases):
        return None
    shown = [phase for phase in (*PHASES, UNKNOWN) if any(phases[phase] for phases in told.phases)]
    drawn, rows = [], []
    for on, phases, within in zip(told.days, told.phases, told.within, strict=True):
        label = NOW if on == evening.as_of else str(on.year)
        parts = tuple(
            Part(f"p-{phase}", phases[phase], f"{label}: {count(phases[phase], 'bottle')} {PHASE_NAMES[phase]}", short(phases[phase]))
            for phase in shown
        )
        about = "" if within is None else f"{label}: about {count(round(within), 'bottle')} to be expected within the window"
        drawn.append(Column(parts, "", None if label == NOW else on.year, NOW, mark=within, extra_says=about))
        rows.append((label, *(f"{phases[phase]:,}" for phase in shown), "\u2013" if within is None else decimal(within, 0)))
    now, then = told.phases[0], told.phases[-1]
    ready, ready_then = (sum(each[phase] for phase in ("early", "peak", "late")) for each in (now, then))
    says = [_sentence(f"{count(ready, 'bottle')} {_is(ready)} within the window today, {now['peak']:,} of them at the peak.")]
    if len(told.days) > 1:
        last = told.days[-1].year
        says.append(f"If none were opened, {count(ready_then, 'bottle')} would be in {last}, and {then['past'] or 'none'} past it.")
    if any(within is not None for within in told.within):
        says.append("The line is how many are to be expected within their window, each bottle counted by its chance.")
    legend = tuple((f"p-{phase}", PHASE_NAMES[phase]) for phase in shown)
    if any(within is not None for within in told.within):
        legend += (("mark", "expected in window"),)
    picture = columns("phases-chart", "Bottles by phase in the coming years, if none is opened", _plain(says), drawn)
    return Figure("", picture, legend, tuple(says), ("on", *(PHASE_NAMES[phase] for phase in shown), "expected in window"), tuple(rows))


def worth_figures(evening: Evening) -> tuple[list[Figure], int]:
    """Value at risk, a figure for each currency, and how many bottles have no value."""
    found, without = worth(evening)
    return [_worth_figure(number, each) for number, each in enumerate(found)], without


def _worth_figure(number: int, told: Worth) -> Figure:
    amounts = [*([(None, told.passed)] if told.passed else []), *zip(told.years, told.by_year, strict=True)]
    drawn, rows, sum_so_far = [], [], 0.0
    for year, amount in amounts:
        label, said = str(year) if year else PASSED, money(amount, told.currency)
        sum_so_far += amount
        part = Part("value" if year else "value gone", amount, f"{label}: {said}")
        drawn.append(Column((part,), short(amount) if amount else "", year, PASSED))
        rows.append((label, said, money(sum_so_far, told.currency)))
    total, ahead, gone, later, undated = (
        money(amount, told.currency) for amount in (told.total, sum(told.by_year), told.passed, told.later, told.undated)
    )
    already = f"{gone} lies in bottles whose day to drink by has passed, and " if told.passed else ""
    soon = f"{ahead} in bottles whose day passes" if any(told.by_year) else "nothing in bottles whose day passes"
    says = [f"Of {total}, {already}{soon} by the end of {told.years[-1]} if they are not opened."]
    if told.later or told.undated:
        rest = [*([f"{later} has time beyond"] if told.later else []), *([f"for {undated} no day is known"] if told.undated else [])]
        says.append(f"{_sentence(', and '.join(rest))}.")
    title = f"Value of bottles by the year they are to be drunk by, {told.currency or 'no currency said'}"
    picture = columns(f"worth-chart-{number}", title, _plain(says), drawn)
    return Figure(told.currency or "No currency said", picture, (), tuple(says), ("year", "value", "so far"), tuple(rows))


def plan_figure(plan: DrinkPlan) -> tuple[Markup, str]:
    """The plan beside going by what is due, and a sentence for how good it is."""
    gain = f" ({signed(100 * (plan.enjoyment / plan.baseline - 1))}\u202f%)" if plan.baseline > 0 else ""
    bars = (
        ("bar-plan", "this plan", plan.enjoyment, decimal(plan.enjoyment)),
        ("bar-base", "always what is due soonest", plan.baseline, decimal(plan.baseline)),
    )
    worth_of_it = f"The plan is worth {decimal(plan.enjoyment)} everyday evenings at their best, what the bottles kept promise included"
    desc = f"{worth_of_it}; always opening what is due soonest {decimal(plan.baseline)}{gain}."
    return compared("plan-chart", "What the plan is worth", _plain([desc]), bars), f"{desc} {how_good(plan)}"


def how_good(plan: DrinkPlan) -> str:
    """What the solver has shown about the plan, no more."""
    if plan.status == "optimal":
        return "No plan under these terms is better: that is proven."
    if plan.status == "baseline":
        return "The solver found nothing better in time: this is what is due soonest."
    known = "by how much is not known" if plan.gap >= 1 else f"by {percent(plan.gap)} of the best possible at most: that is proven"
    return f"A better plan may exist, {known}."


def window_sources(evening: Evening) -> list[tuple[str, int]]:
    """Whose windows the lines have, with how many lines."""
    names = {"personal": "your own", "community": "the community\u2019s", "critic": "critics\u2019", None: "not said whose"}
    stated = Counter(line.window.source for line in evening.lines if line.window.first or line.window.last)
    told = [(names.get(source, str(source)), lines) for source, lines in stated.most_common()]
    unstated = len(evening.lines) - stated.total()
    return told + ([("stated by nobody", unstated)] if unstated else [])


def stands_from(evening: Evening) -> str:
    """The day on which the export was made, if it is known and another."""
    return f"of {day(evening.export_day)}" if evening.export_day and evening.export_day != evening.as_of else ""


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _plain(says: list[str]) -> str:
    return " ".join(says).replace("\u00a0", " ").replace("\u202f", " ")
