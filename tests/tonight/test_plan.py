"""Plans whose answer is known: made cellars of a few lines, with the enjoyment worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from cellar_shared.errors import BadInput
from cellar_tonight.evening import DrinkPlan, Line, Standing, Taste, Window, Wine
from cellar_tonight.plan import plan
from cellar_tonight.plan_terms import Holiday, PlanTerms, easter

YEARS = (2027, 2028, 2029)
QUIET = PlanTerms(bottles_a_year=1, guest_evenings=0, holidays=())
CHRISTMAS = Holiday("Christmas", (12, 25))
ROUNDING = 1e-9  # absolute, of a handful of products of numbers about 1


def line(
    *by_year: float,
    bottles: int = 1,
    awaited: int = 0,
    drink_by: int = 2029,
    peak_from: int | None = None,
    ready_from: int = 2020,
    size_ml: int | None = 750,
    value: float | None = None,
    chance: float | None = 1.0,
    type: str = "Red",
) -> Line:
    wine = Wine("w", None, "Weingut A", None, 2015, type, None, None, None)
    standing = Standing(
        "peak",
        by_year[0] if by_year else None,
        ready_from=date(ready_from, 6, 1),
        peak_from=peak_from and date(peak_from, 6, 1),
        peak_to=None,
        drink_by=date(drink_by, 6, 1),
        drink_by_lo=None,
        drink_by_hi=None,
        by_year=by_year,
    )
    return Line(wine, size_ml, bottles, awaited, (), Window(None, None, None), standing, Taste(chance, None), "open", value, "EUR")


def openings(drinks: DrinkPlan) -> list[tuple[int, str, int, int]]:
    return [(each.year, each.occasion, each.line, each.bottles) for each in drinks.planned]


def both(fading: Line, improving: Line) -> Sequence[Line]:
    """The improving line first, so that no order of lines makes the plan right by chance."""
    return improving, fading


def test_a_bottle_is_held_for_its_peak_and_a_fading_one_goes_first() -> None:
    drinks = plan(both(line(0.9, 0.6, 0.2), line(0.5, 0.7, 0.95)), YEARS, QUIET)
    assert openings(drinks) == [(2027, "everyday", 1, 1), (2029, "everyday", 0, 1)]
    assert drinks.enjoyment == pytest.approx(0.9 + 0.95 * 0.98**2, abs=ROUNDING)
    assert (drinks.status, drinks.gap, drinks.left) == ("optimal", 0.0, 0)


def test_the_baseline_opens_what_is_due_soonest() -> None:
    drinks = plan(both(line(0.9, 0.6, 0.2, drink_by=2031), line(0.5, 0.7, 0.95, drink_by=2030)), YEARS, QUIET)
    assert drinks.baseline == pytest.approx(0.5 + 0.6 * 0.98, abs=ROUNDING)


def test_the_baseline_waits_until_a_bottle_is_ready_and_opens_overdue_ones_last() -> None:
    lines = [line(0.5, 0.7, 0.9, drink_by=2029, ready_from=2029), line(0.4, 0.3, 0.3, drink_by=2026), line(0.8, 0.7, 0.6, drink_by=2028)]
    assert plan(lines, YEARS, QUIET).baseline == pytest.approx(0.8 + 0.3 * 0.98 + 0.9 * 0.98**2, abs=ROUNDING)


def test_the_baseline_opens_the_kind_of_wine_that_a_holiday_prefers() -> None:
    """At full bonus, though the still wine is due sooner; then nothing is left for the still one."""
    terms = replace(QUIET, holidays=(Holiday("New Year's Eve", (12, 31), prefers="sparkling"),))
    lines = [line(0.7, drink_by=2028), line(0.6, drink_by=2029, type="White - Sparkling")]
    assert plan(lines, [2029], terms).baseline == pytest.approx(2 * 0.6, abs=ROUNDING)


def test_a_bottle_that_still_improves_after_the_last_year_is_kept_even_from_a_holiday() -> None:
    young = line(0.5, 0.55, 0.6, peak_from=2034, drink_by=2045)
    drinks = plan([young], YEARS, replace(QUIET, holidays=(CHRISTMAS,)))
    assert openings(drinks) == []
    later = 0.6 + 0.05 * 5 / 2  # half the last slope over the five years to its peak
    assert drinks.enjoyment == pytest.approx(2 * later * 0.98**3, abs=ROUNDING)
    assert drinks.left == 1
    assert "1 bottle is kept for after 2029: 1.4 of the plan's enjoyment." in drinks.notes


def test_a_bottle_past_its_peak_is_not_kept_for_long() -> None:
    """Due a year after the last one, it has a fifth of its worth then."""
    assert openings(plan([line(0.6, 0.6, 0.6, drink_by=2030)], YEARS, QUIET)) == [(2027, "everyday", 0, 1)]


def test_awaited_bottles_are_opened_from_the_second_year_on() -> None:
    drinks = plan([line(0.9, 0.6, 0.5, bottles=0, awaited=1)], YEARS, QUIET)
    assert openings(drinks) == [(2028, "everyday", 0, 1)]


def test_in_the_first_year_there_are_only_the_bottles_that_lie_there() -> None:
    """Both Christmas and an everyday evening would want one of the three then."""
    terms = replace(QUIET, bottles_a_year=2, holidays=(CHRISTMAS,))
    drinks = plan([line(0.9, 0.6, 0.1, bottles=1, awaited=2)], YEARS, terms)
    assert [year for year, _, _, _ in openings(drinks)] == [2027, 2028, 2028]
    assert drinks.status == "optimal"


def test_bottles_of_a_line_are_spread_over_the_years() -> None:
    lines = [line(0.9, 0.9, 0.9, bottles=3), line(0.8, 0.8, 0.8, bottles=3)]
    drinks = plan(lines, YEARS, replace(QUIET, bottles_a_year=2))
    assert openings(drinks) == [(year, "everyday", number, 1) for year in YEARS for number in (0, 1)]


def test_further_bottles_in_one_year_lose_more_and_more() -> None:
    drinks = plan([line(1.0, bottles=6)], [2029], replace(QUIET, bottles_a_year=6))
    assert drinks.enjoyment == pytest.approx(1 + 0.85 + 0.7 + 3 * 0.55, abs=ROUNDING)
    steady = plan([line(1.0, bottles=6)], [2029], replace(QUIET, bottles_a_year=6, repeat_loss=(0.1,)))
    assert steady.enjoyment == pytest.approx(6 * 0.9, abs=ROUNDING)


def test_repetition_costs_as_much_less_in_later_years_as_the_bottles_give_less() -> None:
    drinks = plan([line(0.0, 1.0, bottles=2, drink_by=2028)], [2027, 2028], replace(QUIET, bottles_a_year=2))
    assert drinks.enjoyment == pytest.approx((1 + 0.85) * 0.98, abs=ROUNDING)


def test_guests_get_several_bottles_of_one_wine_or_a_large_one() -> None:
    terms = replace(QUIET, bottles_a_year=3, guest_evenings=2)
    lines = [line(0.8, bottles=2, size_ml=None), line(0.8, size_ml=1500), line(0.9), line(0.9, size_ml=375)]
    drinks = plan(lines, [2029], terms)
    assert openings(drinks) == [(2029, "guests", 0, 2), (2029, "guests", 1, 1)]
    assert drinks.enjoyment == pytest.approx(2 * 0.8 * 2 * 1.25, abs=ROUNDING)


def test_guests_need_as_many_bottles_as_they_drink() -> None:
    terms = replace(QUIET, bottles_a_year=9, everyday_evenings=0, guest_evenings=1, guests=12)
    assert openings(plan([line(0.8, bottles=9, size_ml=500)], [2029], terms)) == [(2029, "guests", 0, 6)]
    assert openings(plan([line(0.8, bottles=9)], [2029], terms)) == [(2029, "guests", 0, 4)]
    assert openings(plan([line(0.8, bottles=3)], [2029], terms)) == []
    assert openings(plan([line(0.8, bottles=9, size_ml=700)], [2029], replace(terms, guests=6))) == [(2029, "guests", 0, 2)]


def test_large_bottles_are_not_for_everyday_evenings_nor_halves_for_holidays() -> None:
    magnum, half = line(0.9, size_ml=1500), line(0.9, size_ml=375)
    everyday = plan([magnum, half], [2029], replace(QUIET, bottles_a_year=2))
    assert openings(everyday) == [(2029, "everyday", 1, 1)]
    assert "1 bottle is fit for none of these evenings, by size or by drinkability." in everyday.notes
    festive = plan([magnum, half], [2029], replace(QUIET, bottles_a_year=2, everyday_evenings=0, holidays=(CHRISTMAS,)))
    assert openings(festive) == [(2029, "Christmas", 0, 1)]


def test_new_years_eve_takes_sparkling_wine_and_still_wine_where_there_is_none() -> None:
    terms = PlanTerms(bottles_a_year=5, guest_evenings=0)
    still = [line(0.8, bottles=4, chance=0.9), line(0.8, bottles=4, chance=0.9)]
    with_bubbles = plan([*still, line(0.8, type="White - Sparkling", chance=0.7)], [2029], terms)
    assert (2029, "New Year's Eve", 2, 1) in openings(with_bubbles)
    assert "New Year's Eve" in {each.occasion for each in plan(still, [2029], terms).planned}


def test_holidays_get_the_dearest_of_wines_that_are_equally_good() -> None:
    terms = replace(QUIET, bottles_a_year=3, holidays=(CHRISTMAS,))
    lines = [line(0.8, value=10.0), line(0.8, value=90.0), line(0.8)]
    assert (2029, "Christmas", 1, 1) in openings(plan(lines, [2029], terms))


def test_value_does_not_rule_a_holiday() -> None:
    """The dearest wine at 55 % of what the cheapest gives is for an everyday evening; at 65 % it is for the holiday."""
    terms = replace(QUIET, bottles_a_year=2, holidays=(CHRISTMAS,))

    def at_christmas(share: float) -> int:
        lines = [line(0.9, value=10.0), line(0.9, value=90.0, chance=share)]
        return next(each.line for each in plan(lines, [2029], terms).planned if each.occasion == "Christmas")

    assert (at_christmas(0.55), at_christmas(0.65)) == (0, 1)


def test_a_special_evening_goes_without_rather_than_with_a_bottle_past_its_window() -> None:
    drinks = plan([line(0.4)], [2029], replace(QUIET, holidays=(CHRISTMAS,)))
    assert openings(drinks) == [(2029, "everyday", 0, 1)]
    assert "1 of 1 evenings (Christmas) has no bottle." in drinks.notes


def test_what_is_not_known_of_taste_is_neutral() -> None:
    assert plan([line(0.8, chance=None)], [2029], QUIET).planned[0].enjoyment == pytest.approx(0.8 * 0.6, abs=ROUNDING)


def test_what_goes_past_is_told() -> None:
    drinks = plan([line(0.9, 0.8, 0.7, bottles=10), line(0.1, 0.1, 0.1, bottles=2)], YEARS, QUIET)
    assert drinks.left == 9
    assert "7 bottles are past before there is an evening for them that is not better spent, at 1 bottle a year." in drinks.notes
    assert "2 bottles are not expected to drink well, now or later." in drinks.notes


def test_what_lasts_but_finds_no_evening_is_told() -> None:
    drinks = plan([line(0.9, 0.9, 0.9, bottles=10, drink_by=2060)], YEARS, QUIET)
    assert drinks.left == 7
    assert "4 bottles are more than these years and as many again have evenings for, at 1 bottle a year." in drinks.notes


def test_lines_without_a_curve_take_no_part_and_are_told() -> None:
    drinks = plan([line(bottles=2), line(0.9, 0.8, 0.7), line(awaited=1, bottles=0)], YEARS, QUIET)
    assert {each.line for each in drinks.planned} == {1}
    assert "3 bottles without a curve take no part." in drinks.notes
    assert drinks.left == 0


@pytest.mark.parametrize("lines", [[], [line(bottles=2)], [line(0.1, 0.0, 0.0)]])
def test_a_cellar_with_nothing_to_plan_has_an_empty_plan(lines: list[Line]) -> None:
    drinks = plan(lines, YEARS, PlanTerms())
    assert (drinks.planned, drinks.enjoyment, drinks.baseline, drinks.status, drinks.gap) == ((), 0.0, 0.0, "optimal", 0.0)


def test_the_pace_follows_from_the_stock_within_limits() -> None:
    """What passes its best before the last year, spread over three; improving and ruined bottles do not count."""
    idle = [line(0.5, 0.6, 0.7, bottles=500), line(0.1, 0.1, 0.0, bottles=500)]
    paces = [plan([line(0.9, 0.8, 0.7, bottles=count), *idle], YEARS, PlanTerms()).bottles_a_year for count in (1, 100, 1000)]
    assert paces == [12, 34, 156]


def test_of_the_first_year_only_what_is_left_counts() -> None:
    """37 of 365 days are left on 25 November: a tenth of the bottles, no guests, and the holidays that are still to come."""
    terms = PlanTerms(bottles_a_year=40, from_day=date(2027, 11, 25))
    drinks = plan([line(0.9, 0.6, 0.3, bottles=60)], YEARS, terms)
    first = [each for each in drinks.planned if each.year == 2027]
    assert {each.occasion for each in first} == {"everyday", "Christmas", "New Year's Eve"}
    assert sum(each.bottles for each in first) == 5
    assert "2027 has room for 5 of them, for what is left of it." in drinks.notes


def test_a_better_bottle_goes_to_the_holiday_that_is_named_first() -> None:
    terms = replace(QUIET, bottles_a_year=2, holidays=(CHRISTMAS, Holiday("Easter", "easter")))
    assert openings(plan([line(0.7), line(0.9)], [2029], terms)) == [(2029, "Christmas", 1, 1), (2029, "Easter", 0, 1)]


@pytest.mark.parametrize("day", ["1818-03-22", "1961-04-02", "2024-03-31", "2026-04-05", "2027-03-28", "2038-04-25", "2076-04-19"])
def test_easter_falls_where_the_calendar_has_it(day: str) -> None:
    assert easter(int(day[:4])).isoformat() == day


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bottles_a_year", -1), ("guests", 0), ("holiday_bonus", -1.0), ("value_weight", 1.5), ("discount", 1.0), ("repeat_loss", ()),
        ("repeat_loss", (0.3, 0.1)), ("holidays", (CHRISTMAS, CHRISTMAS)), ("time_limit_s", 0.0), ("neutral_taste", float("nan")),
    ],
)  # fmt: skip
def test_terms_that_make_no_sense_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(BadInput, match=field):
        replace(PlanTerms(), **{field: value})  # type: ignore[arg-type]


def test_a_holiday_that_some_years_lack_is_refused() -> None:
    with pytest.raises(BadInput, match="leap day"):
        Holiday("leap day", (2, 29))


@pytest.mark.parametrize(
    ("years", "terms", "what"),
    [
        ([], PlanTerms(), "years"),
        ([2027, 2027, 2028], PlanTerms(), "years"),
        ([2027, 2028], PlanTerms(), "by_year"),
        (YEARS, PlanTerms(from_day=date(2026, 1, 1)), "from_day"),
    ],
)
def test_years_that_do_not_fit_are_refused(years: Sequence[int], terms: PlanTerms, what: str) -> None:
    with pytest.raises(BadInput, match=what):
        plan([line(0.9, 0.8, 0.7)], years, terms)
