"""Members' wishes and all else that is known of them: out of tables and out of what was pushed, on every store, in one read."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from cellar_shared.events.appending import DataAppender
from cellar_shared.events.tables import dtypes_of
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.forgetting.forget import forget
from cellar_shared.store.generation import Generation
from cellar_shared.store.materialize import materialize
from cellar_shared.store.memory_store import MemoryStore
from cellar_shared.store.opening import open_store
from cellar_shared.store.packing import Garbled
from cellar_shared.store.port import StoreUnavailable, member_key
from cellar_shared.store.pushing import push
from cellar_shared.store.wishes import NO_WISHES, Wish, Wishes, newest, pack_wishes, standing, unpack_wishes

prefixes = itertools.count()
START = datetime(2021, 6, 1, tzinfo=UTC)


def silent(*_: object) -> None:
    pass


def row(event_id, member_id="m0", day=0, kind="hide_producer", value="P", is_set=None):
    return {
        "event_id": event_id,
        "member_id": member_id,
        "kind": kind,
        "value": value,
        "set_at": START + timedelta(days=day),
        "is_set": is_set,
    }


@pytest.fixture
def wish_of(data):
    """Adds rows to table preferences."""

    def add(*rows):
        with DataAppender(data) as appender:
            appender.add("preferences", pl.DataFrame(list(rows), schema=dtypes_of("preferences")))

    return add


@pytest.fixture(params=["memory", "lmdb", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path):
    if request.param == "memory":
        return MemoryStore(tmp_path / "store")
    if request.param == "lmdb":
        return open_store(f"lmdb://{tmp_path / 'store'}")
    server = request.getfixturevalue("redis_server")
    return open_store(server.url(tmp_path / "store", prefix=f"wishes{next(prefixes)}", timeout_ms=30_000))


def known(store, member_id, generation_id=None):
    async def ask():
        generation = Generation.open(store, feature_fingerprint(), generation_id)
        try:
            return await generation.known(member_id)
        finally:
            generation.close()
            await store.aclose()

    return asyncio.run(ask())


def push_wish(data, store, event_id, member_id="m0", day=0, kind="hide_producer", value="P", is_set=True):
    at = (START + timedelta(days=day)).isoformat()
    event = {"kind": "preference", "event_id": event_id, "member_id": member_id, "occurred_at": at, "preference": kind}
    line = json.dumps(event | {"value": value, "is_set": is_set}).encode()
    return push(io.BytesIO(line), data, store, tell=silent).counts["accepted"]


def test_all_that_is_known_of_a_member_comes_with_one_read(data, wish_of, store):
    wish_of(row("e1"), row("e2", kind="hide_wine", value="w1"), row("e3", "nobody rated", kind="hide_region", value="Rioja"))
    materialize(data, store, say=silent)
    found = known(store, "m0")
    assert (found.key, len(found.events), found.cellar, found.forgotten_at) == (member_key("m0"), 2, None, 0)
    assert found.wishes == Wishes(("w1",), ("P",))
    assert (known(store, "nobody rated").events, known(store, "nobody rated").wishes) == (None, Wishes(regions=("Rioja",)))
    assert (known(store, "m1").wishes, known(store, "m9").wishes) == (NO_WISHES, NO_WISHES)


def test_a_table_s_newest_wish_counts_also_against_what_is_pushed_later_of_before(data, wish_of, store):
    wish_of(row("e1", day=1), row("e2", day=3, is_set=False), row("e3", day=2), row("e4", day=1, value="Q"))
    materialize(data, store, say=silent)
    assert known(store, "m0").wishes == Wishes(producers=("Q",))
    assert push_wish(data, store, "p1", day=2) == 1
    assert known(store, "m0").wishes == Wishes(producers=("Q",))
    assert push_wish(data, store, "p2", day=4) == 1
    assert push_wish(data, store, "p3", day=4, value=" q ", is_set=False) == 1
    assert known(store, "m0").wishes == Wishes(producers=("P",))
    first = store.current_id()
    materialize(data, store, say=silent)
    assert known(store, "m0").wishes == known(store, "m0", first).wishes == Wishes(producers=("P",))
    assert store.current_id() != first


def test_who_is_forgotten_wishes_nothing_at_once_and_in_no_generation_after_the_next(data, wish_of, store):
    wish_of(row("e1"), row("e2", "nobody rated"))
    first = materialize(data, store, say=silent)
    for member in ("m0", "nobody rated"):
        assert forget(member, data, store, say=silent).in_generations == [first.id]
        found = known(store, member)
        assert (found.events, found.cellar, found.wishes) == (None, None, NO_WISHES)
        assert found.forgotten_at > first.overlay_through
    push_wish(data, store, "p1", value="Q")
    assert known(store, "m0").wishes == Wishes(producers=("Q",))
    materialize(data, store, say=silent)
    assert known(store, "m0").wishes == Wishes(producers=("Q",))
    assert forget("nobody rated", data, store, say=silent).in_generations == []


def test_damaged_wishes_are_a_store_that_cannot_be_read(data, wish_of, tmp_path):
    wish_of(row("e1"))
    store = open_store(f"lmdb://{tmp_path / 'lmdb'}")
    manifest = materialize(data, store, say=silent)
    opened = Generation.open(store, feature_fingerprint())
    with (store.generations / manifest.id / "wishes" / "values.npy").open("r+b") as stream:
        stream.seek(140)
        stream.write(b"\xff\xff")
    try:
        with pytest.raises(StoreUnavailable, match="wishes is damaged"):
            asyncio.run(opened.known("m0"))
        assert asyncio.run(opened.known("m1")).wishes == NO_WISHES
    finally:
        opened.close()
        store.close()


def test_one_thing_in_two_spellings_is_one_thing_and_a_wine_s_id_is_taken_to_the_letter():
    def wish(moment, kind, value, is_set):
        return Wish(moment, f"e{moment}", kind, value, is_set)

    assert standing([wish(1, "hide_region", "Burgundy", True), wish(2, "hide_region", "bourgogne", False)]) == NO_WISHES
    assert standing([wish(1, "hide_producer", "ÉTÉ", True), wish(2, "hide_producer", "été ", False)]) == NO_WISHES
    assert standing([wish(1, "hide_wine", "W1", True), wish(2, "hide_wine", "w1", False)]) == Wishes(("W1",))
    assert standing([wish(1, "hide_region", "Nowhere", True), wish(2, "hide_producer", "Nowhere", False)]) == Wishes(regions=("Nowhere",))
    assert newest([]) == []


def test_one_member_s_bytes_are_no_wishes_of_another():
    packed = pack_wishes([Wish(1, "e1", "hide_wine", "w1", True)], b"one")
    assert unpack_wishes(packed, b"one") == [Wish(1, "e1", "hide_wine", "w1", True)]
    for value, key in ((packed, b"two"), (packed[:-1], b"one"), (b"", b"one")):
        with pytest.raises(Garbled):
            unpack_wishes(value, key)
