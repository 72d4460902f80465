"""Members' bottles in a generation: read as the tables and the night have them, whichever store, and gone for who is forgotten."""

from __future__ import annotations

import asyncio
import itertools
import json
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cellar_shared.errors import BadInput
from cellar_shared.events.appending import DataAppender
from cellar_shared.events.simulate.settings import WorldSettings
from cellar_shared.events.simulate.world import simulate_world
from cellar_shared.events.tables import DataFolder, dtypes_of
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.forgetting.forget import forget
from cellar_shared.store.cellars import NO_PHASE, UNKNOWN, Cellar
from cellar_shared.store.generation import Generation
from cellar_shared.store.materialize import materialize
from cellar_shared.store.memory_store import MemoryStore
from cellar_shared.store.opening import open_store
from cellar_shared.store.packing import Garbled
from cellar_shared.store.port import StoreUnavailable

prefixes = itertools.count()
DATES = ("ready_from", "peak_from", "peak_to", "drink_by")
EPOCH = date(1970, 1, 1)


def silent(*_: object) -> None:
    pass


def bottle(number, member_id, **more):
    row = dict.fromkeys(dtypes_of("bottles")) | {
        "bottle_id": f"b{number}", "member_id": member_id, "wine_id": "w0001", "vintage": 2015, "size_ml": 750, "state": "stored",
        "location": "Cave", "bin": f"A{number}",
    }  # fmt: skip
    return row | more


ROWS = [
    bottle(1, "m1"),
    bottle(2, "m1", state="consumed"),
    bottle(3, "m2", vintage=None, size_ml=None, location=None, bin=None),
    bottle(4, "m1", vintage=0, wine_id="ct:9", state="pending"),
    bottle(5, "nobody rated"),
]
LATER = [bottle(6, "m1", location="Zoë"), bottle(7, "m2")]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    simulate_world(WorldSettings(members=20, wines=20, seed=3), tmp_path / "data", progress=silent)
    with DataAppender(tmp_path / "data") as appender:
        for rows in (ROWS, LATER):
            appender.add("bottles", pl.DataFrame(rows, schema=dtypes_of("bottles")))
    return tmp_path / "data"


@pytest.fixture
def night(data: Path, tmp_path: Path) -> Path:
    """A closed night of those bottles: bottle n is ready in 2020 + n, and b3 has no answer."""
    out = tmp_path / "night"
    (out / "bottles").mkdir(parents=True)
    parts = []
    for number, rows in enumerate((ROWS, LATER)):
        kept = [row["bottle_id"] for row in rows if row["state"] != "consumed"]
        years = [None if each == "b3" else 2020 + int(each[1:]) for each in kept]
        dates = {name: [year and date(year + ahead, 1, 1) for year in years] for ahead, name in enumerate(DATES)}
        schema = {"bottle_id": pl.String} | dict.fromkeys(DATES, pl.Date)
        pl.DataFrame({"bottle_id": kept} | dates, schema=schema).write_parquet(out / "bottles" / f"n{number}.parquet")
        digest = list(DataFolder.open(data).manifest.tables["bottles"].parts.values())[number]
        parts.append({"part_digest": digest, "bottles": f"n{number}", "rows": len(kept)})
    (out / "night.json").write_text(json.dumps({"as_of": "2025-06-01", "parts": parts, "phases": {}}))
    return out


@pytest.fixture(params=["memory", "lmdb", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path):
    if request.param == "memory":
        return MemoryStore(tmp_path / "store")
    if request.param == "lmdb":
        return open_store(f"lmdb://{tmp_path / 'store'}")
    server = request.getfixturevalue("redis_server")
    return open_store(server.url(tmp_path / "store", prefix=f"cellars{next(prefixes)}", timeout_ms=30_000))


def cellar_of(store, member_id, generation_id=None):
    async def ask():
        generation = Generation.open(store, feature_fingerprint(), generation_id)
        try:
            return await generation.cellar_of(member_id)
        finally:
            generation.close()
            await store.aclose()

    return asyncio.run(ask())


def in_days(year):
    return (date(year, 1, 1) - EPOCH).days


def test_a_member_s_bottles_are_read_with_their_dates_from_every_part(data, night, store):
    manifest = materialize(data, store, night=night, say=silent)
    assert (manifest.night, manifest.bottles) == ("2025-06-01", 6)
    cellar = cellar_of(store, "m1")
    assert cellar.bottle_ids == ["b1", "b4", "b6"]
    assert cellar.wine_ids == ["w0001", "ct:9", "w0001"]
    assert cellar.locations == ["Cave", "Cave", "Zoë"]
    assert cellar.bins == ["A1", "A4", "A6"]
    assert cellar.vintages.tolist() == [2015, 0, 2015]
    assert cellar.is_there.tolist() == [True, False, True]
    assert cellar.dates.tolist() == [[in_days(2020 + n + ahead) for n in (1, 4, 6)] for ahead in range(4)]
    other = cellar_of(store, "m2")
    assert other.bottle_ids == ["b3", "b7"]
    assert (other.vintages[0], other.sizes_ml[0], other.locations[0]) == (UNKNOWN, UNKNOWN, None)
    assert cellar_of(store, "nobody rated").bottle_ids == ["b5"]
    assert cellar_of(store, "m3") is None


def test_the_phase_is_that_of_the_day_asked_about_however_old_the_night(data, night, store):
    materialize(data, store, night=night, say=silent)
    cellar = cellar_of(store, "m1")
    assert cellar.phases(in_days(2021) - 1).tolist() == [0, 0, 0]
    assert cellar.phases(in_days(2024)).tolist() == [3, 1, 0]
    assert cellar.phases(in_days(2024) + 1).tolist() == [4, 1, 0]
    assert cellar.phases(in_days(2040)).tolist() == [4, 4, 4]
    assert cellar_of(store, "m2").phases(in_days(2040)).tolist() == [NO_PHASE, 4]


def test_bottles_that_came_since_the_night_have_no_dates_and_those_that_went_are_not_there(data, night, store):
    with DataAppender(data) as appender:
        changed = pl.DataFrame([ROWS[0], ROWS[2], bottle(8, "m1")], schema=dtypes_of("bottles"))
        appender.replace("bottles", [(next(iter(appender.folder.parts("bottles"))), changed)])
    materialize(data, store, night=night, say=silent)
    cellar = cellar_of(store, "m1")
    assert cellar.bottle_ids == ["b1", "b8", "b6"]
    assert cellar.dates[0].tolist() == [in_days(2021), UNKNOWN, in_days(2026)]
    assert cellar_of(store, "nobody rated") is None


def test_the_same_night_again_writes_nothing_and_another_one_a_generation(data, night, store):
    first = materialize(data, store, night=night, say=silent)
    assert materialize(data, store, night=night, say=silent) == first
    manifest = json.loads((night / "night.json").read_text())
    (night / "night.json").write_text(json.dumps(manifest | {"as_of": "2025-06-02", "times": {"s": 1}}))
    second = materialize(data, store, night=night, say=silent)
    assert second.id != first.id
    without = materialize(data, store, say=silent)
    assert (without.night, without.bottles) == (None, 0)
    assert cellar_of(store, "m1") is None


@pytest.mark.parametrize("member", ["m1", "nobody rated"])
def test_whose_bottles_are_forgotten_has_none_at_once_and_in_no_generation_after_the_next(data, night, store, member):
    first = materialize(data, store, night=night, say=silent)
    receipt = forget(member, data, store, say=silent)
    assert receipt.table_rows["bottles"] > 0
    assert receipt.in_generations == [first.id]
    assert cellar_of(store, member) is None
    assert cellar_of(store, "m2").bottle_ids == ["b3", "b7"]
    second = materialize(data, store, night=night, say=silent)
    assert [folder.name for folder in store.generations.iterdir() if not folder.name.startswith(".")] == [second.id]
    assert cellar_of(store, member) is None
    assert cellar_of(store, "m2").bottle_ids == ["b3", "b7"]
    assert forget(member, data, store, say=silent).in_generations == []


def test_a_damaged_value_is_a_store_that_cannot_be_read_and_never_another_s_bottles(data, night, tmp_path):
    store = open_store(f"lmdb://{tmp_path / 'store'}")
    manifest = materialize(data, store, night=night, say=silent)
    file = store.generations / manifest.id / "cellars" / "values.npy"
    opened = Generation.open(store, feature_fingerprint())  # verified: what is damaged from here on is found when it is read
    content = bytearray(file.read_bytes())
    for at in range(130, len(content), 20):
        content[at] ^= 0x10
    with file.open("r+b") as stream:  # in place, as a disk damages what is mapped
        stream.write(content)
    try:
        with pytest.raises(StoreUnavailable, match="damaged"):
            asyncio.run(opened.cellar_of("m1"))
    finally:
        opened.close()
        store.close()
    again = open_store(f"lmdb://{tmp_path / 'store'}")
    try:
        with pytest.raises(BadInput, match=r"values\.npy is damaged"):
            Generation.open(again, feature_fingerprint())
    finally:
        again.close()


def test_one_member_s_bytes_are_no_cellar_of_another():
    empty = Cellar([], [], [], [], np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((4, 0), np.int64), np.zeros(0, bool))
    packed = empty.packed(b"one")
    assert Cellar.unpacked(packed, b"one").bottle_ids == []
    for value, key in ((packed, b"two"), (packed[:-1], b"one"), (b"", b"one")):
        with pytest.raises(Garbled):
            Cellar.unpacked(value, key)


def test_a_folder_without_a_closed_night_is_refused(data, store, tmp_path):
    with pytest.raises(BadInput, match="holds no closed night"):
        materialize(data, store, night=tmp_path, say=silent)
