import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.calibration.measure import ReliabilityBin, bias, checked, ece, noise_floor, reliability, smece

SMECE_PRECISION = 1e-4  # what the docstring promises against the direct integral
ROUNDING = 1e-9

LAW = settings(max_examples=40, deadline=None, derandomize=True)
seeds = st.integers(0, 10_000)


def calibrated(rows, seed, low=0.0, high=1.0):
    generator = np.random.default_rng(seed)
    probabilities = generator.uniform(low, high, rows)
    return (generator.random(rows) < probabilities).astype(float), probabilities


@st.composite
def labelled(draw):
    rows = draw(st.lists(st.tuples(st.sampled_from([0, 1]), st.floats(0, 1)), min_size=1, max_size=60))
    return np.array([label for label, _ in rows]), np.array([probability for _, probability in rows])


def smece_by_quadrature(labels, probabilities, points=2000):
    """The definition, by the midpoint rule, with the mirror images of each row written out."""
    t = (np.arange(points) + 0.5) / points
    images = np.concatenate([sign * probabilities + 2 * k for k in range(-3, 4) for sign in (1, -1)])
    residuals = np.tile(labels - probabilities, 14)

    def error(bandwidth):
        kernel = np.exp(-0.5 * ((t[:, None] - images) / bandwidth) ** 2) / (bandwidth * np.sqrt(2 * np.pi))
        return np.abs(kernel @ residuals).mean() / labels.size

    low, high = 1e-3, 1.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if error(middle) > middle else (low, middle)
    return low


@pytest.mark.parametrize("distort", [lambda p: p, lambda p: p**2, lambda p: np.clip(p + 0.15, 0, 1), np.round])
def test_smece_agrees_with_its_definition_by_quadrature(distort):
    labels, probabilities = calibrated(40, seed=5)
    expected = smece_by_quadrature(labels, distort(probabilities))
    assert smece(labels, distort(probabilities)) == pytest.approx(expected, abs=SMECE_PRECISION)


def test_smece_agrees_with_its_definition_where_the_bandwidth_is_small_and_at_the_edge():
    labels, probabilities = np.zeros(20), np.linspace(0, 0.012, 20)
    expected = smece_by_quadrature(labels, probabilities, points=6000)
    assert 0.002 < expected < 0.02
    assert smece(labels, probabilities) == pytest.approx(expected, rel=1e-3)


def test_one_probability_for_all_has_its_bias_as_every_error():
    labels, probabilities = np.array([1, 0, 0, 0, 0, 1, 0, 0, 0, 1]), np.full(10, 0.7)
    assert bias(labels, probabilities) == pytest.approx(0.4)
    assert ece(labels, probabilities) == pytest.approx(0.4)
    assert smece(labels, probabilities) == pytest.approx(0.4, abs=SMECE_PRECISION)


def test_certain_and_always_right_has_no_error_and_always_wrong_has_all_of_it():
    labels = np.array([0, 1, 1, 0])
    assert ece(labels, labels) == smece(labels, labels) == 0
    assert ece(labels, 1 - labels) == 1
    # Opposite residuals at 0 and 1 cancel where their Gaussians meet: s = 1 - 2 P(|s Z| > 1/2), the far mirrors aside.
    found = smece(labels, 1 - labels)
    assert found == pytest.approx(2 * math.erf(0.5 / found / math.sqrt(2)) - 1, abs=0.003)
    assert 0.4 < found < 0.5


def test_ece_is_the_mean_gap_of_equally_full_bins():
    probabilities = np.array([0.1, 0.2, 0.3, 0.6, 0.8, 0.9])
    labels = np.array([0, 1, 0, 1, 1, 1])
    assert ece(labels, probabilities, bins=2) == pytest.approx((abs(0.6 - 1) + abs(2.3 - 3)) / 6)
    assert ece(labels, probabilities, bins=1) == pytest.approx(abs(bias(labels, probabilities)))


def test_fewer_rows_than_bins_give_each_distinct_probability_its_own_bin():
    labels, probabilities = np.array([1, 0, 1]), np.array([0.9, 0.2, 0.2])
    assert ece(labels, probabilities, bins=15) == pytest.approx((0.1 + abs(0.4 - 1)) / 3)
    assert [b.count for b in reliability(labels, probabilities, bins=15)] == [2, 1]


@LAW
@given(labelled(), st.integers(1, 20))
def test_bins_hold_every_row_once_and_never_part_equal_probabilities(rows, bins):
    labels, probabilities = rows
    found = reliability(labels, probabilities, bins)
    assert len(found) <= bins
    assert sum(b.count for b in found) == labels.size
    assert sum(b.count * b.liked for b in found) == pytest.approx(labels.sum())
    ordered = np.sort(probabilities)
    for last in np.cumsum([b.count for b in found])[:-1]:
        assert ordered[last - 1] < ordered[last]
    assert all(0 <= b.low <= b.liked <= b.high <= 1 for b in found)


def test_bins_of_distinct_probabilities_differ_by_at_most_one_row():
    labels, probabilities = calibrated(1003, seed=2)
    counts = [b.count for b in reliability(labels, probabilities, 15)]
    assert len(counts) == 15
    assert max(counts) - min(counts) <= 1


def test_the_wilson_interval_has_its_published_values():
    ten = reliability(np.array([1] * 8 + [0] * 2), np.full(10, 0.5))[0]
    assert (ten.low, ten.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    none_of_ten = reliability(np.zeros(10), np.full(10, 0.5))[0]
    assert (none_of_ten.low, none_of_ten.high) == pytest.approx((0.0, 0.2775), abs=1e-4)


def test_a_reliability_bin_survives_json():
    found = reliability(*calibrated(50, seed=1), 3)
    assert msgspec.json.decode(msgspec.json.encode(found), type=tuple[ReliabilityBin, ...]) == found


@LAW
@given(labelled())
def test_errors_lie_between_the_bias_and_the_mean_gap(rows):
    labels, probabilities = rows
    least, most = abs(bias(labels, probabilities)), float(np.abs(labels - probabilities).mean())
    assert least - ROUNDING <= ece(labels, probabilities) <= most + ROUNDING <= 1 + ROUNDING
    assert least - SMECE_PRECISION <= smece(labels, probabilities) <= most + SMECE_PRECISION


@LAW
@given(labelled(), st.randoms(use_true_random=False))
def test_errors_do_not_depend_on_the_order_of_rows(rows, random):
    labels, probabilities = rows
    order = list(range(labels.size))
    random.shuffle(order)
    for measure in (ece, smece):
        assert measure(labels[order], probabilities[order]) == pytest.approx(measure(labels, probabilities), abs=SMECE_PRECISION)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seeds)
def test_calibrated_draws_lie_near_the_noise_floor_and_shifted_ones_far_above(seed):
    labels, probabilities = calibrated(3000, seed, low=0.0, high=0.8)
    for measure in (ece, smece):
        floor = noise_floor(measure, probabilities, draws=40, seed=seed + 1)
        assert 0.35 * floor < measure(labels, probabilities) < 2.2 * floor
        assert measure(labels, probabilities + 0.15) > 0.12 > 3 * floor  # 0.03 is four deviations of the share liked


def test_the_noise_floor_falls_with_the_root_of_the_rows_for_binned_error():
    few, many = (noise_floor(ece, calibrated(rows, seed=3)[1], draws=100, seed=4) for rows in (500, 8000))
    assert few / many == pytest.approx(4, rel=0.15)


def test_the_noise_floor_of_one_probability_is_the_mean_deviation_of_a_coin():
    rows = 400  # mean |share - 1/2| of a fair coin is sqrt(1 / (2 pi rows))
    floor = noise_floor(ece, np.full(rows, 0.5), draws=2000, seed=1)
    assert floor == pytest.approx(1 / np.sqrt(2 * np.pi * rows), rel=0.06)


def test_the_noise_floor_is_the_same_for_the_same_seed_and_any_order():
    _, probabilities = calibrated(200, seed=8)
    first = noise_floor(smece, probabilities, draws=5, seed=3)
    assert first == noise_floor(smece, probabilities[::-1], draws=5, seed=3)
    assert first != noise_floor(smece, probabilities, draws=5, seed=4)


def test_a_million_rows_keep_their_precision():
    labels, probabilities = calibrated(1_000_000, seed=9)
    assert ece(labels, probabilities) < 0.003
    assert smece(labels, probabilities) < 0.006
    assert smece(labels, np.full(labels.size, 0.25)) == pytest.approx(labels.mean() - 0.25, abs=SMECE_PRECISION)


@pytest.mark.parametrize(
    ("labels", "probabilities", "complaint"),
    [
        ([1, 0], [0.5], r"shape \(2,\), probabilities \(1,\)"),
        ([[1, 0]], [[0.5, 0.5]], r"one of each per row"),
        ([], [], "no rows"),
        ([1, 0], [0.5, 1.5], r"probability 1\.5 in row 1 is not within \[0, 1\]"),
        ([1, 0], [float("nan"), 0.5], "probability nan in row 0"),
        ([1, 0], [-0.1, 0.5], r"probability -0\.1 in row 0"),
        ([1, 2], [0.5, 0.5], r"label 2\.0 in row 1 is neither 0 nor 1"),
        ([1, float("nan")], [0.5, 0.5], "label nan in row 1"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_its_place(labels, probabilities, complaint):
    for measure in (checked, bias, ece, smece, reliability):
        with pytest.raises(ValueError, match=complaint):
            measure(labels, probabilities)


def test_a_number_of_bins_or_draws_below_one_is_refused():
    with pytest.raises(ValueError, match="bins is 0"):
        ece([1], [0.5], bins=0)
    with pytest.raises(ValueError, match="draws is 0"):
        noise_floor(ece, [0.5], draws=0)
    with pytest.raises(ValueError, match=r"probability 2\.0 in row 0"):
        noise_floor(ece, [2.0, 0.5])


def test_booleans_and_small_integers_are_labels_too():
    probabilities = [0.2, 0.9, 0.4]
    assert ece([False, True, True], probabilities) == ece(np.array([0, 1, 1], dtype=np.int8), probabilities)
