import numpy as np
import pytest

from cellar_drinkability.training.baselines import boosted_aft, encodings, shrunken_medians, variety_medians, weibull_aft
from cellar_drinkability.training.judge import AGES, coverages, in_window_error, judge, overlap
from cellar_shared.ageing.curve import Curves


def curves(begin, end, s1=0.1, s2=0.1):
    begin, end = np.asarray(begin, float), np.asarray(end, float)
    return Curves(np.log(begin), np.full(len(begin), s1), np.log(end), np.full(len(end), s2))


def stated(rows):
    """Windows that say what the rows state, and about that elsewhere."""
    begin = np.where(np.isfinite(rows.begin), rows.begin, np.fmin(rows.end, 99) / 2)
    return begin, np.where(np.isfinite(rows.end), rows.end, begin * 2)


def test_whoever_answers_what_was_stated_has_no_error(rows):
    found = judge(rows, curves(*stated(rows), 0.02, 0.02)).measures
    assert found["start_mae"].value == pytest.approx(0, abs=1e-9) and found["end_mae"].value == pytest.approx(0, abs=1e-9)
    assert found["iou"].value == pytest.approx(1)
    assert found["start_concordance"].value == found["end_concordance"].value == 1
    assert found["start_coverage"].value == 1
    assert found["brier"].value < 0.03
    assert found["impossible"].value == found["before_start"].value == 0


def test_years_off_are_years_off_and_count_by_kind(rows):
    begin, end = stated(rows)
    found = judge(rows, curves(begin + 2, end + 3))
    assert found.measures["start_mae"].value == pytest.approx(2) and found.measures["end_mae"].value == pytest.approx(3)
    assert {name: round(each.value, 6) for name, (each, _) in found.by_kind.items()} == {
        "start range": 2, "start start": 2, "end range": 3, "end through": 3,
    }  # fmt: skip
    assert found.by_kind["start range"][1] == int((rows.kind == "range").sum())


def test_windows_that_end_before_they_begin_are_counted(rows):
    begin, end = stated(rows)
    crossed = np.where(np.arange(len(rows)) % 4 == 0, begin / 2, end)
    found = judge(rows, curves(begin, crossed)).measures
    assert found["impossible"].value == pytest.approx(np.mean(np.arange(len(rows)) % 4 == 0))
    assert found["before_start"].value > 0.2


def test_intervals_hold_the_value_and_are_wider_for_fewer_wineries(rows):
    noisy = curves(*(ages * np.exp(np.random.default_rng(3).normal(0, 0.3, len(rows))) for ages in stated(rows)))
    few = rows.take(rows.winery < 15)
    wide = judge(few, Curves(*(values[rows.winery < 15] for values in (noisy.m1, noisy.s1, noisy.m2, noisy.s2))))
    narrow = judge(rows, noisy)
    for name, estimate in narrow.measures.items():
        assert estimate.low <= estimate.value <= estimate.high, name
    for name in ("start_mae", "end_mae", "iou", "start_concordance"):
        assert wide.measures[name].high - wide.measures[name].low > 1.5 * (narrow.measures[name].high - narrow.measures[name].low)


def test_logistic_errors_are_covered_as_often_as_claimed():
    rng = np.random.default_rng(5)

    class Made:
        ages = np.exp(2 + 0.1 * rng.logistic(size=(2, 20_000)))

    zeros = np.zeros(20_000)
    for each in coverages(Made, Curves(zeros + 2, zeros + 0.1, zeros + 2, zeros + 0.1)):
        assert each.share == pytest.approx(each.level, abs=0.015)


def test_in_window_error_and_overlap_of_known_windows():
    ages = np.array([[4.0, 4.0, 4.0], [8.0, 8.0, np.nan]])
    np.testing.assert_allclose(overlap(ages, np.array([[4.0, 10.0, 4.0], [8.0, 12.0, 8.0]])), [1, 0, np.nan])
    assert overlap(ages[:, :1], np.array([[6.0], [10.0]]))[0] == pytest.approx(2 / 6)
    error = in_window_error(ages, curves([4, 12, 4], [8, 16, 8], 1e-4, 1e-4))
    assert error[0] == 0 and error[1] == pytest.approx(8 / len(AGES)) and np.isnan(error[2])


def test_baselines_learn_something_and_the_medians_are_medians(rows):
    test = rows.winery % 4 == 0
    train, asked = rows.take(~test), rows.take(test)
    constant = np.abs(asked.begin - np.nanmedian(train.begin))[np.isfinite(asked.begin)].mean()
    for answers in (variety_medians(train, asked), shrunken_medians(train, asked), weibull_aft(train, asked), boosted_aft(train, asked, 1)):
        assert answers.shape == (2, len(asked)) and (answers > 0).all()
        assert np.nanmean(np.abs(answers[0] - asked.begin)) < 0.8 * constant
    grapes = np.array([each[0] for each in train.wines["grapes"].to_list()])
    nebbiolo = np.array([each[0] == "Nebbiolo" for each in asked.wines["grapes"].to_list()])
    assert set(variety_medians(train, asked)[0][nebbiolo]) == {np.nanmedian(train.begin[grapes == "Nebbiolo"])}


def test_an_encoding_of_a_training_row_never_holds_its_own_statement(rows, fitted):
    """A planted leak: one winery in a region of its own states an absurd age; its own encodings must not show it."""
    facts = fitted.vocabulary.encode(rows.wines)
    before = encodings(rows, facts, None, 0)
    mine = np.flatnonzero((rows.winery == rows.winery[0]) & np.isfinite(rows.begin))
    rows.begin[mine] *= 50
    try:
        after = encodings(rows, facts, None, 0)
        leaking = encodings(rows, facts, facts, 0)
    finally:
        rows.begin[mine] /= 50
    np.testing.assert_allclose(after[mine], before[mine], atol=1e-12)
    assert np.abs(leaking[mine] - before[mine]).max() > 0.05
