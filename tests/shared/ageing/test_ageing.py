"""Ageing in numbers: what the literature says, traces against the places they are readings of, heat, spread, many bottles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.ageing.arrhenius import ENERGY_KJ, ENERGY_LOG_SD, ageing_rate, heat_rate, rate_by_energy
from cellar_shared.ageing.bottle_size import SPARKLING_EXPONENT_SD, STILL_EXPONENT, STILL_EXPONENT_SD, size_log_sd, size_rate
from cellar_shared.ageing.curve import LAST_DAY, NARROWEST, Curves, days_of
from cellar_shared.ageing.evidence import curves_of_bottles
from cellar_shared.ageing.heat import heat_events
from cellar_shared.ageing.storage import (
    DAYS_PER_YEAR,
    UNKNOWN_PLACE,
    Place,
    Places,
    day_of_years,
    effective_years,
    place_of_trace,
    place_of_wave,
    places_of_waves,
)
from cellar_shared.ageing.trajectory import Trajectories, day_of_year

QUOTED = 0.005  # the literature's figures have two decimals
ROUNDING = 1e-9
# Four readings a day against the wave itself: the trapezoid's error over whole years is far below it, the first day's phase is not.
TRACE_OF_A_WAVE = 1e-6
# The linear spread against draws of energy and exponent, relative: the terms it leaves out reach .035 at 23 degrees, and 20,000 draws
# have a noise of .005 themselves.
LINEAR_SPREAD = 0.05

Floats = npt.NDArray[np.float64]


def bottle(
    place: Place, born: float = 14610.0, stored_from: float = float("nan"), size_ml: float = 750, sparkling: bool = False
) -> Trajectories:
    return Trajectories.of([place], np.zeros(1, np.int64), born, stored_from, size_ml, sparkling)


def curve(m1: float, s1: float, m2: float, s2: float) -> Curves:
    return Curves(*(np.array([value]) for value in (m1, s1, m2, s2)))


@pytest.mark.parametrize(("celsius", "rate"), [(10, 0.73), (13, 1.0), (18, 1.66), (21, 2.23), (25, 3.27), (30, 5.21)])
def test_rates_are_those_of_70_kilojoules(celsius: float, rate: float) -> None:
    assert ageing_rate(celsius, 70.0) == pytest.approx(rate, abs=QUOTED)


@pytest.mark.parametrize(("size_ml", "rate"), [(375, 1.27), (750, 1.0), (1500, 0.78), (3000, 0.62)])
def test_still_wine_ages_by_the_size_of_its_bottle(size_ml: int, rate: float) -> None:
    assert size_rate(size_ml, False) == pytest.approx(rate, abs=QUOTED)


@pytest.mark.parametrize(("size_ml", "years"), [(750, 40), (1500, 82), (3000, 132)])
def test_champagne_keeps_as_long_as_was_measured(size_ml: int, years: float) -> None:
    """A power law through three points: the magnum's lies off by an eighth, the others on it."""
    assert 40 / size_rate(size_ml, True) == pytest.approx(years, rel=0.125 if size_ml == 1500 else QUOTED)


def test_the_energys_spread_holds_90_percent_between_55_and_110() -> None:
    reach = np.exp(1.6449 * ENERGY_LOG_SD)
    assert ENERGY_KJ / reach == pytest.approx(55, abs=0.6)
    assert ENERGY_KJ * reach == pytest.approx(110, abs=0.6)


def test_the_derivative_by_the_energy_is_the_rates_own() -> None:
    warm, step = np.linspace(0, 40, 41), 1e-5
    differences = (ageing_rate(warm, ENERGY_KJ * np.exp(step)) - ageing_rate(warm, ENERGY_KJ * np.exp(-step))) / (2 * step)
    np.testing.assert_allclose(rate_by_energy(warm), differences, rtol=1e-6, atol=1e-9)


def test_heat_counts_above_21_degrees_and_begins_without_a_jump() -> None:
    assert heat_rate(20.9) == ageing_rate(20.9)
    assert heat_rate(21.0 + 1e-9) == pytest.approx(ageing_rate(21.0), rel=1e-8)
    assert heat_rate(30.0) > ageing_rate(30.0)
    assert heat_rate(30.0, 120.0) == ageing_rate(30.0, 120.0)  # no energy is lowered to that of heat


@given(st.floats(-5, 45), st.lists(st.floats(0.01, 400), max_size=20), st.floats(10000, 20000), st.floats(-3000, 20000))
def test_a_trace_that_never_moves_is_a_constant_place(celsius: float, gaps: list[float], start: float, day: float) -> None:
    days = start + np.concatenate([[0.0], np.cumsum(gaps)])
    traced, constant = place_of_trace(days, np.full(len(days), celsius)), place_of_wave(celsius)
    one, other = bottle(traced, stored_from=start + 20), bottle(constant, stored_from=start + 20)
    for first, second in (
        (traced.rate, constant.rate),
        (one.age_on(start + day), other.age_on(start + day)),
        (one.log_age_sd(20.0), other.log_age_sd(20.0)),
        (one.heat_shift(20.0), other.heat_shift(20.0)),
    ):
        np.testing.assert_allclose(first, second, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize(("mean", "amplitude"), [(11.0, 3.0), (16.0, 8.0), (21.0, 6.0)])
def test_a_seasonal_wave_is_a_fine_trace_of_itself(mean: float, amplitude: float) -> None:
    days = 15000 + np.arange(0, 4 * DAYS_PER_YEAR + 0.125, 0.25)
    traced = place_of_trace(days, mean + amplitude * np.sin(2 * np.pi * (days - days[0]) / DAYS_PER_YEAR))
    wave = place_of_wave(mean, amplitude)
    assert traced.rate == pytest.approx(wave.rate, rel=TRACE_OF_A_WAVE)
    assert traced.heat.rate == pytest.approx(wave.heat.rate, rel=1e-5)  # the wave's own error at the kink
    years = effective_years(traced, days[-1]) - effective_years(traced, days[0])
    assert years == pytest.approx(4 * wave.rate, rel=TRACE_OF_A_WAVE)


def test_after_a_trace_a_place_ages_as_in_its_last_whole_year() -> None:
    warm_years_ago = place_of_trace([0.0, 500.0, 500.001, 900.0], [25.0, 25.0, 10.0, 10.0])
    assert warm_years_ago.rate == pytest.approx(ageing_rate(10.0))
    half_within = place_of_trace([0.0, 365.25 / 2, 365.25 / 2 + 1e-6, 365.25], [20.0, 20.0, 10.0, 10.0])
    assert half_within.rate == pytest.approx((ageing_rate(20.0) + ageing_rate(10.0)) / 2, rel=1e-6)
    cut_by_the_year = place_of_trace([0.0, 730.5], [10.0, 20.0])  # the later half of the line from one rate to the other
    assert cut_by_the_year.rate == pytest.approx(ageing_rate(10.0) / 4 + ageing_rate(20.0) * 3 / 4)


def test_a_single_reading_is_a_constant_place() -> None:
    assert place_of_trace([17000.0], [15.0]).rate == pytest.approx(ageing_rate(15.0))
    np.testing.assert_allclose(day_of_years(place_of_trace([17000.0], [15.0]), ageing_rate(15.0)), 17000 + DAYS_PER_YEAR)


@pytest.mark.parametrize(
    ("days", "temperatures"), [([], []), ([1.0], [10.0, 11.0]), ([1.0, 1.0], [9.0, 9.0]), ([2.0, 1.0], [9.0, 9.0]), ([1.0], [np.nan])]
)
def test_a_trace_that_makes_no_sense_is_refused(days: list[float], temperatures: list[float]) -> None:
    with pytest.raises(ValueError, match="a trace needs"):
        place_of_trace(days, temperatures)


def test_a_heat_event_is_charged_from_where_it_crosses_21_degrees() -> None:
    days = [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]
    events = heat_events(days, [15.0, 27.0, 27.0, 15.0, 15.0, 15.0])
    assert [(round(event.from_day, 9), round(event.to_day, 9), event.highest_c) for event in events] == [(5.0, 25.0, 27.0)]
    flat = (heat_rate(27.0) - 1) * 10
    flanks = (heat_rate(27.0) + heat_rate(21.0) - 2) / 2 * 10
    assert events[0].months == pytest.approx((flat + flanks) / DAYS_PER_YEAR * 12)


def test_a_hot_freight_costs_what_was_found() -> None:
    """US summer freight without cooling: one month to six years of cellar ageing. Ten days of 30 to 38 degrees lie low in that."""
    months = sum(event.months for event in heat_events(np.arange(12.0), [15, *[30 + 8 * (i % 2) for i in range(10)], 15]))
    assert 1 < months < 72


def test_events_are_apart_and_those_at_the_ends_count() -> None:
    events = heat_events([0.0, 1.0, 2.0, 3.0, 4.0], [25.0, 15.0, 25.0, 15.0, 25.0])
    assert len(events) == 3
    assert events[0].from_day == 0.0
    assert events[-1].to_day == 4.0
    assert heat_events([0.0, 1.0], [21.0, 20.0]) == []
    assert [event.months for event in heat_events([0.0], [30.0])] == [0.0]


def test_heat_moves_the_end_to_the_day_on_which_it_is_used_up() -> None:
    """Stored at 10 years: the 15 that are left go by at the rate of heat, so the end lies at 10 plus what it ages in that time."""
    hot = bottle(place_of_wave(27.0), stored_from=14610 + 10 * DAYS_PER_YEAR)
    left = 15 * ageing_rate(27.0) / heat_rate(27.0)
    assert np.exp(np.log(25) - hot.heat_shift(25.0)) == pytest.approx(10 + left)
    assert hot.heat_shift(9.0) == 0
    assert bottle(place_of_wave(20.0)).heat_shift(25.0) == pytest.approx(0, abs=1e-12)


def test_heat_that_was_is_charged_once() -> None:
    """A hot month years ago is part of a trace's heat; what comes after is charged the last year's, which had none."""
    days = np.arange(15000.0, 17000.0)
    temperatures = np.where((days >= 15100) & (days < 15130), 32.0, 13.0)
    cellar = bottle(place_of_trace(days, temperatures), stored_from=15000.0)
    charged = 20 - np.exp(np.log(20) - cellar.heat_shift(20.0))
    extra = 30 * (heat_rate(32.0) - ageing_rate(32.0)) / DAYS_PER_YEAR
    assert charged == pytest.approx(extra, rel=0.01)


@pytest.mark.parametrize("stored_after", [0.0, 8.0])
@pytest.mark.parametrize(("mean", "amplitude", "size_ml", "sparkling"), [(18, 5, 1500, False), (8, 0, 375, False), (16, 3, 3000, True)])
def test_the_linear_spread_is_that_of_draws(mean: float, amplitude: float, size_ml: int, sparkling: bool, stored_after: float) -> None:
    """Log-normal energies and normal exponents, drawn; the age on the day on which the bottle is 20 effective years old."""
    draws = np.random.default_rng(3)
    one = bottle(place_of_wave(mean, amplitude), 14610, 14610 + stored_after * DAYS_PER_YEAR, size_ml, sparkling)
    years_in_place = float((one.day_of(20.0) - one.stored_from)[0] / DAYS_PER_YEAR)
    energies = ENERGY_KJ * np.exp(ENERGY_LOG_SD * draws.standard_normal(20_000))
    wave = mean + amplitude * np.sin(2 * np.pi * (np.arange(60) + 0.5) / 60)
    rates = ageing_rate(wave[:, None], energies[None, :]).mean(axis=0)
    usual, sd = (0.86, SPARKLING_EXPONENT_SD) if sparkling else (STILL_EXPONENT, STILL_EXPONENT_SD)
    size = size_rate(size_ml, sparkling, usual + sd * draws.standard_normal(20_000))
    ages = size * (stored_after + rates * years_in_place)
    assert one.log_age_sd(20.0)[0] == pytest.approx(np.log(ages).std(), rel=LINEAR_SPREAD)


def test_the_linear_spread_of_a_trace_is_that_of_its_own_way() -> None:
    """Warm for two years, cool ever since: early ages hang on the energy through the warm years, late ages through both."""
    days = np.arange(15000.0, 17000.0, 5)
    temperatures = np.where(days < 15730, 22.0, 9.0)
    energies = ENERGY_KJ * np.exp(ENERGY_LOG_SD * np.random.default_rng(5).standard_normal(3000))
    one = bottle(place_of_trace(days, temperatures), born=15000.0)
    for age in (3.0, 20.0):
        day = one.day_of(age)
        drawn = [bottle(place_of_trace(days, temperatures, energy), born=15000.0).age_on(day)[0] for energy in energies]
        assert one.log_age_sd(age)[0] == pytest.approx(np.log(drawn).std(), rel=0.06, abs=0.005)  # 3,000 draws' own noise 1.3 %


def test_a_bottle_of_the_usual_size_has_no_spread_of_size() -> None:
    assert size_log_sd(750, False) == 0
    assert bottle(UNKNOWN_PLACE).log_age_sd(10.0) == 0


def test_statements_of_others_are_read_at_13_degrees_and_those_of_owners_where_it_lies() -> None:
    hot = bottle(place_of_wave(20.0), born=float(day_of_year(2010)))
    model = curve(1.0, 0.2, 3.0, 0.2)
    others, owner = (
        curves_of_bottles(model, hot, np.array([2018.0]), np.array([np.nan]), np.array([personal])) for personal in (False, True)
    )
    assert 1.0 < others.m1 < np.log(8)
    owners_day = hot.day_of(np.exp(owner.m1))
    assert abs(owners_day - day_of_year(2018)) < 0.12 * (day_of_year(2018) - hot.born)
    assert owner.m1 > others.m1


def test_a_bottles_curve_does_not_depend_on_what_was_stated_for_others() -> None:
    draws = np.random.default_rng(8)
    count = 300
    m1 = draws.uniform(0, 3, count)
    windows = Curves(m1, draws.uniform(0.05, 0.5, count), m1 + draws.uniform(0.001, 2, count), draws.uniform(0.05, 0.5, count))
    cellar = Trajectories.of([place_of_wave(17.0)], np.zeros(count, np.int64), 14610.0, 16000.0, 1500, False)
    first = np.where(np.arange(count) % 3 == 0, 2015.0, np.nan)
    some = curves_of_bottles(windows, cellar, first, np.full(count, np.nan), np.arange(count) % 2 == 0)
    none = curves_of_bottles(windows, cellar, np.full(count, np.nan), np.full(count, np.nan), np.zeros(count, np.bool_))
    unstated = np.isnan(first)
    for one, other in zip((some.m1, some.s1, some.m2, some.s2), (none.m1, none.s1, none.m2, none.s2), strict=True):
        np.testing.assert_array_equal(one[unstated], other[unstated])
        assert (one[~unstated] != other[~unstated]).any()


def test_a_stated_side_stands_where_the_models_other_side_crosses_it() -> None:
    cellar = bottle(UNKNOWN_PLACE, born=float(day_of_year(2010)))
    late = curve(3.0, 0.2, 3.5, 0.2)
    personal = np.array([True])
    ended = curves_of_bottles(late, cellar, np.array([np.nan]), np.array([2012.0]), personal)
    assert ended.m2 == pytest.approx(np.log(3), abs=0.06)
    assert ended.m1 == pytest.approx(ended.m2 - NARROWEST)
    begun = curves_of_bottles(curve(0.0, 0.2, 0.5, 0.2), cellar, np.array([2030.0]), np.array([np.nan]), personal)
    assert begun.m1 == pytest.approx(np.log(20), abs=0.08)
    assert begun.m2 == pytest.approx(begun.m1 + NARROWEST)


def test_dates_beyond_any_calendar_are_its_last_day() -> None:
    frozen = bottle(place_of_wave(-20.0))
    points, _, highs = curve(2.0, 3.0, 9.0, 300.0).landmarks()
    assert days_of(points, frozen)[3, 0] == LAST_DAY
    assert days_of(highs, frozen)[3, 0] == LAST_DAY


def test_places_of_waves_are_those_made_one_by_one() -> None:
    means, amplitudes = np.linspace(5, 30, 2300), np.tile([0.0, 4.0], 1150)
    many = places_of_waves(means, amplitudes)
    assert len(many) == len(means)
    for number in (0, 1, 999, 1000, 2299):
        one = place_of_wave(means[number], amplitudes[number])
        assert many[number].rate == pytest.approx(one.rate, rel=ROUNDING)
        assert many[number].heat.rate == pytest.approx(one.heat.rate, rel=ROUNDING)


def test_each_of_many_bottles_ages_in_its_own_place() -> None:
    draws = np.random.default_rng(1)
    days = np.arange(15000.0, 16000.0, 7)
    places = Places(
        [
            *places_of_waves(draws.uniform(5, 25, 40), np.zeros(40)),
            *(place_of_trace(days, draws.uniform(5, 25, len(days))) for _ in range(9)),
        ]
    )
    place = draws.integers(0, len(places), 500)
    born = day_of_year(draws.integers(1990, 2010, 500))
    stored = born + draws.uniform(0, 4000, 500)
    many = Trajectories.of(places, place, born, stored, 750, False)
    ages = many.age_on(20000.0)
    alone = [bottle(places[place[i]], born[i], stored[i]).age_on(20000.0)[0] for i in range(500)]
    np.testing.assert_allclose(ages, alone, rtol=ROUNDING)
    np.testing.assert_allclose(many.day_of(ages), 20000.0, atol=1e-5)


def test_a_bottle_in_a_place_that_is_not_there_is_an_error() -> None:
    with pytest.raises(IndexError):
        Trajectories.of([UNKNOWN_PLACE], np.array([1]), 0.0, 0.0, 750, False)
