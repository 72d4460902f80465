"""What the report adds up: no bottle is lost or counted twice, phases follow the curve's own rule, currencies are never added."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_drinkability.showing.bottle_curve import day_number
from cellar_shared.ageing.curve import PHASES, phase_of
from cellar_tonight.evening import Evening, Line, Planned, Standing
from cellar_tonight.report.tally import UNKNOWN, due, phase_on, reasons, standings, worth

DAYS = st.dates(date(2000, 1, 1), date(2060, 12, 31))


@pytest.fixture(scope="module")
def evening(sample: ModuleType) -> Evening:
    made: Evening = sample.sample_evening()
    return made


def ending(line: Line, drink_by: date | None, **other: object) -> Line:
    return replace(line, standing=replace(line.standing, drink_by=drink_by), **other)  # type: ignore[arg-type]


@given(days=st.lists(DAYS, min_size=5, max_size=5))
def test_a_phase_follows_the_curves_rule(days: list[date]) -> None:
    on, dates = days[0], sorted(days[1:])
    rule = PHASES[int(phase_of(day_number(on), np.array([day_number(each) for each in dates])))]
    assert phase_on(Standing(None, None, *dates, None, None), on) == rule


def test_a_phase_is_told_as_far_as_the_dates_that_are_known_tell_it() -> None:
    ends_only = Standing(None, None, None, None, None, date(2030, 6, 1), None, None)
    assert phase_on(ends_only, date(2030, 6, 2)) == "past"
    assert phase_on(ends_only, date(2030, 6, 1)) is None
    begins_only = Standing(None, None, date(2030, 6, 1), None, None, None, None, None)
    assert phase_on(begins_only, date(2030, 5, 31)) == "hold"
    assert phase_on(begins_only, date(2030, 6, 1)) is None


def test_every_bottle_is_due_once(evening: Evening) -> None:
    told = due(evening)
    assert told.passed.total() + sum(each.total() for each in told.by_year) + told.later + told.undated == sum(
        line.bottles for line in evening.lines
    )


def test_a_bottle_is_due_in_the_year_of_its_day_and_past_only_after_it(evening: Evening) -> None:
    line, today = replace(evening.lines[1], bottles=3), evening.as_of
    ends = (today - timedelta(days=1), today, date(2027, 1, 1), date(2037, 12, 31), date(2038, 1, 1), None)
    told = due(replace(evening, lines=tuple(ending(line, end) for end in ends), plan=None))
    assert told.passed.total() == 3
    assert [each.total() for each in told.by_year] == [3, 3, *[0] * 9, 3]
    assert (told.later, told.undated, told.planned) == (3, 3, None)


def test_planned_bottles_are_added_by_year(evening: Evening) -> None:
    assert evening.plan
    planned = (Planned(0, 2027, "guests", 2, 0.9), Planned(1, 2027, "everyday", 1, 0.8), Planned(2, 2028, "everyday", 4, 0.8))
    assert due(replace(evening, plan=replace(evening.plan, planned=planned))).planned == (0, 3, 4, *[0] * 9)


def test_each_years_phases_hold_every_bottle(evening: Evening) -> None:
    told, bottles = standings(evening), sum(line.bottles for line in evening.lines)
    assert [phases.total() for phases in told.phases] == [bottles] * len(evening.years)
    assert told.days[0] == evening.as_of
    for number in (0, 5):
        chances = [(line.bottles, line.standing.by_year[number]) for line in evening.lines if line.standing.by_year]
        expected = sum(bottles * chance for bottles, chance in chances)
        assert told.within[number] == pytest.approx(expected, rel=0.05 if number == 0 else 1e-9)


def test_tonights_phase_is_the_one_that_was_told_unless_nobody_knows_it(evening: Evening) -> None:
    line = replace(evening.lines[1], bottles=1)
    odd, told = (replace(line, standing=replace(line.standing, phase=phase)) for phase in ("ripe", "hold"))
    assert standings(replace(evening, lines=(told,))).phases[0] == {"hold": 1}
    assert set(standings(replace(evening, lines=(odd,))).phases[0]) <= {*PHASES, UNKNOWN}


def test_currencies_are_never_added(evening: Evening) -> None:
    line = replace(ending(evening.lines[1], date(2028, 5, 1)), bottles=2)
    priced = (("EUR", 10.0), ("EUR", 5.0), ("USD", 100.0), (None, 7.0), ("EUR", None), ("EUR", float("nan")))
    found, without = worth(replace(evening, lines=tuple(replace(line, currency=name, value=value) for name, value in priced)))
    assert [(each.currency, each.total, each.by_year[2]) for each in found] == [("USD", 200, 200), ("EUR", 30, 30), (None, 14, 14)]
    assert without == 4


def test_values_add_up(evening: Evening) -> None:
    found, without = worth(evening)
    for each in found:
        total = sum(line.bottles * line.value for line in evening.lines if line.value is not None and line.currency == each.currency)
        assert each.total == pytest.approx(total)
    assert without == sum(line.bottles for line in evening.lines if line.value is None)


def test_every_unknown_line_has_one_reason(evening: Evening) -> None:
    found = reasons(evening, is_unknown=True)
    numbers = sorted(number for reason in found for number in reason.lines)
    assert numbers == [number for number, line in enumerate(evening.lines) if line.section == "unknown"]
    assert [reason.bottles for reason in found] == sorted((reason.bottles for reason in found), reverse=True)
    granted = {number for reason in reasons(evening, is_unknown=False) for number in reason.lines}
    assert granted == {n for n, line in enumerate(evening.lines) if line.section != "unknown" and line.standing.says}
