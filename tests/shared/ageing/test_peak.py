"""The quick search for a curve's landmarks agrees with bisection, whatever the shape."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from cellar_shared.ageing.curve import AT_ONCE, NEAR_THE_PEAK, Curves
from cellar_shared.ageing.peak import peaks

# Bisection stops where two neighbouring numbers are left; what the two searches then differ by is rounding of the log of drinkability.
SAME_LOG_AGE = 1e-9
HALVINGS = 90
Floats = npt.NDArray[np.float64]


def by_bisection(m1: Floats, s1: Floats, m2: Floats, s2: Floats) -> tuple[Floats, Floats, Floats]:
    """The landmarks by the definition alone, slowly."""

    def log_drinkability(u: Floats) -> Floats:
        return -np.logaddexp(0, (m1 - u) / s1) - np.logaddexp(0, (u - m2) / s2)

    def halved(true_side: Floats, other: Floats, holds: object) -> Floats:
        inside, outside = true_side.copy(), other.copy()
        for _ in range(HALVINGS):
            middle = (inside + outside) / 2
            true = holds(middle)  # type: ignore[operator]
            inside, outside = np.where(true, middle, inside), np.where(true, outside, middle)
        return inside

    def rises(u: Floats) -> npt.NDArray[np.bool_]:
        return -np.logaddexp(0, (u - m1) / s1) - np.log(s1) > -np.logaddexp(0, (m2 - u) / s2) - np.log(s2)

    below, above = m1 - 40 * s1, m2 + 40 * s2
    top = halved(below, above, rises)
    level = log_drinkability(top) + np.log(NEAR_THE_PEAK)

    def is_near(u: Floats) -> npt.NDArray[np.bool_]:
        return log_drinkability(u) >= level

    return top, np.clip(halved(top, below, is_near), m1, m2), np.clip(halved(top, above, is_near), m1, m2)


def drawn(widths: tuple[float, float], gaps: tuple[float, float], count: int = 20_000) -> tuple[Floats, Floats, Floats, Floats]:
    random = np.random.default_rng(7)

    def between(low: float, high: float) -> Floats:
        return np.exp(random.uniform(np.log(low), np.log(high), count))

    m1 = random.uniform(-2, 5, count)
    return m1, between(*widths), m1 + between(*gaps), between(*widths)


@pytest.mark.parametrize(
    ("widths", "gaps"),
    [
        pytest.param((0.05, 0.6), (0.1, 2.0), id="usual"),
        pytest.param((0.003, 8.0), (1e-6, 8.0), id="any"),
        pytest.param((0.5, 8.0), (0.02, 0.05), id="widths_above_the_gap"),
        pytest.param((0.001, 0.01), (3.0, 9.0), id="flat_tops"),
    ],
)
def test_the_landmarks_are_those_of_bisection(widths: tuple[float, float], gaps: tuple[float, float]) -> None:
    curves = drawn(widths, gaps)
    for quick, slow in zip(peaks(*curves, NEAR_THE_PEAK), by_bisection(*curves), strict=True):
        np.testing.assert_allclose(quick, slow, rtol=0, atol=SAME_LOG_AGE)


def test_the_bisection_it_is_held_to_finds_a_symmetric_top() -> None:
    top, low, high = by_bisection(np.array([1.0]), np.array([0.2]), np.array([2.0]), np.array([0.2]))
    assert top == pytest.approx(1.5, abs=1e-12)
    assert low + high == pytest.approx(3.0, abs=1e-12)


def test_a_curve_has_the_same_landmarks_alone_and_among_others() -> None:
    m1, s1, m2, s2 = drawn((0.01, 2.0), (0.02, 3.0), 2 * AT_ONCE + 3)
    many = np.stack(Curves(m1, s1, m2, s2).landmarks())
    for number in (*range(0, 2 * AT_ONCE, 97), AT_ONCE - 1, AT_ONCE, 2 * AT_ONCE + 2):
        one = slice(number, number + 1)
        alone = np.stack(Curves(m1[one], s1[one], m2[one], s2[one]).landmarks())
        np.testing.assert_array_equal(alone[..., 0], many[..., number])


def test_no_curves_have_no_landmarks() -> None:
    none = np.empty(0)
    assert [array.shape for array in Curves(none, none, none, none).landmarks()] == [(4, 0)] * 3
