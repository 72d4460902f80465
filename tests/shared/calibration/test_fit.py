"""Fitting a calibrator: known lines are found, sparse cells keep to the common one, bad rows are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.calibration.apply import Calibrator
from cellar_shared.calibration.fit import fit_calibrator

SAMPLING_ERROR = 0.05  # about three standard errors of slope and offset at 20,000 rows
BANDS = {"tastings_from": (0, 5), "ratings_from": (0, 10)}


def answers(rows, seed, slope, offset):
    """Logits, and labels that come true with the line's chance."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, rows)
    return logits, (generator.random(rows) < 1 / (1 + np.exp(-(slope * logits + offset)))).astype(float)


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (0.5, 0.4), (1.6, -0.8)])
def test_a_known_line_is_found(slope, offset):
    logits, labels = answers(20_000, 1, slope, offset)
    nothing = np.zeros(len(logits))
    found = fit_calibrator(logits, labels, nothing, nothing, tastings_from=(0,), ratings_from=(0,))
    assert found.slopes[0, 0] == pytest.approx(slope, abs=SAMPLING_ERROR)
    assert found.offsets[0, 0] == pytest.approx(offset, abs=SAMPLING_ERROR)


def test_every_cell_with_many_rows_finds_a_line_of_its_own():
    lines = {(0, 0): (0.8, 0.3), (0, 10): (1.2, 0.3), (5, 0): (0.8, -0.3), (5, 10): (1.2, -0.3)}
    parts = [(cell, *answers(20_000, seed, *line)) for seed, (cell, line) in enumerate(lines.items())]
    logits, labels = (np.concatenate([part[place] for part in parts]) for place in (1, 2))
    tastings, ratings = (np.repeat([part[0][place] for part in parts], 20_000) for place in (0, 1))
    found = fit_calibrator(logits, labels, tastings, ratings, **BANDS)
    np.testing.assert_allclose(found.slopes, [[0.8, 1.2], [0.8, 1.2]], atol=1.5 * SAMPLING_ERROR)
    np.testing.assert_allclose(found.offsets, [[0.3, 0.3], [-0.3, -0.3]], atol=1.5 * SAMPLING_ERROR)


def fitted_with_a_sparse_cell(rows):
    """20,000 rows of one line in the first cell, and `rows` in the last whose labels all say the opposite; it and the common line."""
    logits, labels = answers(20_000, 3, 1.0, 0.2)
    some = np.linspace(-2, 2, rows)
    all_logits, all_labels = np.concatenate([logits, some]), np.concatenate([labels, some < 0])
    evidence = np.concatenate([np.zeros(len(logits)), np.full(rows, 50)])
    found = fit_calibrator(all_logits, all_labels, evidence, evidence, **BANDS)
    nothing = np.zeros(len(all_logits))
    common = fit_calibrator(all_logits, all_labels, nothing, nothing, tastings_from=(0,), ratings_from=(0,))
    return found, common


def test_a_cell_without_rows_has_the_common_line_and_one_with_few_stays_near_it():
    found, common = fitted_with_a_sparse_cell(4)
    np.testing.assert_allclose(found.slopes[0, 1], common.slopes[0, 0], rtol=1e-3)  # no rows: only the pull's own share apart
    np.testing.assert_allclose(found.offsets[1, 0], common.offsets[0, 0], atol=1e-3)
    assert found.slopes[1, 1] == pytest.approx(common.slopes[0, 0], abs=0.1)
    assert found.offsets[1, 1] == pytest.approx(common.offsets[0, 0], abs=0.1)


def test_the_more_rows_insist_the_further_a_cell_leaves_the_common_line():
    slopes = [fitted_with_a_sparse_cell(rows)[0].slopes[1, 1] for rows in (4, 40, 400)]
    assert slopes == sorted(slopes, reverse=True)
    assert slopes[-1] < 0.5 * slopes[0]


def test_a_row_of_weight_two_is_two_rows():
    logits, labels = answers(300, 5, 0.7, 0.1)
    nothing, weights = np.zeros(300), np.where(np.arange(300) < 100, 2.0, 1.0)
    twice = np.concatenate([np.arange(300), np.arange(100)])
    one = fit_calibrator(logits, labels, nothing, nothing, weights=weights, tastings_from=(0,), ratings_from=(0,))
    other = fit_calibrator(logits[twice], labels[twice], nothing[twice], nothing[twice], tastings_from=(0,), ratings_from=(0,))
    np.testing.assert_allclose(one.slopes, other.slopes, rtol=1e-6)
    np.testing.assert_allclose(one.offsets, other.offsets, rtol=1e-6)


rows = st.lists(st.tuples(st.floats(-50, 50), st.booleans(), st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=12)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(rows)
def test_any_rows_make_a_calibrator_and_it_is_no_worse_on_them_than_leaving_the_logits_alone(drawn):
    """One label only, rows that a line parts without error, one row: none of it may run away."""
    logits, labels, tastings, ratings = (np.array(column, dtype=float) for column in zip(*drawn, strict=True))
    found = fit_calibrator(logits, labels, tastings, ratings, **BANDS)
    assert isinstance(found, Calibrator)
    plain = Calibrator((0,), (0,), np.ones((1, 1)), np.zeros((1, 1)))

    def log_loss(calibrator):
        chances = calibrator.apply(logits, tastings, ratings)
        return -np.log(np.where(labels == 1, chances, 1 - chances)).sum()

    assert log_loss(found) <= log_loss(plain) + 1e-6


def test_the_slope_stays_above_0_even_where_the_labels_say_the_opposite():
    logits = np.linspace(-3, 3, 500)
    nothing = np.zeros(500)
    found = fit_calibrator(logits, (logits < 0).astype(float), nothing, nothing, tastings_from=(0,), ratings_from=(0,))
    assert 0 < found.slopes[0, 0] < 0.1


@pytest.mark.parametrize("labels", [[], [0.5], [2.0], [np.nan]])
def test_no_rows_and_labels_that_are_neither_0_nor_1_are_refused(labels):
    nothing = np.zeros(len(labels))
    with pytest.raises(ValueError, match="needs rows, and labels that are 0 or 1"):
        fit_calibrator(nothing, np.array(labels), nothing, nothing, tastings_from=(0,), ratings_from=(0,))
