"""True ages: the physics of `cellar_shared.ageing` by each wine's own numbers, with its laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.ageing.bottle_size import STILL_EXPONENT, size_rate
from cellar_shared.ageing.storage import place_of_trace, place_of_wave
from cellar_shared.ageing.trajectory import Trajectories
from cellar_shared.events.simulate.cellars.ages import TrueAges, true_ages

BORN, STORED, DAY = 10_957.0, 13_000.0, 18_000.0
SAME = 1e-9  # relative: both integrate the same formula, one as arrays

temperatures = st.floats(2, 28)
swings = st.floats(0, 12)
energies = st.floats(40, 120)
exponents = st.floats(0.02, 1.0)
sizes = st.sampled_from([375.0, 750.0, 1_500.0, 3_000.0])


def ages(mean: float, swing: float, energy: float, exponent: float, size: float, stored: float = STORED, heat: float = 1.0) -> TrueAges:
    one = [np.array([value]) for value in (mean, swing, energy, exponent, heat, size, BORN, stored)]
    return true_ages(
        one[0], one[1], [], energy_kj=one[2], exponent=one[3], heat=one[4], size_ml=one[5], born=one[6], stored_from=one[7]
    )  # fmt: skip


def on(bottle: TrueAges, day: float) -> float:
    return float(bottle.age_on(np.array([day]))[0])


@given(temperatures, swings, energies, exponents, sizes, st.one_of(st.floats(10_000, 17_000), st.just(float("nan"))))
def test_places_without_a_trace_age_as_the_shared_physics_says(
    mean: float, swing: float, energy: float, exponent: float, size: float, stored: float
) -> None:
    bottle = ages(mean, swing, energy, exponent, size, stored)
    place = place_of_wave(mean, swing, energy)
    usual = Trajectories.of([place], np.zeros(1, np.int64), [BORN], [stored], [750.0], [False])
    expected = float(usual.age_on([DAY])[0]) * float(size_rate(size, False, exponent))
    assert on(bottle, DAY) == pytest.approx(expected, rel=SAME)
    lived = Trajectories.of([place], np.zeros(1, np.int64), [BORN], [stored], [size], [False])
    alike = ages(mean, swing, energy, STILL_EXPONENT, size, stored)
    assert float(alike.end_in_place(np.array([15.0]))[0]) == pytest.approx(15 * float(np.exp(-lived.heat_shift([15.0])[0])), rel=SAME)


@given(temperatures, swings, energies, exponents, sizes, st.floats(0.01, 80))
def test_the_day_of_an_age_is_the_inverse_of_the_age_on_a_day(
    mean: float, swing: float, energy: float, exponent: float, size: float, age: float
) -> None:
    bottle = ages(mean, swing, energy, exponent, size)
    assert on(bottle, float(bottle.day_of(np.array([age]))[0])) == pytest.approx(age, rel=1e-9)


@given(temperatures, st.floats(0.1, 5), swings, energies, exponents, sizes)
def test_warmer_is_never_slower_and_a_magnum_never_faster(
    mean: float, warmer: float, swing: float, energy: float, exponent: float, size: float
) -> None:
    here = ages(mean, swing, energy, exponent, size)
    assert on(ages(mean + warmer, swing, energy, exponent, size), DAY) >= on(here, DAY)
    assert on(ages(mean, swing, energy, exponent, 2 * size), DAY) <= on(here, DAY)
    assert on(here, DAY + 100) > on(here, DAY)


def test_heat_brings_the_end_nearer_and_a_cool_place_does_not() -> None:
    end = np.array([12.0])
    assert ages(24, 4, 78, 0.35, 750).end_in_place(end)[0] < 12
    assert ages(24, 4, 78, 0.35, 750, heat=2.0).end_in_place(end)[0] < ages(24, 4, 78, 0.35, 750).end_in_place(end)[0]
    assert ages(13, 4, 78, 0.35, 750).end_in_place(end)[0] == 12


def test_a_trace_is_integrated_by_each_wines_own_energy() -> None:
    days = np.arange(17_000.0, 17_500.0)
    warm = 18 + 6 * np.sin(2 * np.pi * days / 365.25)
    energy, exponent = np.array([60.0, 78.0, 110.0]), np.array([0.2, 0.35, 0.5])
    born, stored, size = np.full(3, BORN), np.full(3, STORED), np.array([750.0, 1_500.0, 375.0])
    places = [(0, place_of_trace(days, warm, 60.0)), (2, place_of_trace(days, warm, 110.0))]
    mixed = true_ages(np.full(3, 12.0), np.zeros(3), places, energy_kj=energy, exponent=exponent, heat=np.ones(3), size_ml=size, born=born,
                      stored_from=stored)  # fmt: skip
    found = mixed.age_on(np.full(3, DAY))
    for bottle, place in places:
        usual = Trajectories.of([place], np.zeros(1, np.int64), [BORN], [STORED], [750.0], [False])
        rate = float(size_rate(size[bottle], False, exponent[bottle]))
        assert found[bottle] == pytest.approx(rate * float(usual.age_on([DAY])[0]), rel=SAME)
    assert found[1] == pytest.approx(on(ages(12, 0, 78, 0.35, 1_500), DAY), rel=SAME)
    assert mixed.age_on(mixed.day_of(np.full(3, 9.0))) == pytest.approx(np.full(3, 9.0))
    ends = mixed.end_in_place(np.full(3, 12.0))
    assert np.all(ends <= 12) and ends[1] == 12  # it is warmer than 21 degrees in none but the trace's summers
    chosen = np.array([2, 1, 2, 0])
    assert mixed.only(chosen).end_in_place(np.full(4, 12.0)) == pytest.approx(ends[chosen], rel=SAME)
    assert mixed.only(chosen).age_on(np.full(4, DAY)) == pytest.approx(found[chosen], rel=SAME)
