"""What is asked about rows: whatever their members had rated before stays out, also where the history is cut."""

from __future__ import annotations

import numpy as np
import pytest

from cellar_recommender.serving.sources import Sources
from cellar_recommender.training.asking import groups
from cellar_recommender.training.learn import item_item_of
from cellar_recommender.training.network import Shape, TorchTowers, TowersNet
from cellar_recommender.training.rows import LikedRows
from cellar_shared.events.tables import DataFolder
from cellar_shared.features.encoder import Encoder
from cellar_shared.store.looking_back import counts_of, vocabulary_of
from cellar_shared.store.rating_log import read_rating_log


@pytest.fixture(scope="module")
def rows(small_world):
    log = read_rating_log(DataFolder.open(small_world))
    everything = np.ones(len(log.events), dtype=bool)
    asked = np.arange(len(log.events)) % 7 == 0
    return LikedRows(log, everything, counts_of(log, everything), Encoder(vocabulary_of(log, everything, 5)), asked)


@pytest.fixture(scope="module")
def sources(rows):
    towers = TorchTowers(TowersNet(len(rows.encoder.vocabulary), Shape(embedding=4, vector=6, heads=2, hidden=8)).eval())
    return Sources(rows.encoder, towers, item_item_of(rows.log, np.zeros(len(rows.log.events), dtype=bool)))


@pytest.mark.parametrize("most", [0, 5])
def test_what_was_rated_stays_out_though_it_is_not_looked_at(rows, sources, most):
    answered = 0
    for group in groups(rows, rows.first(most), sources):
        for place, rated, likes in zip(group.places, group.rated, group.likes, strict=True):
            past = rows.past[rows.full.begin[place] : rows.full.end[place]]
            assert set(np.flatnonzero(rated)) == set(past["row"])
            assert set(np.flatnonzero(likes)) == set(past[:most]["row"][past[:most]["liked"] > 0])
            assert not rated[rows.wine_rows[place]]
            answered += 1
    assert answered == len(rows)
    assert rows.full.lengths.max() > 5
