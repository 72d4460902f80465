"""What a reader should know of a drink plan: what takes no part, what is kept, what goes past its window, and which evenings go short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cellar_tonight.evening import Line
from cellar_tonight.plan_setting import Ints, Setting
from cellar_tonight.plan_terms import PlanTerms


def notes_of(lines: Sequence[Line], setting: Setting, opened: Ints, terms: PlanTerms) -> Iterator[str]:
    """Sentences for people, the most general first."""
    pace, last = setting.bottles_a_year, setting.years[-1]
    if terms.bottles_a_year is None:
        yield f"{_bottles(pace)} a year: what passes its best before {last}, spread over the years, within limits."
    if setting.capacity[0] < pace:
        yield f"{setting.years[0]} has room for {setting.capacity[0]} of them, for what is left of it."
    curveless = [line.bottles + line.awaited for line in lines if not line.standing.by_year]
    if sum(curveless):
        yield f"{_bottles(sum(curveless))} without a curve {_verb(sum(curveless), 'takes', 'take')} no part."
    yield from _of_what_is_left(setting, opened)
    unserved = [(kind, int((setting.evenings[k, :-1] - opened[k, :, :-1].sum(axis=0)).sum())) for k, kind in enumerate(setting.kinds)]
    for kind, short in unserved:
        if short and not kind.is_everyday:
            names = " and ".join(dict.fromkeys(name for names in kind.names for name in names))
            yield f"{short} of {sum(map(len, kind.names))} evenings ({names}) {_verb(short, 'has', 'have')} no bottle."


def _of_what_is_left(setting: Setting, opened: Ints) -> Iterator[str]:
    """Each bottle that the years leave is in one of these sentences, by the first reason that holds."""
    last = setting.years[-1]
    kept = setting.used(opened)[:, -1]
    over = setting.left(opened) - kept
    if kept.sum():
        promised = setting.worth(opened)[1]
        yield f"{_bottles(kept.sum())} {_verb(kept.sum(), 'is', 'are')} kept for after {last}: {promised:.1f} of the plan's enjoyment."
    is_never = (setting.enjoyment == 0).all(axis=1)
    has_no_evening = ~is_never & (setting.gain == 0).all(axis=(0, 2))
    is_lasting = ~is_never & ~has_no_evening & (setting.enjoyment[:, -1] > 0)
    reasons = (
        (is_never, "not expected to drink well, now or later"),
        (has_no_evening, "fit for none of these evenings, by size or by drinkability"),
        (is_lasting, f"more than these years and as many again have evenings for, at {_bottles(setting.bottles_a_year)} a year"),
        (
            ~is_never & ~has_no_evening & ~is_lasting,
            f"past before there is an evening for {{}} that is not better spent, at {_bottles(setting.bottles_a_year)} a year",
        ),
    )
    for of, what in reasons:
        count = int(over[of].sum())
        if count:
            yield f"{_bottles(count)} {_verb(count, 'is', 'are')} {what.format(_verb(count, 'it', 'them'))}."


def _bottles(count: int | np.int64) -> str:
    return f"{count} bottle{'' if count == 1 else 's'}"


def _verb(count: int | np.int64, one: str, many: str) -> str:
    return one if count == 1 else many
