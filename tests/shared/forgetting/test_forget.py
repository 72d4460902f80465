"""Forgetting a member: unknown at once, gone from everything that is kept, and a receipt that says what remains where."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from redis.commands.core import Script

from cellar_shared.bundle.learnt import ROWS_FILE
from cellar_shared.bundle.manifest import BundleManifest, write_bundle
from cellar_shared.errors import BadInput
from cellar_shared.events.journal import Journal
from cellar_shared.events.pushed import decode_event
from cellar_shared.events.simulate.settings import WorldSettings
from cellar_shared.events.simulate.world import simulate_world
from cellar_shared.events.tables import DataFolder
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.forgetting.forget import Receipt, forget
from cellar_shared.store.generation import Generation
from cellar_shared.store.generation_folders import listed
from cellar_shared.store.materialize import materialize
from cellar_shared.store.opening import open_store
from cellar_shared.store.port import StoreUnavailable
from cellar_shared.store.pushing import push
from cellar_shared.store.rating_log import event_hashes
from cellar_shared.store.redis_door import RedisDoor
from cellar_shared.store.redis_scripts import HIDE
from cellar_shared.telemetry.forgetting import Forgotten

prefixes = itertools.count()
PUSHED = {"kind": "rating", "occurred_at": "2022-06-01T12:00:00Z", "wine_id": "w0001", "rating": 5}


def silent(*_: object) -> None:
    pass


@pytest.fixture(params=["lmdb", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "lmdb":
        return f"lmdb://{tmp_path / 'store'}"
    return request.getfixturevalue("redis_server").url(tmp_path / "store", prefix=f"o{next(prefixes)}", timeout_ms=30_000)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    simulate_world(WorldSettings(members=60, wines=40, seed=3), tmp_path / "data", progress=silent)
    return tmp_path / "data"


@pytest.fixture
def member(data: Path) -> str:
    """Whoever has notes and most ratings."""
    rated = DataFolder.open(data).scan("ratings").collect()["member_id"].value_counts(sort=True)
    return str(rated["member_id"][0])


def read(url: str, member_id: str) -> Any:
    async def ask() -> Any:
        store = open_store(url)
        generation = Generation.open(store, feature_fingerprint())
        try:
            return await generation.members.events_of(member_id)
        finally:
            generation.close()
            await store.aclose()

    return asyncio.run(ask())


def push_one(member_id: str, event_id: str, data: Path, url: str) -> None:
    line = json.dumps(PUSHED | {"event_id": event_id, "member_id": member_id}).encode()
    assert push(io.BytesIO(line), data, open_store(url), tell=silent).counts["accepted"] == 1


def bytes_below(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_a_forgotten_member_is_unknown_at_once_and_gone_from_what_is_kept(data, url, member):
    first = materialize(data, open_store(url), say=silent)
    push_one(member, "p1", data, url)
    tables = {table: DataFolder.open(data).scan(table).collect() for table in DataFolder.open(data).manifest.tables}
    own = {name: rows.filter(pl.col("member_id") == member).height for name, rows in tables.items() if "member_id" in rows.columns}

    receipt = forget(member, data, open_store(url), say=silent)

    assert read(url, member) is None
    assert receipt == Receipt(member, 1, {name: rows for name, rows in own.items() if rows}, 0, [first.id], [])
    for name, rows in tables.items():
        expected = rows.filter(pl.col("member_id") != member) if "member_id" in rows.columns else rows
        assert DataFolder.open(data).scan(name).collect().equals(expected)
    assert member.encode() not in bytes_below(data).replace(b'"member_id"', b"") or _only_in_note(data, member)

    second = materialize(data, open_store(url), say=silent)
    assert read(url, member) is None
    assert second.members == first.members - 1
    again = forget(member, data, open_store(url), say=silent)
    assert again == Receipt(member, 0, {}, 0, [], [])


def _only_in_note(data: Path, member: str) -> bool:
    """The journal notes whom it forgot, so that every store of the data comes to know it; nowhere else is the id left."""
    (data / "journal.sqlite-wal").unlink(missing_ok=True)
    parts = [file.read_bytes() for file in data.rglob("*.parquet")]
    return not any(member.encode() in part for part in parts)


def test_a_forgotten_member_may_come_back(data, url, member):
    materialize(data, open_store(url), say=silent)
    forget(member, data, open_store(url), say=silent)
    push_one(member, "p1", data, url)
    assert len(read(url, member)) == 1
    materialize(data, open_store(url), say=silent)
    assert len(read(url, member)) == 1


def test_forgetting_somebody_whom_nobody_knows_is_no_error(data, url):
    materialize(data, open_store(url), say=silent)
    before = DataFolder.open(data).digest()
    assert forget("nobody", data, open_store(url), say=silent) == Receipt("nobody", 0, {}, 0, [], [])
    assert DataFolder.open(data).digest() == before


def bundle_of(path: Path, event_ids: list[str]) -> Path:
    stream = io.BytesIO()
    np.save(stream, np.sort(event_hashes(event_ids)), allow_pickle=False)
    manifest = BundleManifest(1, "preference", "", "", "", "", "made", "1-5", {}, {}, {}, {})
    write_bundle(path, manifest, {ROWS_FILE: stream.getvalue()})
    return path


def test_bundles_that_learnt_from_them_are_named(data, url, member, tmp_path):
    materialize(data, open_store(url), say=silent)
    ratings = DataFolder.open(data).scan("ratings").collect()
    own = ratings.filter(pl.col("member_id") == member)["event_id"].to_list()
    others = ratings.filter(pl.col("member_id") != member)["event_id"].to_list()
    with_them, without = bundle_of(tmp_path / "b1", [*others, own[0]]), bundle_of(tmp_path / "b2", others)
    said: list[str] = []
    receipt = forget(member, data, open_store(url), bundles=[with_them, without], say=said.append)
    assert said[0] == f"learnt from by {with_them}"  # before anything is deleted
    assert receipt.in_bundles == [str(with_them)]
    assert "train again" in receipt.text()
    assert str(without) not in receipt.text()


def test_a_crash_in_the_middle_is_mended_by_forgetting_again(data, url, member, monkeypatch):
    materialize(data, open_store(url), say=silent)
    push_one(member, "p1", data, url)

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr("cellar_shared.events.appending.write_durably", fail)
        forget(member, data, open_store(url), say=silent)
    assert read(url, member) is None
    assert DataFolder.open(data).scan("ratings").filter(pl.col("member_id") == member).collect().height
    receipt = forget(member, data, open_store(url), say=silent)
    assert receipt.table_rows["ratings"] > 0
    assert not DataFolder.open(data).scan("ratings").filter(pl.col("member_id") == member).collect().height


def test_a_generation_begun_while_a_member_is_forgotten_does_not_bring_them_back(data, url, member):
    """Materialize settles after the member was hidden, and reads the tables before they are deleted there."""
    materialize(data, open_store(url), say=silent)
    made = []

    def materialize_when_hidden(said: str) -> None:
        if said == "hidden from every reader":
            made.append(materialize(data, open_store(url), say=silent))

    forget(member, data, open_store(url), say=materialize_when_hidden)
    assert made
    assert read(url, member) is None
    materialize(data, open_store(url), say=silent)
    assert read(url, member) is None


def test_predictions_are_forgotten_by_whoever_keeps_them(data, url, member):
    materialize(data, open_store(url), say=silent)
    asked = []

    def forget_predictions(member_id: str) -> Forgotten:
        asked.append(member_id)
        return Forgotten(7, 1)

    receipt = forget(member, data, open_store(url), forget_predictions=forget_predictions, say=silent)
    assert (receipt.prediction_log_rows, receipt.prediction_logs_pending, asked) == (7, 1, [member])
    assert "7 rows of prediction logs" in receipt.text()
    assert "1 service(s) have yet to take rows out" in receipt.text()


def test_a_folder_that_is_no_data_folder_is_refused(tmp_path, url):
    with pytest.raises(BadInput, match="is not a data folder"):
        forget("m1", tmp_path, open_store(url), say=silent)


class Killed(BaseException):
    """As if the process had been killed there."""


def killed(*_: object, **__: object) -> None:
    raise Killed


def test_a_member_whose_forgetting_was_killed_stays_unknown_to_the_next_generation(data, url, member):
    materialize(data, open_store(url), say=silent)
    push_one(member, "p1", data, url)
    with pytest.raises(Killed):
        forget(member, data, open_store(url), say=killed)  # hidden, and nothing deleted from the tables
    second = materialize(data, open_store(url), say=silent)
    assert read(url, member) is None
    assert not DataFolder.open(data).scan("ratings").filter(pl.col("member_id") == member).collect().height
    push_one(member, "p2", data, url)
    assert materialize(data, open_store(url), say=silent).id != second.id
    assert len(read(url, member)) == 1


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_member_is_hidden_from_generations_wherever_hiding_is_killed_once_readers_see_it(data, url, member, monkeypatch, step):
    materialize(data, open_store(url), say=silent)
    push_one(member, "p1", data, url)
    forgets = itertools.count()
    forget_in_journal = Journal.forget

    def killed_at_step(journal: Journal, *rest: Any, **named: Any) -> list[str]:
        if next(forgets) == step:
            raise Killed
        return forget_in_journal(journal, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "forget", killed_at_step)
        with contextlib.suppress(Killed):
            forget(member, data, open_store(url), say=silent)
    is_hidden = read(url, member) is None
    assert is_hidden or step == 0
    materialize(data, open_store(url), say=silent)
    assert not is_hidden or read(url, member) is None


def test_no_generation_shows_a_member_while_they_are_being_forgotten(data, url, member):
    materialize(data, open_store(url), say=silent)
    seen = []

    def materialize_when_hidden(said: str) -> None:
        if said == "hidden from every reader":
            materialize(data, open_store(url), say=silent)
            seen.append(read(url, member))

    forget(member, data, open_store(url), say=materialize_when_hidden)
    assert seen == [None]


def test_a_materialize_after_one_that_was_killed_deletes_the_generation_that_holds_them(data, url, member, monkeypatch):
    first = materialize(data, open_store(url), say=silent)
    assert forget(member, data, open_store(url), say=silent).in_generations == [first.id]
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("cellar_shared.store.materialize._delete", killed)
        materialize(data, open_store(url), say=silent)
    second = materialize(data, open_store(url), say=silent)  # which has nothing to write
    assert listed(open_store(url).generations) == [second.id]


def test_a_generation_that_trims_have_left_behind_is_not_read_as_if_nothing_had_happened_since(data, url, member):
    """A service that refuses newer generations, because it is older than they, has its own mapped still."""
    store = open_store(url)
    materialize(data, store, say=silent)

    async def read_twice() -> None:
        generation = Generation.open(store, feature_fingerprint())
        try:
            assert await generation.members.events_of(member) is not None
            for event_id in ("p1", "p2"):
                await asyncio.to_thread(push_one, "other", event_id, data, url)
                await asyncio.to_thread(forget, member, data, open_store(url), say=silent)
                assert await generation.members.events_of(member) is None
                await asyncio.to_thread(materialize, data, open_store(url), say=silent)
            for member_id in (member, "other"):
                with pytest.raises(StoreUnavailable):
                    await generation.members.events_of(member_id)
        finally:
            generation.close()
            await store.aclose()

    asyncio.run(read_twice())
    assert (read(url, member), len(read(url, "other"))) == (None, 2)


def test_what_a_member_does_while_being_forgotten_counts_or_is_gone_and_stays_so(tmp_path, data, member, redis_server, monkeypatch):
    """What Redis accepts behind the position at which the member was forgotten is kept, though the forgetting is not over yet."""
    url = redis_server.url(tmp_path / "store", prefix=f"o{next(prefixes)}", timeout_ms=30_000)
    materialize(data, open_store(url), say=silent)
    door = RedisDoor(open_store(url).address)
    run_script = Script.__call__
    numbers = itertools.count()

    def push_behind(script, *rest, **named):
        answer = run_script(script, *rest, **named)
        if script.script == HIDE:
            event = decode_event(json.dumps(PUSHED | {"event_id": f"p{next(numbers)}", "member_id": member, "scale": "1-5"}))
            assert door.accept([event], now_s=0)[0].status == "accepted"
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(Script, "__call__", push_behind)
        forget(member, data, open_store(url), say=silent)
    door.close()
    assert next(numbers) == 2
    assert len(read(url, member)) == 1  # the first is behind the first position, and before the second
    materialize(data, open_store(url), say=silent)
    assert len(read(url, member)) == 1
    assert DataFolder.open(data).scan("ratings").filter(pl.col("member_id") == member).collect()["event_id"].to_list() == ["p1"]
