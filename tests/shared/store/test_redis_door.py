"""How the door of many machines makes events durable, and what is said when it cannot."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import json
from datetime import UTC, datetime

import pytest
import redis

from cellar_shared.errors import BadInput, CellarError
from cellar_shared.events.journal import Journal
from cellar_shared.events.pushed import RatingEvent
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.store import redis_door
from cellar_shared.store.generation import Generation
from cellar_shared.store.materialize import materialize
from cellar_shared.store.opening import open_store
from cellar_shared.store.pushing import push
from cellar_shared.store.redis_door import Drain, RedisDoor
from cellar_shared.store.redis_store import RedisStore


def rating(event_id: str) -> RatingEvent:
    return RatingEvent(event_id=event_id, member_id="m", occurred_at=datetime(2021, 1, 1, tzinfo=UTC), wine_id="w", rating=4, scale="1-5")


@pytest.fixture
def store(own_redis, tmp_path) -> RedisStore:
    opened = open_store(own_redis.url(tmp_path / "store", timeout_ms=30_000))
    assert isinstance(opened, RedisStore)
    return opened


def commands_until(monitor, last: str) -> list[tuple[str, str]]:
    """Connection and command of what Redis was asked, scripts' own commands left out."""
    met = []
    while True:
        command = monitor.next_command()
        if command["client_type"] != "lua":
            met.append((command["client_address"] + command["client_port"], command["command"].split()[0]))
        if met and met[-1][1] == last:
            return met


@pytest.mark.parametrize(("durability", "asked"), [("aof", "WAITAOF"), ("replica", "WAIT")])
def test_durability_is_asked_for_behind_a_write_over_the_connection_that_wrote(store, own_redis, durability, asked, monkeypatch):
    door = RedisDoor(store.address, "aof")
    door.accept([rating("e1")], now_s=0)
    door.close()
    if durability == "replica":
        monkeypatch.setattr(redis_door, "WAIT_MS", 50)  # there is none to wait for
    door = RedisDoor(store.address, durability)
    try:
        with own_redis.client() as client, client.monitor() as monitor:
            # A duplicate writes nothing of its own, and must be durable as well.
            try:
                assert [receipt.status for receipt in door.accept([rating("e1")], now_s=0)] == ["duplicate"]
            except CellarError:
                assert durability == "replica"  # there is none
            met = commands_until(monitor, asked)
    finally:
        door.close()
    *_, script, write, wait = met
    assert (script[1], write[1], wait[1]) == ("EVALSHA", "INCRBY", asked)
    assert script[0] == write[0] == wait[0]


def test_a_redis_that_restarts_between_two_calls_is_met_again_at_once(store, own_redis):
    door = RedisDoor(store.address)
    try:
        assert door.accept([rating("e1")], now_s=0)[0].status == "accepted"
        own_redis.kill()
        own_redis.start()
        assert [receipt.status for receipt in door.accept([rating("e1"), rating("e2")], now_s=0)] == ["duplicate", "accepted"]
    finally:
        door.close()


class Killed(BaseException):
    """As if the process had been killed there."""


def killed_before(monkeypatch, number: int) -> list[object]:
    """From the command of that number on nothing is sent to Redis any more; what was about to be."""
    sent = itertools.count()
    unsent: list[object] = []

    def of(send):
        def sending(connection, command, *rest, **named):
            if next(sent) >= number:
                unsent.append(command)
                raise Killed
            return send(connection, command, *rest, **named)

        return sending

    monkeypatch.setattr(redis.Connection, "send_packed_command", of(redis.Connection.send_packed_command))
    return unsent


def test_a_drain_that_is_killed_before_any_of_its_commands_makes_nothing_count_twice(store, data, own_redis, monkeypatch):
    def tastings(generation: Generation) -> int:
        async def read() -> int:
            try:
                events = await generation.members.events_of("m")
            finally:
                await store.aclose()
            return 0 if events is None else len(events)

        return asyncio.run(read())

    materialize(data, store, say=lambda _: None)
    door, journal = RedisDoor(store.address), Journal(data)
    try:
        for number in itertools.count():
            assert door.accept([rating(f"{number}-{place}") for place in range(3)], now_s=0)[0].status == "accepted"
            with monkeypatch.context() as patch, store.commanding() as client:
                unsent = killed_before(patch, number)
                with contextlib.suppress(Killed):
                    Drain(store.address, journal).once(client, now_s=1)
            assert door.accept([rating(f"{number} after")], now_s=0)[0].status == "accepted"
            materialize(data, store, say=lambda _: None)
            assert tastings(Generation.open(store, feature_fingerprint())) == 4 * (number + 1), number
            if not unsent:
                break
        assert number > 5
        with own_redis.client() as client:
            assert client.xlen(store.address.key("stream")) == 0
    finally:
        journal.close()
        door.close()


@pytest.mark.parametrize("is_folded", [False, True])
@pytest.mark.parametrize("changed", [{}, {"rating": 1.0}])
def test_an_event_sent_again_when_redis_has_let_go_of_its_id_counts_once_and_as_it_was(store, data, own_redis, is_folded, changed):
    def send(**fields) -> None:
        event = {"kind": "rating", "event_id": "e1", "member_id": "m9", "occurred_at": "2021-06-01T12:00:00Z", "wine_id": "w1", "rating": 5}
        push(io.BytesIO(json.dumps(event | fields).encode()), data, store, tell=lambda what, count: None)

    def read() -> list[float]:
        async def strengths() -> list[float]:
            try:
                events = await Generation.open(store, feature_fingerprint()).members.events_of("m9")
            finally:
                await store.aclose()
            return [] if events is None else events["strength"].tolist()

        return asyncio.run(strengths())

    materialize(data, store, say=lambda _: None)
    send()
    if is_folded:
        materialize(data, store, say=lambda _: None)
        materialize(data, store, horizon_days=30, say=lambda _: None)  # which trims what was pushed
    before = read()
    assert len(before) == 1
    with own_redis.client() as client:
        assert client.unlink(store.address.event_key("e1")) == 1  # as after ID_KEPT_S
    send(**changed)
    assert read() == before
    materialize(data, store, say=lambda _: None)
    assert read() == before


def test_pushing_a_file_to_a_redis_that_is_away_is_refused_in_a_sentence(store, own_redis, data):
    own_redis.kill()
    event = {"kind": "rating", "event_id": "e1", "member_id": "m0", "occurred_at": "2021-06-01T12:00:00Z", "wine_id": "w1", "rating": 5}
    with pytest.raises(CellarError, match="does not take events in now"):
        push(io.BytesIO(json.dumps(event).encode()), data, store, tell=lambda what, count: None)
    own_redis.start()


def test_a_durability_that_is_none_is_refused(store):
    with pytest.raises(BadInput, match="use aof or replica"):
        RedisDoor(store.address, "memory")
