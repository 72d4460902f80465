import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_preference.training.evaluation.metrics import (
    Concordance,
    auc,
    brier,
    log_loss,
    row_log_losses,
    row_squared_errors,
    within_member_auc,
)

LAW = settings(max_examples=60, deadline=None, derandomize=True)

# Few distinct scores, so that ties are common.
rows = st.lists(st.tuples(st.sampled_from([0, 1]), st.integers(0, 6), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40)


def columns(rows):
    labels, scores, members, weights = (np.array(column) for column in zip(*rows, strict=True))
    return labels, scores / 6, members, weights.astype(float)


def concordance_by_pairs(labels, scores, members, weights):
    """Every liked row against every disliked row of the same member, one by one."""
    above = total = 0.0
    for i, j in product(np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)):
        if members[i] == members[j]:
            weight = weights[i] * weights[j]
            total += weight
            above += weight * (1.0 if scores[i] > scores[j] else 0.5 if scores[i] == scores[j] else 0.0)
    return above / total if total else math.nan


@LAW
@given(rows)
def test_auc_agrees_with_counting_every_pair(rows):
    labels, scores, members, weights = columns(rows)
    one, same = np.ones_like(weights), np.zeros_like(members)
    expected = concordance_by_pairs(labels, scores, same, one)
    assert auc(labels, scores) == pytest.approx(expected, nan_ok=True)
    weighted = concordance_by_pairs(labels, scores, same, weights)
    assert Concordance.of(labels, scores).share(weights) == pytest.approx(weighted, nan_ok=True)


@LAW
@given(rows)
def test_auc_within_members_agrees_with_counting_every_pair_of_one_member(rows):
    labels, scores, members, weights = columns(rows)
    expected = concordance_by_pairs(labels, scores, members, np.ones_like(weights))
    assert within_member_auc(labels, scores, members) == pytest.approx(expected, nan_ok=True)
    weighted = concordance_by_pairs(labels, scores, members, weights)
    assert Concordance.of(labels, scores, members).share(weights) == pytest.approx(weighted, nan_ok=True)


@LAW
@given(rows)
def test_auc_keeps_under_rising_maps_and_turns_under_falling_ones(rows):
    labels, scores, members, _ = columns(rows)
    if labels.min() == labels.max():
        return
    for rising in (lambda s: 3 * s - 7, np.exp, lambda s: s**3):
        assert auc(labels, rising(scores)) == auc(labels, scores)
    assert auc(labels, -scores) == pytest.approx(1 - auc(labels, scores))
    kept = within_member_auc(labels, np.exp(scores), members)
    assert kept == pytest.approx(within_member_auc(labels, scores, members), nan_ok=True)


@LAW
@given(rows)
def test_a_weight_of_two_counts_a_row_twice(rows):
    labels, scores, members, weights = columns(rows)
    repeats = weights.astype(int)
    if repeats.sum() == 0:
        return
    copied = within_member_auc(*(np.repeat(column, repeats) for column in (labels, scores, members)))
    assert Concordance.of(labels, scores, members).share(weights) == pytest.approx(copied, nan_ok=True)


def test_auc_has_its_known_values():
    assert auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == 0.75
    assert auc([0, 1], [0.5, 0.5]) == 0.5
    assert auc([0, 1, 1], [0.1, 0.2, 0.3]) == 1.0


def test_members_who_like_everything_lift_auc_but_not_auc_within_members():
    labels = [1, 1, 1, 0, 0, 0, 1, 0]
    scores = [0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.5, 0.5]
    members = ["a", "a", "a", "b", "b", "b", "c", "c"]
    assert auc(labels, scores) > 0.9
    assert within_member_auc(labels, scores, members) == 0.5


def test_a_member_counts_by_their_pairs():
    labels = [1, 0, 1, 1, 0, 0]
    scores = [0.1, 0.9, 0.8, 0.7, 0.2, 0.1]  # the first member's only pair is wrong, the second's four are right
    assert within_member_auc(labels, scores, [7, 7, 9, 9, 9, 9]) == pytest.approx(4 / 5)


def test_one_class_alone_has_no_auc():
    assert math.isnan(auc([1, 1], [0.1, 0.2]))
    assert math.isnan(within_member_auc([1, 0], [0.9, 0.1], ["a", "b"]))


def test_a_quarter_million_rows_are_ranked_as_the_rank_sum_says():
    generator = np.random.default_rng(1)
    labels = generator.random(250_000) < 0.6
    scores = generator.permutation(labels.size) + 40_000 * labels
    distinct = scores + generator.random(labels.size) / 2
    ranks = np.empty(labels.size)
    ranks[np.argsort(distinct)] = np.arange(1, labels.size + 1)
    liked, disliked = labels.sum(), (~labels).sum()
    expected = (ranks[labels].sum() - liked * (liked + 1) / 2) / (liked * disliked)
    assert auc(labels, distinct) == pytest.approx(expected, abs=1e-12)


def test_log_loss_and_brier_have_their_known_values():
    assert log_loss([1, 0], [0.5, 0.5]) == pytest.approx(math.log(2))
    assert brier([1, 0], [0.5, 0.5]) == 0.25
    assert row_log_losses([1, 0], [0.8, 0.3]) == pytest.approx([-math.log(0.8), -math.log(0.7)])
    assert row_squared_errors([1, 0], [0.8, 0.3]) == pytest.approx([0.04, 0.09])


def test_a_certain_failure_costs_the_clipped_loss_and_a_certain_hit_next_to_nothing():
    assert row_log_losses([1, 0, 1, 0], [0.0, 1.0, 1.0, 0.0]) == pytest.approx([-math.log(1e-6)] * 2 + [1e-6] * 2)


@LAW
@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_telling_the_true_share_loses_least(share, other):
    labels = np.array([1] * round(100 * share) + [0] * (100 - round(100 * share)))
    honest, told = np.full(100, labels.mean()), np.full(100, other)
    assert log_loss(labels, honest) <= log_loss(labels, told) + 1e-12
    assert brier(labels, honest) <= brier(labels, told) + 1e-12


@pytest.mark.parametrize(
    ("labels", "scores", "members", "complaint"),
    [
        ([1, 0], [0.5], None, "one of each per row"),
        ([1, 0], [0.5, math.inf], None, "score in row 1 is not finite"),
        ([1, 3], [0.5, 0.5], None, r"label 3\.0 in row 1"),
        ([1, 0], [0.5, 0.5], ["a"], "give one group per row"),
    ],
)
def test_what_cannot_be_ranked_is_refused_with_its_place(labels, scores, members, complaint):
    with pytest.raises(ValueError, match=complaint):
        Concordance.of(labels, scores, members)


def test_raw_scores_rank_but_have_no_loss():
    assert auc([0, 1], [-3.0, 4.0]) == 1.0
    with pytest.raises(ValueError, match="not raw scores"):
        log_loss([0, 1], [-3.0, 4.0])
