import math

import numpy as np
import pytest

from cellar_preference.training.evaluation.judge import judge_split
from cellar_preference.training.evaluation.metrics import Concordance, auc, brier, log_loss, within_member_auc
from cellar_shared.evaluation.bootstrap import (
    cluster_codes,
    draw_counts,
    interval_95,
    resample_ratios,
    resample_weighted,
    sum_by_cluster,
)


def interval_of_mean(values, codes, clusters, seed, resamples=300):
    sums = sum_by_cluster(codes, values, clusters)[:, None]
    rows = sum_by_cluster(codes, np.ones_like(values), clusters)[:, None]
    return interval_95(values.mean(), resample_ratios(sums, rows, resamples, seed)[:, 0])


def test_intervals_over_clusters_cover_the_mean_of_clustered_rows_and_intervals_over_rows_do_not():
    clusters, per_cluster, trials = 60, 8, 250
    codes = np.repeat(np.arange(clusters), per_cluster)
    generator = np.random.default_rng(11)
    by_cluster = by_row = 0
    for trial in range(trials):
        values = generator.normal(size=clusters)[codes] + generator.normal(size=codes.size) / 2  # true mean 0
        low, high = interval_of_mean(values, codes, clusters, seed=trial)
        by_cluster += low <= 0 <= high
        low, high = interval_of_mean(values, np.arange(codes.size), codes.size, seed=trial)
        by_row += low <= 0 <= high
    assert 0.90 <= by_cluster / trials <= 0.98  # 95 % less a little for 60 clusters, give or take 250 trials
    assert by_row / trials < 0.70


def test_the_spread_of_resampled_means_is_the_standard_error():
    values = np.random.default_rng(3).normal(size=400)
    resampled = resample_ratios(values[:, None], np.ones((400, 1)), resamples=4000, seed=5)[:, 0]
    assert resampled.std() == pytest.approx(values.std() / 20, rel=0.05)
    assert resampled.mean() == pytest.approx(values.mean(), abs=0.005)


def test_resampled_ratios_are_those_of_the_rows_drawn():
    generator = np.random.default_rng(4)
    codes, values = generator.integers(0, 9, 50), generator.random(50)
    sums, rows = sum_by_cluster(codes, values, 9), sum_by_cluster(codes, np.ones(50), 9)
    found = resample_ratios(sums[:, None], rows[:, None], resamples=6, seed=2)[:, 0]
    for counts, mean in zip(draw_counts(9, 6, seed=2), found, strict=True):
        drawn = np.concatenate([np.tile(values[codes == c], int(counts[c])) for c in range(9)])
        assert drawn.mean() == pytest.approx(mean)


def test_resampled_auc_is_the_auc_of_the_rows_drawn():
    generator = np.random.default_rng(6)
    codes, scores = generator.integers(0, 7, 60), generator.integers(0, 9, 60) / 9
    labels = (generator.random(60) < 0.5).astype(float)
    found = resample_weighted(Concordance.of(labels, scores).share, codes, 7, resamples=5, seed=2)
    for counts, value in zip(draw_counts(7, 5, seed=2), found, strict=True):
        drawn = np.repeat(np.arange(60), counts[codes].astype(int))
        assert auc(labels[drawn], scores[drawn]) == pytest.approx(value)


def test_every_resample_draws_as_many_clusters_as_there_are():
    drawn = list(draw_counts(13, 20, seed=1))
    assert all(counts.sum() == 13 for counts in drawn)
    assert len({tuple(counts) for counts in drawn}) == 20


def test_codes_count_distinct_ids_of_any_kind():
    codes, clusters = cluster_codes(["m7", "m1", "m7"])
    assert (codes.tolist(), clusters) == ([1, 0, 1], 2)


def test_a_ratio_without_a_denominator_is_left_out_of_the_interval():
    resampled = resample_ratios(np.array([[1.0], [0.0]]), np.array([[2.0], [0.0]]), resamples=50, seed=1)
    assert set(resampled[np.isfinite(resampled)]) == {0.5}
    assert np.isnan(resampled).any()
    assert interval_95(0.5, resampled[:, 0]) == (0.5, 0.5)
    assert all(math.isnan(end) for end in interval_95(0.5, np.array([np.nan])))


def test_an_interval_holds_its_point():
    assert interval_95(0.2, np.linspace(0.5, 0.6, 100))[0] == 0.2
    assert interval_95(0.9, np.linspace(0.5, 0.6, 100))[1] == 0.9


def test_sums_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="clusters x columns"):
        resample_ratios(np.ones((3, 1)), np.ones((3, 2)))
    with pytest.raises(ValueError, match="clusters x columns"):
        resample_ratios(np.ones(3), np.ones(3))


@pytest.fixture(scope="module")
def split():
    generator = np.random.default_rng(21)
    members, wines = generator.integers(0, 40, 500), generator.integers(0, 30, 500)
    taste = generator.normal(size=40)[members] + generator.normal(size=30)[wines]
    true = 1 / (1 + np.exp(-taste))
    labels = (generator.random(500) < true).astype(float)
    return labels, members, wines, {"true": true, "blurred": 0.5 * true + 0.3, "flat": np.full(500, 0.5)}


@pytest.mark.parametrize("cluster", ["member", "wine"])
def test_the_judge_gives_the_metrics_of_all_rows_inside_their_intervals(split, cluster):
    labels, members, wines, contestants = split
    verdict = judge_split("s", "S", labels, members, wines, contestants, cluster, seed=3)
    assert (verdict.rows, verdict.members, verdict.wines) == (500, 40, 30)
    for name, p in contestants.items():
        found = verdict.contestants[name]
        assert found.auc.value == pytest.approx(auc(labels, p))
        assert found.within_member_auc.value == pytest.approx(within_member_auc(labels, p, members))
        assert found.log_loss.value == pytest.approx(log_loss(labels, p))
        assert found.brier.value == pytest.approx(brier(labels, p))
        assert found.bias.value == pytest.approx(p.mean() - labels.mean())
        for one in (found.auc, found.within_member_auc, found.log_loss, found.brier, found.bias):
            assert one.low <= one.value <= one.high
    assert verdict.contestants["true"].log_loss.high < verdict.contestants["flat"].log_loss.low


@pytest.mark.parametrize("cluster", ["member", "wine"])
def test_a_paired_difference_turns_its_sign_with_its_pair(split, cluster):
    labels, members, wines, contestants = split
    pairs = [("true", "flat"), ("flat", "true"), ("true", "true")]
    found = judge_split("s", "S", labels, members, wines, contestants, cluster, pairs, seed=3).differences
    assert [d.metric for d in found] == ["log_loss"] * 3 + ["brier"] * 3 + ["auc"] * 3
    for i in (0, 3, 6):
        there, back, itself = (d.difference for d in found[i : i + 3])
        assert (back.value, back.low, back.high) == pytest.approx((-there.value, -there.high, -there.low))
        assert (itself.value, itself.low, itself.high) == (0, 0, 0)
        assert there.low < there.value < there.high


def test_a_paired_difference_is_tighter_than_the_two_intervals_apart(split):
    labels, members, wines, contestants = split
    found = judge_split("s", "S", labels, members, wines, contestants, "member", [("true", "blurred")], seed=3)
    first, second = found.contestants["true"].log_loss, found.contestants["blurred"].log_loss
    paired = found.differences[0].difference
    assert paired.value == pytest.approx(first.value - second.value)
    assert paired.high - paired.low < (first.high - first.low) + (second.high - second.low)


def test_the_same_seed_gives_the_same_verdict(split):
    labels, members, wines, contestants = split
    chosen = {"true": contestants["true"]}
    first, again, other = (judge_split("s", "S", labels, members, wines, chosen, "member", seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first.contestants["true"].log_loss != other.contestants["true"].log_loss


def test_one_member_alone_has_values_but_no_intervals():
    labels, p = [1, 0, 1, 0], [0.9, 0.2, 0.6, 0.7]
    verdict = judge_split("s", "S", labels, ["m"] * 4, [1, 2, 3, 4], {"only": p, "flat": [0.5] * 4}, "member", [("only", "flat")])
    found = verdict.contestants["only"]
    assert (found.auc.value, found.auc.low, found.log_loss.low, found.bias.high) == (0.75, None, None, None)
    assert [d.difference.low for d in verdict.differences] == [None] * 3


def test_one_class_alone_has_no_auc_but_a_loss():
    verdict = judge_split("s", "S", [1, 1], ["m", "n"], [1, 2], {"only": [0.9, 0.8]}, "wine")
    found = verdict.contestants["only"]
    assert (found.auc.value, found.auc.low, found.within_member_auc.value) == (None, None, None)
    assert found.log_loss.low <= found.log_loss.value <= found.log_loss.high


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"cluster": "vintage"}, "cluster is 'vintage'"),
        ({"contestants": {}}, "'s' has no contestants"),
        ({"pairs": [("a", "zz")]}, "pair names 'zz', which is none of a"),
        ({"contestants": {"a": [0.5, 2.0]}}, r"contestant 'a': probability 2\.0 in row 1"),
        ({"members": ["m"]}, "2 labels, 1 members and 2 wines"),
    ],
)
def test_a_split_that_cannot_be_judged_is_refused_by_name(change, complaint):
    good = {"labels": [1, 0], "members": ["m", "n"], "wines": [1, 2], "contestants": {"a": [0.5, 0.4]}, "cluster": "member"}
    with pytest.raises(ValueError, match=complaint):
        judge_split("s", "S", **(good | change))
