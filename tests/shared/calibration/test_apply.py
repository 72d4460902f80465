"""Laws of the calibrator: order kept in a cell, never certain, the right cell, the same after a round trip through JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.calibration.apply import SUREST, Calibrator

LAW = settings(max_examples=100, deadline=None, derandomize=True)
bands = st.sets(st.integers(1, 60), max_size=3).map(lambda rest: (0, *sorted(rest)))
logits = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100)
evidence = st.integers(0, 1000)


@st.composite
def calibrators(draw):
    tastings_from, ratings_from = draw(bands), draw(bands)
    shape = (len(tastings_from), len(ratings_from))
    size = shape[0] * shape[1]
    slopes = draw(st.lists(st.floats(1e-3, 1e3), min_size=size, max_size=size))
    offsets = draw(st.lists(st.floats(-1e3, 1e3), min_size=size, max_size=size))
    return Calibrator(tastings_from, ratings_from, np.array(slopes).reshape(shape), np.array(offsets).reshape(shape))


@LAW
@given(calibrators(), st.lists(logits, min_size=1, max_size=20), evidence, evidence)
def test_within_a_cell_the_order_of_the_logits_is_kept_and_nothing_is_certain(calibrator, raw, tastings, ratings):
    ordered = np.array(sorted(raw))
    chances = calibrator.apply(ordered, np.full(len(raw), tastings), np.full(len(raw), ratings))
    assert (np.diff(chances) >= 0).all()
    assert ((chances > 0) & (chances < 1)).all()
    cell = calibrator.cells(np.array([tastings]), np.array([ratings]))
    lines = calibrator.slopes[cell] * ordered + calibrator.offsets[cell]
    apart = (np.diff(lines) > 1e-6) & (np.abs(lines[1:]) < 15) & (np.abs(lines[:-1]) < 15)
    assert (np.diff(chances)[apart] > 0).all()


@LAW
@given(calibrators(), evidence, evidence)
def test_a_count_lies_in_the_last_band_that_it_reaches(calibrator, tastings, ratings):
    row, column = calibrator.cells(np.array([tastings]), np.array([ratings]))
    assert row[0] == sum(tastings >= bound for bound in calibrator.tastings_from) - 1
    assert column[0] == sum(ratings >= bound for bound in calibrator.ratings_from) - 1


@LAW
@given(calibrators(), st.lists(st.tuples(logits, evidence, evidence), max_size=10))
def test_json_brings_the_same_calibrator_back(calibrator, rows):
    read = Calibrator.from_json(json.loads(json.dumps(calibrator.to_json())))
    raw, tastings, ratings = np.array(rows, dtype=float).reshape(-1, 3).T
    np.testing.assert_array_equal(read.apply(raw, tastings, ratings), calibrator.apply(raw, tastings, ratings))
    assert (read.tastings_from, read.ratings_from) == (calibrator.tastings_from, calibrator.ratings_from)


@LAW
@given(st.floats(-20, 20), st.floats(0.1, 5), st.floats(-5, 5))
def test_each_cell_has_the_logistic_curve_of_its_own_line(logit, slope, offset):
    calibrator = Calibrator((0, 5), (0,), np.array([[1.0], [slope]]), np.array([[0.0], [offset]]))
    chances = calibrator.apply(np.array([logit, logit]), np.array([4, 5]), np.array([0, 99]))
    lines = np.clip([logit, slope * logit + offset], -SUREST, SUREST)
    assert chances == pytest.approx(1 / (1 + np.exp(-lines)))


@pytest.mark.parametrize("bounds", [(), (1,), (0, 0), (0, 5, 3), (1, 2), (-1, 0)])
def test_bands_that_do_not_begin_at_0_and_rise_are_refused(bounds):
    shape = (1, len(bounds))
    with pytest.raises(ValueError, match="must begin at 0 and rise"):
        Calibrator((0,), bounds, np.ones(shape), np.zeros(shape))
    with pytest.raises(ValueError, match="must begin at 0 and rise"):
        Calibrator(bounds, (0,), np.ones(shape[::-1]), np.zeros(shape[::-1]))


@pytest.mark.parametrize(
    ("slope", "offset", "sentence"),
    [
        ([[0.0]], [[0.0]], "slopes must be above 0"),
        ([[-1.0]], [[0.0]], "slopes must be above 0"),
        ([[np.nan]], [[0.0]], "slopes must be above 0"),
        ([[np.inf]], [[0.0]], "finite"),
        ([[1.0]], [[np.inf]], "finite"),
        ([[1.0, 1.0]], [[0.0]], r"must both be \(1, 1\)"),
        ([[1.0]], [0.0], r"must both be \(1, 1\)"),
    ],
)
def test_lines_that_could_turn_the_order_or_have_no_value_are_refused(slope, offset, sentence):
    with pytest.raises(ValueError, match=sentence):
        Calibrator((0,), (0,), np.array(slope), np.array(offset))
