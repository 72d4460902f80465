"""Precomputed lists: read as written whichever the store, swapped whole, and never those of who was forgotten."""

from __future__ import annotations

import asyncio
import functools
import http.server
import itertools
import threading
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from cellar_shared.errors import BadInput, CellarError, Incompatible
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.forgetting.forget import forget
from cellar_shared.store.fetching import LISTS_KEPT
from cellar_shared.store.generation import Generation
from cellar_shared.store.list_packing import MemberList
from cellar_shared.store.lists import Lists, lists_id, writing_lists
from cellar_shared.store.lists_folders import FORMAT
from cellar_shared.store.manifests import MANIFEST
from cellar_shared.store.materialize import materialize
from cellar_shared.store.memory_store import MemoryStore
from cellar_shared.store.opening import open_store
from cellar_shared.store.port import KEY_BYTES, member_key

prefixes = itertools.count()
BUNDLE = "0123456789ab"
MADE = 1_700_000_000_000_000


def silent(*_: object) -> None:
    pass


@pytest.fixture(params=["memory", "lmdb", "redis"])
def store(request: pytest.FixtureRequest, tmp_path, scratch):
    if request.param == "memory":
        return MemoryStore(tmp_path / "store")
    if request.param == "lmdb":
        return open_store(f"lmdb://{tmp_path / 'store'}")
    server = request.getfixturevalue("redis_server")
    return open_store(server.url(tmp_path / "store", prefix=f"lists{next(prefixes)}", timeout_ms=30_000))


@pytest.fixture
def lmdb(tmp_path):
    return open_store(f"lmdb://{tmp_path / 'store'}")


def list_of(number, wines=50):
    rng = np.random.default_rng(number)
    scores = -np.sort(-rng.normal(size=wines).astype(np.float32))
    sources = rng.integers(0, 6, wines).astype(np.uint8)
    return MemberList(rng.integers(-(2**63), 2**63 - 1, wines), scores, sources, MADE + number, bytes([number]) * 16)


def write(store, generation, members, precomputed_at=MADE, bundle=BUNDLE):
    with writing_lists(store, bundle, generation, precomputed_at) as writer:
        for member_id, made in members.items():
            writer.add(member_key(member_id), made)
    return writer.manifest


def same(found, made):
    return found is not None and all(
        np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other
        for one, other in ((getattr(found, name), getattr(made, name)) for name in MemberList.__slots__)
    )


def known(store, member_id, generation_id=None):
    async def ask():
        generation = Generation.open(store, feature_fingerprint(), generation_id)
        try:
            return await generation.known(member_id)
        finally:
            generation.close()
            await store.aclose()

    return asyncio.run(ask())


def test_a_bundle_has_no_lists_until_some_are_written(data, store):
    generation = materialize(data, store, say=silent)
    assert lists_id(store, BUNDLE) is None
    assert Lists.open_current(store, BUNDLE) is None
    write(store, generation, {"m0": list_of(1)}, bundle="another")
    assert lists_id(store, BUNDLE) is None


def test_every_member_s_list_is_read_as_it_was_written(data, store):
    generation = materialize(data, store, say=silent)
    members = {f"m{number}": list_of(number, wines=number % 60) for number in range(200)}
    manifest = write(store, generation, members)
    lists = Lists.open_current(store, BUNDLE)
    assert (lists.manifest, lists.manifest.id) == (manifest, lists_id(store, BUNDLE))
    assert (manifest.bundle, manifest.generation, manifest.members, manifest.precomputed_at) == (BUNDLE, generation.id, 200, MADE)
    assert (manifest.overlay_through, manifest.journal_through) == (generation.overlay_through, generation.journal_through)
    for member_id, made in members.items():
        assert same(lists.of(member_key(member_id)), made)
    assert lists.of(member_key("m200")) is None
    assert same(lists.of_known(known(store, "m0")), members["m0"])


def test_lists_of_nobody_are_lists(data, store):
    generation = materialize(data, store, say=silent)
    assert write(store, generation, {}).members == 0
    assert Lists.open_current(store, BUNDLE).of(member_key("m0")) is None


def test_new_lists_come_whole_beside_the_old_ones_and_older_ones_go(data, store):
    generation = materialize(data, store, say=silent)
    first, second, third = (write(store, generation, {"m0": list_of(night)}, precomputed_at=MADE + night) for night in range(3))
    assert lists_id(store, BUNDLE) == third.id
    assert same(Lists.open_current(store, BUNDLE).of(member_key("m0")), list_of(2))
    assert same(Lists.open(store, BUNDLE, second.id).of(member_key("m0")), list_of(1))
    assert not (store.lists / BUNDLE / first.id).exists()
    with pytest.raises(CellarError):
        Lists.open(store, BUNDLE, first.id)


def test_lists_that_are_not_finished_leave_no_trace(data, store):
    generation = materialize(data, store, say=silent)
    standing = write(store, generation, {"m0": list_of(1)})
    for wrong in (lambda writer: 1 / 0, lambda writer: writer.add(b"short", list_of(1)), lambda writer: writer.add(bytes(KEY_BYTES), None)):
        with pytest.raises((ZeroDivisionError, ValueError, AttributeError)), writing_lists(store, BUNDLE, generation, MADE + 9) as writer:
            writer.add(member_key("m1"), list_of(2))
            wrong(writer)
    assert [each.name for each in (store.lists / BUNDLE).iterdir() if each.is_dir()] == [standing.id]
    assert lists_id(store, BUNDLE) == standing.id


def test_what_did_not_change_is_copied_and_keeps_its_age(data, store):
    generation = materialize(data, store, say=silent)
    write(store, generation, {"m0": list_of(1), "m1": list_of(2)})
    before = Lists.open_current(store, BUNDLE)
    with writing_lists(store, BUNDLE, generation, MADE + 86_400_000_000) as writer:
        kept = before.of(member_key("m0"))
        assert kept.made_of == list_of(1).made_of
        writer.add(member_key("m0"), kept)
        writer.add(member_key("m1"), replace(list_of(3), precomputed_at=MADE + 86_400_000_000))
    after = Lists.open_current(store, BUNDLE)
    assert [after.of(member_key(member)).precomputed_at for member in ("m0", "m1")] == [MADE + 1, MADE + 86_400_000_000]


def test_a_list_of_who_was_forgotten_since_is_not_read_and_goes_with_the_next_generation(data, store):
    generation = materialize(data, store, say=silent)
    for bundle in (BUNDLE, "another"):
        manifest = write(store, generation, {"m0": list_of(1), "m1": list_of(2)}, bundle=bundle)
    lists = Lists.open_current(store, BUNDLE)
    receipt = forget("m0", data, store, say=silent)
    assert receipt.in_lists == [f"{BUNDLE}/{lists.manifest.id}", f"another/{manifest.id}"]
    assert "Still in precomputed lists" in receipt.text()
    assert lists.of_known(known(store, "m0")) is None
    assert same(lists.of_known(known(store, "m1")), list_of(2))

    after = materialize(data, store, say=silent)
    assert lists_id(store, BUNDLE) is lists_id(store, "another") is None
    assert not list(store.lists.rglob("*.npy"))
    assert lists.of_known(known(store, "m0")) is None, "a service that has yet to look again"
    assert forget("m0", data, store, say=silent).in_lists == []
    materialize(data, store, say=silent)
    write(store, materialize(data, store, say=silent), {"m1": list_of(3)})
    assert after.id != generation.id
    materialize(data, store, say=silent)
    assert same(Lists.open_current(store, BUNDLE).of(member_key("m1")), list_of(3))


def test_lists_that_cannot_be_read_may_hold_anybody(data, lmdb):
    generation = materialize(data, lmdb, say=silent)
    manifest = write(lmdb, generation, {"m1": list_of(1)})
    assert forget("m0", data, lmdb, say=silent).in_lists == []
    (lmdb.lists / BUNDLE / manifest.id / "members" / "keys.npy").write_bytes(b"")
    assert forget("m0", data, lmdb, say=silent).in_lists == [f"{BUNDLE}/{manifest.id}"]
    (lmdb.lists / BUNDLE / manifest.id / MANIFEST).unlink()
    materialize(data, lmdb, say=silent)
    assert not (lmdb.lists / BUNDLE / manifest.id).exists()


def test_lists_of_a_generation_that_went_meanwhile_do_not_come_into_use(data, store):
    """Somebody was forgotten while they were made: the next generation is there already, and will not look again."""
    generation = materialize(data, store, say=silent)
    with (
        pytest.raises(BadInput, match=r"is gone .* run `cellar score recommender` again"),
        writing_lists(store, BUNDLE, generation, MADE) as writer,
    ):
        writer.add(member_key("m0"), list_of(1))
        forget("m0", data, store, say=silent)
        materialize(data, store, say=silent)
    assert lists_id(store, BUNDLE) is None
    assert not list(store.lists.rglob("*.npy"))


def test_damaged_lists_are_refused_by_name(data, lmdb):
    manifest = write(lmdb, materialize(data, lmdb, say=silent), {"m0": list_of(1)})
    folder = lmdb.lists / BUNDLE / manifest.id
    assert set(manifest.files) == {f"members/{name}.npy" for name in ("keys", "spans", "values")}
    for name in manifest.files:
        good = (folder / name).read_bytes()
        (folder / name).write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        with pytest.raises(BadInput, match=f"{name} is damaged"):
            Lists.open_current(lmdb, BUNDLE)
        (folder / name).unlink()
        with pytest.raises(BadInput, match=f"{name} is missing"):
            Lists.open_current(lmdb, BUNDLE)
        (folder / name).write_bytes(good)
    (folder / MANIFEST).write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, format=FORMAT + 1)))
    with pytest.raises(Incompatible, match=f"has format {FORMAT + 1}"):
        Lists.open_current(lmdb, BUNDLE)
    (lmdb.lists / BUNDLE / "CURRENT").write_bytes(b"\xff/../x\n")
    with pytest.raises(BadInput, match="names none"):
        Lists.open_current(lmdb, BUNDLE)
    with pytest.raises(BadInput, match="no version of a bundle"):
        lists_id(lmdb, "../generations")


def test_a_value_that_is_damaged_after_it_was_opened_is_no_list(data, lmdb, caplog):
    manifest = write(lmdb, materialize(data, lmdb, say=silent), {"m0": list_of(1)})
    lists = Lists.open_current(lmdb, BUNDLE)
    with (lmdb.lists / BUNDLE / manifest.id / "members" / "values.npy").open("r+b") as stream:
        stream.seek(140)
        stream.write(b"\xff\xff\xff")
    assert lists.of(member_key("m0")) is None
    assert "is damaged" in caplog.text


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_a_machine_that_has_only_an_address_fetches_lists_and_sees_them_go(data, lmdb, tmp_path, monkeypatch):
    monkeypatch.setenv("CELLAR_SCRATCH", str(tmp_path / "scratch"))
    generation = materialize(data, lmdb, say=silent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(lmdb.lists.parent))) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            away = open_store(f"redis://127.0.0.1:1/0?generations=http://127.0.0.1:{server.server_port}")  # nothing listens at the Redis
            assert lists_id(away, BUNDLE) is None
            for night in range(6):
                write(lmdb, generation, {"m0": list_of(night)}, precomputed_at=MADE + night)
                assert same(Lists.open_current(away, BUNDLE).of(member_key("m0")), list_of(night))
            assert len(list((tmp_path / "scratch").rglob("values.npy"))) == LISTS_KEPT
            forget("m0", data, lmdb, say=silent)
            materialize(data, lmdb, say=silent)
            assert lists_id(away, BUNDLE) is None
        finally:
            server.shutdown()
            serving.join()
    with pytest.raises(CellarError, match="cannot be fetched"):
        lists_id(away, BUNDLE)
    mounted = open_store(f"redis://127.0.0.1:1/0?generations={lmdb.lists.parent / 'unmounted'}")
    with pytest.raises(CellarError, match="cannot be read"):
        lists_id(mounted, BUNDLE)
