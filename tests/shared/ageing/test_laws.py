"""Laws of ageing that hold for any wine, place and bottle; CELLAR_FUZZ_CASES says how many are drawn (60 by default, always the same)."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellar_shared.ageing.arrhenius import ageing_rate, heat_rate
from cellar_shared.ageing.bottle_size import size_rate
from cellar_shared.ageing.curve import Curves, days_of, phase_of
from cellar_shared.ageing.evidence import curves_of_bottles
from cellar_shared.ageing.storage import DAYS_PER_YEAR, Place, place_of_trace, place_of_wave
from cellar_shared.ageing.trajectory import Trajectories, day_of_year

CASES = int(os.environ.get("CELLAR_FUZZ_CASES", "60"))
ROUNDING = 1e-9  # relative, of ages and rates: some hundred roundings of a sum over a trace
ROUNDING_DAYS = 1e-5  # of dates: an age's rounding, over the slowest rate drawn
ROUNDING_CHANCE = 1e-12  # of drinkability: two exponentials

laws = settings(
    max_examples=CASES,
    deadline=None,
    derandomize="CELLAR_FUZZ_CASES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@dataclass(frozen=True)
class Facts:
    """A bottle's facts: where it lies is `kind`, with `temperatures` as that kind reads them."""

    kind: str
    temperatures: tuple[float, ...]
    days: tuple[float, ...]
    born: float
    stored_from: float
    size_ml: float
    is_sparkling: bool

    def warmer(self, by: tuple[float, ...]) -> Facts:
        """The same bottle where it is warmer: the mean, or each reading by its own."""
        if self.kind == "wave":
            mean, amplitude = self.temperatures
            return replace(self, temperatures=(mean + by[0], amplitude))
        return replace(self, temperatures=tuple(t + by[i % len(by)] for i, t in enumerate(self.temperatures)))

    def place(self) -> Place:
        return place_of_wave(*self.temperatures) if self.kind == "wave" else place_of_trace(self.days, self.temperatures)

    def bottle(self) -> Trajectories:
        return Trajectories.of([self.place()], np.zeros(1, np.int64), self.born, self.stored_from, self.size_ml, self.is_sparkling)


degrees = st.floats(-5, 45)
sizes = st.sampled_from([187, 375, 500, 750, 1000, 1500, 3000, 6000, 15000]) | st.floats(50, 30000)
warmths = st.lists(st.floats(0, 15), min_size=1, max_size=7).map(tuple)


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    born = float(day_of_year(draw(st.integers(1900, 2030))))
    stored = draw(st.floats(-400, 20000) | st.just(float("nan")))
    kind = draw(st.sampled_from(["wave", "trace"]))
    gaps = np.array(draw(st.lists(st.floats(0.01, 200), max_size=12))) if kind == "trace" else np.empty(0)
    start = born + draw(st.floats(-2000, 15000))
    days = start + np.concatenate([[0.0], np.cumsum(gaps)])
    if kind == "trace":
        temperatures = tuple(draw(st.lists(degrees, min_size=len(days), max_size=len(days))))
    else:
        temperatures = (draw(degrees), draw(st.floats(0, 15) | st.just(0.0)))
    return Facts(kind, temperatures, tuple(days), born, born + stored, draw(sizes), draw(st.booleans()))


@st.composite
def windows(draw: st.DrawFn) -> Curves:
    """The model's window: any begin from three months to 55 years, any end after it."""
    m1, gap = draw(st.floats(-1.4, 4)), draw(st.floats(0.001, 4))
    widths = st.floats(0.02, 1.5)
    return Curves(*(np.array([x]) for x in (m1, draw(widths), m1 + gap, draw(widths))))


stated_years = st.integers(-1, 80) | st.none()
Statement = tuple[float, float, bool]
statements = st.tuples(stated_years, stated_years, st.booleans())


def curve_of(window: Curves, bottle: Trajectories, begin: int | None, end: int | None, is_personal: bool) -> Curves:
    """The bottle's curve; years are stated as so many after the vintage."""
    vintage = 1970 + round(bottle.born[0] / DAYS_PER_YEAR)
    first, last = (np.array([np.nan if year is None else float(vintage + year)]) for year in (begin, end))
    return curves_of_bottles(window, bottle, first, last, np.array([is_personal]))


def dates_of(curve: Curves, bottle: Trajectories) -> npt.NDArray[np.float64]:
    """The four dates with their fraction of a day."""
    points, _, _ = curve.landmarks()
    return np.array([bottle.day_of(np.exp(point))[0] for point in points])


@laws
@given(facts(), windows(), statements)
def test_a_curve_rises_then_falls(bottle_facts: Facts, window: Curves, stated: Statement) -> None:
    bottle = bottle_facts.bottle()
    for curve in (window, curve_of(window, bottle, *stated)):
        assert curve.s1[0] > 0
        assert curve.s2[0] > 0
        assert curve.m2[0] > curve.m1[0]
        top = curve.peak()[0][0]
        logs = np.sort(np.concatenate([np.linspace(curve.m1[0] - 30 * curve.s1[0], curve.m2[0] + 30 * curve.s2[0], 400), [top]]))
        steps = np.diff(curve.drinkability(np.exp(logs)))
        rising = logs[1:] <= top
        assert (steps[rising] >= -ROUNDING_CHANCE).all()
        assert (steps[~rising] <= ROUNDING_CHANCE).all()


@laws
@given(facts(), windows(), statements, st.lists(st.floats(-500, 60000), min_size=2, max_size=20))
def test_a_curve_over_calendar_days_rises_then_falls(bottle_facts: Facts, window: Curves, stated: Statement, days: list[float]) -> None:
    bottle = bottle_facts.bottle()
    curve = curve_of(window, bottle, *stated)
    top = bottle.day_of(np.exp(curve.peak()[0]))[0]
    chances = [float(curve.drinkability(bottle.age_on(bottle.born + day))[0]) for day in sorted(days)]
    assert all(0 <= chance <= 1 for chance in chances)
    for (before, low), (after, high) in itertools.pairwise(zip(sorted(days), chances, strict=True)):
        if bottle.born[0] + after <= top:
            assert high >= low - ROUNDING_CHANCE
        if bottle.born[0] + before >= top:
            assert high <= low + ROUNDING_CHANCE


@laws
@given(degrees, st.floats(0, 20), st.floats(30, 150))
def test_warmer_never_has_a_lower_rate(temperature: float, by: float, energy: float) -> None:
    assert ageing_rate(temperature + by, energy) >= ageing_rate(temperature, energy) * (1 - ROUNDING)
    assert heat_rate(temperature + by, energy) >= heat_rate(temperature, energy) * (1 - ROUNDING)
    assert heat_rate(temperature, energy) >= ageing_rate(temperature, energy) * (1 - ROUNDING)


@laws
@given(facts(), warmths, st.floats(-500, 40000))
def test_warmer_never_makes_a_bottle_younger(cool: Facts, by: tuple[float, ...], day: float) -> None:
    warm = cool.warmer(by)
    assert warm.place().rate >= cool.place().rate * (1 - ROUNDING)
    young, old = cool.bottle().age_on(cool.born + day)[0], warm.bottle().age_on(cool.born + day)[0]
    assert old >= young - ROUNDING * max(abs(young), 1)


@laws
@given(facts(), windows(), warmths, stated_years, stated_years)
def test_warmer_never_makes_a_date_later(cool: Facts, window: Curves, by: tuple[float, ...], begin: int | None, end: int | None) -> None:
    """Begin and end, also with what others stated. What owners state for their very bottle stays where it is.

    All four dates hold to it for a given curve. The peak's own do not where the place makes the curve another: how little is known of
    the physics there widens it, and where warmer winters make less of the ageing a summer's heat, its end lies at a higher effective
    age; either moves the peak within the window.
    """
    dates, of_a_given_curve = [], []
    for bottle in (cool.warmer(by).bottle(), cool.bottle()):
        dates.append(dates_of(curve_of(window, bottle, begin, end, False), bottle)[[0, 3]])
        of_a_given_curve.append(dates_of(window, bottle))
    assert (dates[0] <= dates[1] + ROUNDING_DAYS).all()
    assert (of_a_given_curve[0] <= of_a_given_curve[1] + ROUNDING_DAYS).all()


@laws
@given(facts(), sizes, st.floats(0, 40000))
def test_a_larger_bottle_never_ages_faster(bottle: Facts, other_ml: float, day: float) -> None:
    small, large = sorted([bottle.size_ml, other_ml])
    assert size_rate(large, bottle.is_sparkling) <= size_rate(small, bottle.is_sparkling)
    ages = [replace(bottle, size_ml=size).bottle().age_on(bottle.born + day)[0] for size in (small, large)]
    assert ages[1] <= ages[0] + ROUNDING * ages[0]


@laws
@given(facts(), windows(), stated_years, stated_years, sizes)
def test_a_larger_bottle_is_never_ready_or_gone_earlier(
    bottle: Facts, window: Curves, begin: int | None, end: int | None, ml: float
) -> None:
    small, large = (replace(bottle, size_ml=size, stored_from=bottle.born) for size in sorted([bottle.size_ml, ml]))
    first, second = (dates_of(curve_of(window, one.bottle(), begin, end, False), one.bottle()) for one in (small, large))
    assert (first[[0, 3]] <= second[[0, 3]] + ROUNDING_DAYS).all()


@laws
@given(facts(), st.floats(-1000, 40000), st.floats(0, 10000))
def test_later_is_never_younger(bottle: Facts, day: float, later: float) -> None:
    first, second = (bottle.bottle().age_on(bottle.born + at)[0] for at in (day, day + later))
    assert second >= first - ROUNDING * max(abs(first), 1)


@laws
@given(facts(), st.floats(0.001, 200))
def test_the_day_of_an_age_has_that_age(bottle: Facts, age: float) -> None:
    one = bottle.bottle()
    np.testing.assert_allclose(one.age_on(one.day_of(age)), age, rtol=ROUNDING, atol=ROUNDING)


@laws
@given(facts(), windows(), statements)
def test_dates_are_in_order_and_intervals_hold_them(bottle_facts: Facts, window: Curves, stated: Statement) -> None:
    bottle = bottle_facts.bottle()
    points, lows, highs = (days_of(ends, bottle) for ends in curve_of(window, bottle, *stated).landmarks())
    assert (lows <= points).all()
    assert (points <= highs).all()
    for ends in (lows, points, highs):
        assert (np.diff(ends, axis=0) >= 0).all()


@laws
@given(facts(), windows(), statements, st.floats(-500, 60000))
def test_phases_follow_the_dates(bottle_facts: Facts, window: Curves, stated: Statement, since_born: float) -> None:
    bottle = bottle_facts.bottle()
    dates = days_of(curve_of(window, bottle, *stated).landmarks()[0], bottle)
    ready_from, peak_from, peak_to, drink_by = dates[:, 0]
    for day in (int(bottle.born[0] + since_born), ready_from, ready_from - 1, peak_from, peak_to, peak_to + 1, drink_by, drink_by + 1):
        expected = 0 if day < ready_from else 1 if day < peak_from else 2 if day <= peak_to else 3 if day <= drink_by else 4
        assert phase_of(day, dates) == [expected]


@laws
@given(facts(), st.floats(0, 40000))
def test_the_published_line_is_the_age_from_its_day_on(bottle: Facts, later: float) -> None:
    one = bottle.bottle()
    age_from, age_years, rate = one.rest()
    assert age_from == np.ceil(age_from)
    np.testing.assert_allclose(age_years + rate * later / DAYS_PER_YEAR, one.age_on(age_from + later), rtol=ROUNDING, atol=ROUNDING)


@laws
@given(facts(), windows(), stated_years.filter(lambda year: year is not None), st.sampled_from(["begin", "end"]))
def test_an_owners_statement_lies_between_the_models_date_and_its_own(bottle_facts: Facts, window: Curves, year: int, side: str) -> None:
    """The combined date is never outside of the two it combines."""
    bottle = bottle_facts.bottle()
    worn = window.worn_by(bottle)
    combined = curve_of(window, bottle, year if side == "begin" else None, year if side == "end" else None, True)
    vintage = 1970 + round(bottle.born[0] / DAYS_PER_YEAR)
    stated = np.log(np.maximum(bottle.age_on(day_of_year([vintage + year + (side == "end")])), 0.25))
    mine, models = (combined.m1, worn.m1) if side == "begin" else (combined.m2, worn.m2)
    assert min(stated[0], models[0]) - ROUNDING <= mine[0] <= max(stated[0], models[0]) + ROUNDING


@laws
@given(facts(), st.integers(1, 5), st.integers(1, 40), st.floats(0, 40000))
def test_bottles_age_alone_as_they_do_among_others(bottle: Facts, places: int, bottles: int, day: float) -> None:
    warm = [place_of_wave(10 + 3 * i) for i in range(places)]
    number = np.arange(bottles) % (places + 1)
    many = Trajectories.of([*warm, bottle.place()], number, bottle.born, bottle.stored_from, bottle.size_ml, bottle.is_sparkling)
    mine = number == places
    np.testing.assert_array_equal(many.age_on(bottle.born + day)[mine], np.repeat(bottle.bottle().age_on(bottle.born + day), mine.sum()))
