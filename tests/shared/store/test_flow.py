"""From a pushed event to a generation that holds it, on every store: it counts at once, and exactly once from then on."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cellar_shared.errors import BadInput
from cellar_shared.events.appending import DataAppender
from cellar_shared.events.journal import Journal
from cellar_shared.events.pushed import decode_event
from cellar_shared.events.tables import DataFolder
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.forgetting.forget import forget
from cellar_shared.store.generation import Generation
from cellar_shared.store.generation_folders import listed
from cellar_shared.store.materialize import materialize
from cellar_shared.store.memory_store import MemoryStore
from cellar_shared.store.opening import open_store
from cellar_shared.store.port import Store
from cellar_shared.store.pushing import push
from cellar_shared.store.redis_store import RedisStore

prefixes = itertools.count()


def silent(*_: object) -> None:
    pass


@pytest.fixture(params=["memory", "lmdb", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        opened: Store = MemoryStore(tmp_path / "store")
    elif request.param == "lmdb":
        opened = open_store(f"lmdb://{tmp_path / 'store'}")
    else:
        opened = open_store(request.getfixturevalue("redis_server").url(tmp_path / "store", prefix=f"f{next(prefixes)}", timeout_ms=30_000))
    yield opened
    opened.close()


@pytest.fixture
def read(store: Store) -> Callable[..., Any]:
    """The ratings of a member as a service of the current generation, or of the one given, sees them."""

    def events_of(member_id: str, generation_id: str | None = None) -> Any:
        async def ask() -> Any:
            generation = Generation.open(store, feature_fingerprint(), generation_id)
            try:
                return await generation.members.events_of(member_id)
            finally:
                generation.close()
                await store.aclose()

        return asyncio.run(ask())

    return events_of


def lines_of(*events: dict[str, Any]) -> io.BytesIO:
    return io.BytesIO(b"\n".join(json.dumps(event).encode() for event in events))


def rating(event_id: str, member_id: str = "m0", **fields: Any) -> dict[str, Any]:
    event = {"kind": "rating", "event_id": event_id, "member_id": member_id, "occurred_at": "2021-06-01T12:00:00Z"}
    return event | {"wine_id": "w1", "rating": 5} | fields


def test_a_pushed_rating_counts_before_and_after_the_next_generation_and_never_twice(data, store, read):
    first = materialize(data, store, say=silent)
    assert len(read("m0")) == 2
    assert push(lines_of(rating("p1")), data, store, tell=silent).counts["accepted"] == 1
    assert len(read("m0")) == 3
    second = materialize(data, store, say=silent)
    assert (second.id != first.id, second.ratings) == (True, 4)
    assert (len(read("m0")), len(read("m0", first.id))) == (3, 3)
    third = materialize(data, store, say=silent)
    assert third.id == second.id
    push(lines_of(rating("p2", "m1")), data, store, tell=silent)
    fourth = materialize(data, store, say=silent)
    assert listed(store.generations) == sorted([second.id, fourth.id])
    assert (len(read("m0")), len(read("m1")), len(read("m1", second.id))) == (3, 2, 2)


def test_pushing_the_same_file_again_changes_nothing(data, store, read):
    materialize(data, store, say=silent)
    events = [rating(f"p{number}", occurred_at=f"2021-06-{number + 1:02}T00:00:00Z") for number in range(9)]
    assert push(lines_of(*events), data, store, tell=silent).counts == {"accepted": 9, "duplicate": 0, "conflict": 0}
    before = read("m0")
    assert push(lines_of(*events), data, store, tell=silent).counts == {"accepted": 0, "duplicate": 9, "conflict": 0}
    assert read("m0").tobytes() == before.tobytes()
    made = materialize(data, store, say=silent)
    assert push(lines_of(*events), data, store, tell=silent).counts["duplicate"] == 9
    assert materialize(data, store, say=silent) == made
    assert len(read("m0")) == 11


@pytest.fixture
def bytes_of(store: Store, data: Path) -> Callable[[], dict[str, Any]]:
    """Every byte of the store and of the data folder: of each file, and of each value in Redis or in memory."""

    def content() -> dict[str, Any]:
        place = store.generations.parent
        found = {str(file): file.read_bytes() for folder in (place, data) for file in folder.rglob("*") if file.is_file()}
        if isinstance(store, MemoryStore):
            overlay = {key: (laid.pushed.tobytes(), laid.wishes, laid.forgotten_at) for key, laid in store.overlay.items()}
            return found | {"members": {name: dict(each) for name, each in store.members.items()}, "overlay": overlay}
        if isinstance(store, RedisStore):
            with store.commanding() as client:
                found |= {key: value_of(client, key) for key in client.scan_iter(store.address.key("*"), 1000)}
        return found

    return content


def value_of(client: Any, key: bytes) -> Any:
    kind = client.type(key)
    if kind == b"stream":  # beside its entries it notes when each consumer last looked
        return client.xrange(key), [group["last-delivered-id"] for group in client.xinfo_groups(key)]
    reads = {b"string": client.get, b"hash": client.hgetall, b"set": client.smembers}
    return client.zrange(key, 0, -1, withscores=True) if kind == b"zset" else reads[kind](key)


@pytest.mark.parametrize("is_materialized_between", [False, True])
def test_the_same_file_twice_leaves_the_store_byte_for_byte_as_it_was(data, store, bytes_of, is_materialized_between):
    materialize(data, store, say=silent)
    events = [rating(f"p{number}", f"m{number % 3}", occurred_at=f"2021-06-{number + 1:02}T00:00:00Z") for number in range(9)]
    before = bytes_of()
    push(lines_of(*events), data, store, tell=silent)
    assert bytes_of() != before
    if is_materialized_between:
        materialize(data, store, say=silent)
    pushed = bytes_of()
    for _ in range(2):
        assert push(lines_of(*events), data, store, tell=silent).counts == {"accepted": 0, "duplicate": 9, "conflict": 0}
        assert bytes_of() == pushed
    if is_materialized_between:
        materialize(data, store, say=silent)
        assert bytes_of() == pushed


def test_bad_lines_are_named_and_the_others_go_on(data, store, read):
    materialize(data, store, say=silent)
    lines = [
        b"{",
        json.dumps(rating("p1")).encode(),
        b"",
        json.dumps(rating("p2", rating=6)).encode(),
        json.dumps(rating("p3", occurred_at="2121-01-01T00:00:00Z")).encode(),
        json.dumps(rating("p4", colour="red")).encode(),
        json.dumps(rating("p5", scale="stars")).encode(),
        json.dumps(rating("p1", rating=1)).encode(),
        b"\xff",
    ]
    pushed = push(io.BytesIO(b"\n".join(lines)), data, store, tell=silent)
    assert (pushed.counts, pushed.conflicts) == ({"accepted": 1, "duplicate": 0, "conflict": 1}, ["p1"])
    assert [line.split(":")[0] for line in pushed.refused] == ["line 1", "line 4", "line 5", "line 6", "line 7", "line 9"]
    said = "\n".join(pushed.refused)
    for expected in ("rating 6 is not on scale 1-5", "lies in the future", "unknown field `colour`", "scale 'stars' is not known"):
        assert expected in said
    assert len(read("m0")) == 3


def test_every_kind_of_event_comes_into_its_table_once(data, store):
    common = {"member_id": "m9", "occurred_at": "2021-06-01T12:00:00+02:00"}
    wine = {"wine_id": "w1", "vintage": "NV"}
    bottle = {"kind": "bottle", "bottle_id": "b1", "state": "stored", "size_ml": 750} | common | wine
    events = [
        rating("p1", like=False, time_precision="date", vintage=2015),
        {
            "kind": "impression",
            "event_id": "p2",
            "request_id": "r1",
            "position": 1,
            "source": "ann",
            "propensity": 0.5,
            "candidate_hash": "c",
        }
        | common
        | wine,
        {"kind": "outcome", "event_id": "p3", "outcome": "bought", "request_id": "r1", "value": 2.0} | common | wine,
        {"event_id": "p5"} | bottle | {"state": "consumed", "occurred_at": "2021-07-01T00:00:00Z", "consumed_at": "2021-07-01"},
        {"event_id": "p4"} | bottle,
        {"kind": "preference", "event_id": "p6", "preference": "hide_producer", "value": "P"} | common,
    ]
    push(lines_of(*events), data, store, tell=silent)
    materialize(data, store, say=silent)
    push(lines_of(*events), data, store, tell=silent)
    materialize(data, store, say=silent)
    folder = DataFolder.open(data)
    rows = {table: folder.scan(table).collect() for table in folder.manifest.tables}
    assert {table: rows[table].height for table in ("impressions", "outcomes", "bottles", "preferences")} == {
        "impressions": 1,
        "outcomes": 1,
        "bottles": 1,
        "preferences": 1,
    }
    pushed = rows["ratings"].row(by_predicate=pl.col("event_id") == "p1", named=True)
    assert (pushed["like"], pushed["time_precision"], pushed["scale"], pushed["vintage"]) == (False, "date", "1-5", 2015)
    assert rows["bottles"].row(0, named=True)["state"] == "consumed"
    assert rows["impressions"].row(0, named=True)["vintage"] == 0
    assert rows["outcomes"]["occurred_at"][0].hour == 10
    assert rows["preferences"].row(0, named=True)["is_set"] is True


def test_a_later_push_of_a_bottle_stands_in_for_what_the_table_had(data, store):
    bottle = {"kind": "bottle", "bottle_id": "b1", "member_id": "m1", "wine_id": "w1", "state": "stored"}
    push(lines_of(bottle | {"event_id": "p1", "occurred_at": "2021-06-01T00:00:00Z"}), data, store, tell=silent)
    materialize(data, store, say=silent)
    push(lines_of(bottle | {"event_id": "p2", "occurred_at": "2021-06-02T00:00:00Z", "state": "consumed"}), data, store, tell=silent)
    materialize(data, store, say=silent)
    assert DataFolder.open(data).scan("bottles").collect()["state"].to_list() == ["consumed"]


def as_pushed(row: dict[str, Any]) -> dict[str, Any]:
    """An imported rating as it would be pushed."""
    names = ("event_id", "member_id", "wine_id", "scale", "like", "time_precision", "defective")
    vintage = "NV" if row["vintage"] == 0 else row["vintage"]
    event = {name: row[name] for name in names} | {"rating": row["rating_raw"], "vintage": vintage}
    return event | {"kind": "rating", "occurred_at": row["rated_at"].isoformat()}


def test_a_push_of_what_was_imported_is_no_news_and_other_content_under_its_id_a_conflict(data, store, read):
    made = materialize(data, store, say=silent)
    imported = [as_pushed(row) for row in DataFolder.open(data).scan("ratings").collect().iter_rows(named=True)]
    changed = imported[0] | {"rating": 1.0, "like": False}
    pushed = push(lines_of(*imported, changed, rating("new")), data, store, tell=silent)
    if "redis" in store.name:  # what was imported is known next to the data, when the stream is drained
        assert pushed.counts == {"accepted": 4, "duplicate": 0, "conflict": 1}
    else:
        assert pushed.counts == {"accepted": 1, "duplicate": 3, "conflict": 1}
    assert len(read("m0")) == 3
    assert materialize(data, store, say=silent).ratings == made.ratings + 1
    assert len(read("m0")) == 3


def test_what_is_pushed_to_a_folder_that_is_no_data_folder_is_refused(tmp_path, store):
    with pytest.raises(BadInput, match="is not a data folder"):
        push(lines_of(rating("p1")), tmp_path, store, tell=silent)
    assert not (tmp_path / "journal.sqlite").exists()


def test_the_content_of_folded_events_goes_after_a_week_and_their_ids_stay(data, store):
    materialize(data, store, say=silent)
    push(lines_of(rating("p1")), data, store, tell=silent)
    materialize(data, store, say=silent)
    journal = Journal(data)
    try:
        assert [entry.position for entry in journal.after(0)] == [journal.last()]
        assert journal.trim(journal.last(), now_s=4e9) == 1
        assert list(journal.after(0)) == []
    finally:
        journal.close()
    assert push(lines_of(rating("p1")), data, store, tell=silent).counts["duplicate"] == 1
    assert push(lines_of(rating("p1", rating=1)), data, store, tell=silent).counts["conflict"] == 1


def test_a_folder_with_pushed_events_is_not_replaced_by_an_import(data, store, world):
    materialize(data, store, say=silent)
    world.write(data)
    push(lines_of(rating("p1")), data, store, tell=silent)
    if "redis" in store.name:
        materialize(data, store, say=silent)
    with pytest.raises(BadInput, match="has taken in pushed events"):
        world.write(data)


def test_what_was_imported_is_still_known_after_a_part_of_it_was_rewritten_to_forget_another(data, store, read):
    materialize(data, store, say=silent)
    imported = [as_pushed(row) for row in DataFolder.open(data).scan("ratings").collect().iter_rows(named=True)]
    kept = [event for event in imported if event["member_id"] == "m0"]
    forget("m1", data, store, say=silent)
    push(lines_of(*kept), data, store, tell=silent)
    assert len(read("m0")) == len(kept) == 2


def test_an_open_journal_knows_what_was_imported_as_soon_as_it_is_noted(data, store):
    """Looked up between import and materialize, when the tables have the import and nothing is noted of it yet."""
    materialize(data, store, say=silent)
    journal = Journal(data)
    try:
        rows = DataFolder.open(data).scan("ratings").collect()
        with DataAppender(data) as appender:
            appender.add("ratings", rows.head(1).with_columns(event_id=pl.lit("later")))
        earlier, later = (
            decode_event(json.dumps(as_pushed(row)))
            for row in DataFolder.open(data)
            .scan("ratings")
            .filter(pl.col("event_id").is_in([rows["event_id"][0], "later"]))
            .collect()
            .iter_rows(named=True)
        )
        assert journal.append([earlier], now_s=1.0)[0].status == "duplicate"
        materialize(data, store, say=silent)
        assert journal.append([later], now_s=1.0)[0].status == "duplicate"
    finally:
        journal.close()


def test_members_whose_ids_differ_by_a_nul_at_the_end_keep_their_own_ratings(data, store, read):
    push(lines_of(rating("p1", "n"), rating("p2", "n\0"), rating("p3", "n\0")), data, store, tell=silent)
    materialize(data, store, say=silent)
    assert (len(read("n")), len(read("n\0"))) == (1, 2)
