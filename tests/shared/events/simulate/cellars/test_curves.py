"""True curves of quality: laws that hold for any parameters, and draws that belong to ids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.events.simulate.cellars.curves import QualityCurves, gamma_curves, power_curves
from cellar_shared.events.simulate.cellars.draws import normals, uniforms

begins = st.floats(0.1, 30)
stretches = st.floats(1.05, 20)  # of the end over the begin


@st.composite
def curves(draw: st.DrawFn) -> QualityCurves:
    begin = np.array([draw(begins)])
    end = begin * draw(stretches)
    if draw(st.booleans()):
        skew = draw(st.floats(0.05, 2.5)) * draw(st.sampled_from([-1.0, 1.0]))
        return gamma_curves(begin, end, np.array([skew]))
    place, rise, fall = draw(st.floats(0.1, 0.9)), draw(st.floats(1, 12)), draw(st.floats(1, 12))
    return power_curves(begin, end, *(np.array([value]) for value in (place, rise, fall)))


def at(curve: QualityCurves, age: float) -> float:
    return float(curve.quality(np.array([age]))[0])


@given(curves())
def test_quality_is_one_at_the_peak_and_a_half_where_the_window_begins_and_ends(curve: QualityCurves) -> None:
    assert curve.begin[0] < curve.peak[0] < curve.end[0]
    assert at(curve, curve.peak[0]) == pytest.approx(1, abs=1e-9)
    assert at(curve, curve.begin[0]) == pytest.approx(0.5, abs=1e-6)
    assert at(curve, curve.end[0]) == pytest.approx(0.5, abs=1e-6)


@given(curves())
def test_quality_rises_then_falls(curve: QualityCurves) -> None:
    ages = np.exp(np.linspace(np.log(curve.begin[0]) - 3, np.log(curve.end[0]) + 3, 400))
    quality = np.array([at(curve, age) for age in ages])
    assert np.all((quality >= 0) & (quality <= 1 + 1e-12))
    before = ages < curve.peak[0]
    assert np.all(np.diff(quality[before]) >= -1e-12) and np.all(np.diff(quality[~before]) <= 1e-12)
    assert at(curve, 0.0) < 0.01


@given(curves())
def test_near_its_peak_quality_is_at_least_nine_tenths_and_not_beyond(curve: QualityCurves) -> None:
    low, high = (float(edge[0]) for edge in curve.near_peak())
    assert curve.begin[0] <= low <= curve.peak[0] <= high <= curve.end[0]
    assert at(curve, low) == pytest.approx(0.9, abs=1e-6) and at(curve, high) == pytest.approx(0.9, abs=1e-6)


def test_a_draw_belongs_to_its_id_whatever_is_asked_for_beside_it() -> None:
    ids = np.arange(100_000)
    drawn = uniforms(5, 8, ids)
    assert np.array_equal(drawn[[7, 3]], uniforms(5, 8, [7, 3]))
    assert np.all((drawn > 0) & (drawn < 1))
    assert not np.array_equal(drawn, uniforms(6, 8, ids)) and not np.array_equal(drawn, uniforms(5, 9, ids))
    # Five standard errors of 100,000 draws.
    assert drawn.mean() == pytest.approx(0.5, abs=0.005)
    assert np.histogram(drawn, 20, (0, 1))[0] == pytest.approx(np.full(20, 5_000), abs=350)
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.016
    assert abs(np.corrcoef(drawn, uniforms(5, 9, ids))[0, 1]) < 0.016
    normal = normals(5, 8, ids)
    assert normal.mean() == pytest.approx(0, abs=0.016) and normal.std() == pytest.approx(1, abs=0.012)
    assert (np.abs(normal) < 1).mean() == pytest.approx(0.6827, abs=0.0075)
