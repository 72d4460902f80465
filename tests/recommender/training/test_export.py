"""The exported towers answer as torch's, whatever the shape, and a member's vector does not depend on who is asked beside."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cellar_recommender.serving.towers import MemberInputs, OnnxTowers, wine_inputs
from cellar_recommender.training.export import EXPORT_TOLERANCE, export_towers
from cellar_recommender.training.network import Shape, TorchTowers, TowersNet
from cellar_recommender.training.rows import LikedRows
from cellar_shared.events.moments import day_of
from cellar_shared.events.tables import DataFolder
from cellar_shared.features.encoder import Encoder
from cellar_shared.store.looking_back import counts_of, vocabulary_of
from cellar_shared.store.rating_log import read_rating_log


@pytest.fixture(scope="module")
def rows(small_world):
    log = read_rating_log(DataFolder.open(small_world))
    everything = np.ones(len(log.events), dtype=bool)
    return LikedRows(log, everything, counts_of(log, everything), Encoder(vocabulary_of(log, everything, 5)), everything)


@pytest.fixture(scope="module")
def towers(rows):
    torch.manual_seed(5)
    net = TowersNet(len(rows.encoder.vocabulary), Shape(embedding=6, vector=8, heads=2, hidden=12))
    wines, _ = wine_inputs(rows.encoder, rows.log.wines, rows.counts, int(rows.days.max()), with_notes=False)
    net.standardise(torch.from_numpy(wines.wine))
    return TorchTowers(net.eval())


@pytest.fixture(scope="module")
def wines(rows):
    return wine_inputs(rows.encoder, rows.log.wines, rows.counts, int(day_of(rows.as_of).max()), with_notes=False)[0]


@pytest.fixture(scope="module")
def exported(rows, towers, wines):
    places = np.array([3, 900, 1500])
    return OnnxTowers(*export_towers(towers, rows.batch(places, rows.latest().only(places)), wines))


def inputs(rows, places, most: int) -> MemberInputs:
    return rows.batch(places, rows.full.only(places).latest(most))


@pytest.mark.parametrize(("members", "most"), [(1, 0), (1, 1), (1, 40), (2, 0), (57, 3), (300, 100)])
def test_exported_towers_answer_as_torch_does(rows, towers, exported, members, most):
    asked = inputs(rows, np.linspace(len(rows) // 2, len(rows) - 1, members).astype(np.int64), most)
    assert np.abs(exported.members(asked) - towers.members(asked)).max() <= EXPORT_TOLERANCE


def test_the_exported_wine_tower_answers_as_torch_does(towers, exported, wines):
    assert np.abs(exported.wines(wines) - towers.wines(wines)).max() <= EXPORT_TOLERANCE


def test_a_member_alone_gets_the_vector_that_they_get_beside_others(rows, towers):
    places = np.linspace(len(rows) // 2, len(rows) - 1, 25).astype(np.int64)
    together = towers.members(inputs(rows, places, 100))
    for place in (0, 11, 24):
        alone = towers.members(inputs(rows, places[[place]], 100))
        assert np.abs(alone[0] - together[place]).max() <= EXPORT_TOLERANCE


def test_wines_as_of_a_day_know_nothing_of_later_events(rows):
    day = int(np.median(rows.days))
    known = day_of(rows.log.events["moment"]) < day
    earlier = counts_of(rows.log, known)
    for given, wanted in zip(
        wine_inputs(rows.encoder, rows.log.wines, rows.counts, day, with_notes=False),
        wine_inputs(rows.encoder, rows.log.wines, earlier, day, with_notes=False),
        strict=True,
    ):
        if hasattr(given, "wine"):
            np.testing.assert_array_equal(given.wine, wanted.wine)
        else:
            np.testing.assert_array_equal(given, wanted)


def test_a_hidden_wine_looks_like_one_that_nobody_has_rated(rows):
    day = int(rows.days.max())
    hidden = np.arange(len(rows.log.wines)) % 2 == 0
    shown, likes = wine_inputs(rows.encoder, rows.log.wines, rows.counts, day, hidden, with_notes=False)
    plain, plain_likes = wine_inputs(rows.encoder, rows.log.wines, rows.counts, day, with_notes=False)
    assert likes[hidden].max() == 0
    np.testing.assert_array_equal(likes[~hidden], plain_likes[~hidden])
    np.testing.assert_array_equal(shown.wine[~hidden], plain.wine[~hidden])
    assert (shown.wine[hidden] != plain.wine[hidden]).any(axis=1).mean() > 0.9
