"""What a member costs in Redis: measured on a real one, read back exactly, and nothing left behind."""

from __future__ import annotations

import pytest

from cellar_shared.errors import BadInput
from cellar_shared.store.bench import bench_store
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.opening import open_store

# Thirty ratings to the second, of 100,000 wines, with all that Redis keeps around them; a list of fifty with its key and place.
MOST_BYTES_EACH = 310
MOST_LIST_BYTES_EACH = 680


def test_a_member_costs_no_more_than_it_should_and_goes_again(own_redis, tmp_path):
    store = open_store(own_redis.url(tmp_path / "store"))
    said: list[str] = []
    report = bench_store(store, members=20_000, ratings=30, items=50, wines=100_000, say=said.append)
    assert 230 < report.redis_bytes_each < MOST_BYTES_EACH
    assert 600 < report.list_bytes_each < MOST_LIST_BYTES_EACH
    assert report.read_back == 4_000
    assert said == ["writing histories", "writing lists", "reading back"]
    assert "read back exactly" in report.text()
    with own_redis.client() as commands:
        assert commands.dbsize() == 0
    assert list((tmp_path / "store").iterdir()) == []


def test_members_without_anything_and_few_of_them_are_measured_too(own_redis, tmp_path):
    store = open_store(own_redis.url(tmp_path / "store"))
    for members, ratings, items in ((1, 0, 0), (3, 1, 1)):
        report = bench_store(store, members=members, ratings=ratings, items=items, wines=1, say=lambda _: None)
        assert (report.members, report.read_back) == (members, members)


def test_only_a_redis_is_measured(tmp_path):
    with pytest.raises(BadInput, match="is no Redis"):
        bench_store(LmdbStore(tmp_path), members=1, ratings=1, items=1, wines=1, say=lambda _: None)
