"""The trailing offsets of a bundle on a generation: made before the service is ready, kept, and made again when they are spoilt."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from cellar_shared.events.moments import day_of
from cellar_shared.liking.offsets import build_index, open_index
from cellar_shared.store.generation import Generation
from cellar_shared.store.lmdb_store import LmdbStore

AS_OF = "2021-12-15T12:00:00Z"


@pytest.fixture
def bare(own):
    """The line with a store that has no index."""
    shutil.rmtree(own.store / "indexes", ignore_errors=True)
    return own


def test_an_index_is_kept_and_read_again(bare, predictor):
    generation = Generation.open(LmdbStore(bare.store), bare.manifest.feature_fingerprint)
    built = open_index(predictor, generation, LmdbStore(bare.store))
    (file,) = (bare.store / "indexes").iterdir()
    written_at = file.stat().st_mtime_ns
    read = open_index(predictor, generation, LmdbStore(bare.store))
    assert file.stat().st_mtime_ns == written_at
    assert read.first_day == built.first_day
    assert np.array_equal(read.offsets, built.offsets)
    assert np.abs(built.offsets).max() > 0.01  # after one epoch the world is off the answers


def test_an_index_knows_nothing_of_the_day_it_is_asked_about(bare, predictor, ratings):
    track = build_index(predictor, Generation.open(LmdbStore(bare.store), bare.manifest.feature_fingerprint))
    last = int(day_of(ratings["moment"].to_numpy()).max())
    assert len(track.offsets) == last + 2 - track.first_day
    assert track.offsets[0] == 0
    assert track.at(np.array([track.first_day - 1, track.first_day])).tolist() == [0, 0]


@pytest.mark.parametrize("content", [b"", b"PK", b"not an index"])
def test_a_spoilt_index_is_built_again(client, connect, own, wine_ids, caplog, content):
    (file,) = (own.store / "indexes").iterdir()
    good = file.read_bytes()
    file.write_bytes(content)
    mended = connect(own.bundle, own.store).start()
    assert mended.chances(*wine_ids, history=[], as_of=AS_OF) == client.chances(*wine_ids, history=[], as_of=AS_OF)
    assert "it is built again" in caplog.text
    assert file.read_bytes() == good


def test_a_store_that_keeps_nothing_is_served_all_the_same(client, connect, bare, wine_ids, caplog):
    (bare.store / "indexes").write_text("in the way")
    served = connect(bare.bundle, bare.store).start()
    assert served.chances(*wine_ids, history=[], as_of=AS_OF) == client.chances(*wine_ids, history=[], as_of=AS_OF)
    assert "cannot be kept" in caplog.text
