"""The ranker's features: a batch is what one by one gives, padding is never seen, and each name says what stands there."""

from __future__ import annotations

import numpy as np
import pytest

from cellar_recommender.serving.golden import GoldenCases
from cellar_recommender.serving.ranking import FEATURES, pair_features
from cellar_recommender.serving.recommender import GOLDEN_FILE, Recommender
from cellar_recommender.serving.recommending import retrieve
from cellar_recommender.serving.sources import TOWERS, Asked, pool_of
from cellar_recommender.serving.towers import MemberInputs
from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.features.wines import no_wines


@pytest.fixture(scope="module")
def recommender(line):
    return Recommender.open(line.bundle)


@pytest.fixture(scope="module")
def golden(line):
    return GoldenCases.from_bytes((line.bundle / GOLDEN_FILE).read_bytes())


def features_of(recommender, golden, asked):
    shelf = recommender.sources.shelf(golden.wines, golden.counts, golden.as_of // MICROSECONDS_PER_DAY)
    rated = (shelf.wines["wine"][None, :, None] == asked.tasted["wine"][:, None, :]).any(axis=2)
    retrieved = retrieve(recommender.sources, asked, shelf, rated, limit=40)
    pool = pool_of(asked, shelf, retrieved.scores[TOWERS], retrieved.proposed)
    return retrieved, pool, pair_features(pool, recommender.sources.item_item)


def column(values, name: str):
    return values[..., FEATURES.index(name)]


def test_every_name_stands_once_and_each_has_a_column(recommender, golden):
    assert len(set(FEATURES)) == len(FEATURES)
    _, pool, values = features_of(recommender, golden, recommender.asked(golden.questions, golden.counts))
    assert values.shape == (*pool.asked.shape, len(FEATURES))
    assert values.dtype == np.float32


def test_a_batch_is_what_one_by_one_gives(recommender, golden):
    asked = recommender.asked(golden.questions, golden.counts)
    retrieved, _, values = features_of(recommender, golden, asked)
    for member in range(len(asked.tasted)):
        alone = Asked(MemberInputs(**{name: of[[member]] for name, of in asked.member.inputs().items()}), asked.tasted[[member]])
        again, _, given = features_of(recommender, golden, alone)
        assert (again.proposed.rows[0] == retrieved.proposed.rows[member]).all()
        np.testing.assert_allclose(given[0], values[member], atol=1e-5)


def test_padding_is_never_seen(recommender, golden):
    asked = recommender.asked(golden.questions, golden.counts)
    _, _, values = features_of(recommender, golden, asked)
    wider = {
        name: of if name == "season" else np.concatenate([of, np.zeros_like(of[:, :7])], axis=1)
        for name, of in asked.member.inputs().items()
    }
    padding = no_wines(len(asked.tasted) * 7).reshape(-1, 7)
    _, _, given = features_of(recommender, golden, Asked(MemberInputs(**wider), np.concatenate([asked.tasted, padding], axis=1)))
    np.testing.assert_allclose(given, values, atol=1e-5)


def test_features_say_what_their_names_say(recommender, golden):
    asked = recommender.asked(golden.questions, golden.counts)
    _, pool, values = features_of(recommender, golden, asked)
    there = pool.is_there
    np.testing.assert_allclose(column(values, "tower")[there], pool.tower[there])
    np.testing.assert_allclose(np.expm1(column(values, "member_ratings"))[:, 0], golden.histories.lengths, rtol=1e-5)
    np.testing.assert_allclose(np.expm1(column(values, "likes_ever")), pool.likes[..., -1], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(column(values, "body"), pool.asked["body"])
    best = np.where(there, pool.tower, -np.inf).argmax(axis=1)
    rows = np.arange(len(best))
    assert (column(values, "tower_rank")[rows, best] == 0).all()
    assert (column(values, "tower_below_best")[rows, best] == 0).all()
    same_type = pool.asked["type"][:, :, None] == pool.tasted["type"][:, None, :]
    known = same_type & (pool.asked["type"][:, :, None] != 0)
    np.testing.assert_allclose(np.expm1(column(values, "tasted_same_type"))[there], known.sum(axis=2)[there], rtol=1e-4, atol=1e-4)
