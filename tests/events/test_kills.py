"""Whatever is killed at whatever moment: what was acknowledged is there exactly once, and readers see it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from cellar_shared.events.journal import Journal
from cellar_shared.events.pushed import decode_event
from cellar_shared.store.opening import open_store
from cellar_shared.store.redis_store import RedisStore

pytestmark = pytest.mark.slow

CLIENTS = 6
DRAIN = "from cellar_shared.command import command_of; from cellar_shared.store.command import drain; command_of(drain, 'drain')()"
# Stops before its fourth batch: however late a busy machine comes to kill it, it is not done.
SHORT = """
import threading
from cellar_shared.events.journal import Journal
append, batches = Journal.append, []

def few(journal, events, *, now_s):
    if len(batches) == 3:
        threading.Event().wait()
    batches.append(len(events))
    return append(journal, events, now_s=now_s)

Journal.append = few
"""
WITHIN_S = 300  # whatever is waited for ends the wait


def rating(event_id: str, member_id: str, second: int) -> dict[str, Any]:
    moment = f"2021-06-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
    return {"kind": "rating", "event_id": event_id, "member_id": member_id, "occurred_at": moment, "wine_id": "w1", "rating": 5}


@dataclass
class Load:
    """Clients that send batches until each is acknowledged, trying again whatever happens; `at` is called after so many answers."""

    port: int
    requests: int
    at: dict[int, Callable[[], None]] = field(default_factory=dict)
    acknowledged: dict[str, str] = field(default_factory=dict)  # member by event
    answers: int = 0
    retries: int = 0
    statuses: set[tuple[bool, str]] = field(default_factory=set)  # was it tried before, what became of it
    _asked: int = 0

    def run(self) -> Load:
        async def all_clients() -> None:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=WITHIN_S) as http:
                await asyncio.gather(*(self._client(http, random.Random(seed)) for seed in range(CLIENTS)))

        asyncio.run(asyncio.wait_for(all_clients(), WITHIN_S))
        return self

    async def _client(self, http: httpx.AsyncClient, draw: random.Random) -> None:
        while self._asked < self.requests:
            self._asked += 1
            number = self._asked
            events = [rating(f"e{number}-{n}", f"n{draw.randrange(20)}", number) for n in range(draw.choice([1, 1, 5, 40]))]
            body = json.dumps({"events": events})
            is_retry = False
            while True:
                try:
                    response = await http.post("/events", content=body, headers={"content-type": "application/json"})
                except httpx.TransportError:
                    response = None
                if response is not None and response.status_code == 200:
                    break
                assert response is None or response.status_code in (429, 503), response.text
                is_retry = True
                self.retries += 1
                await asyncio.sleep(0.02)
            for event, result in zip(events, response.json()["results"], strict=True):
                assert event["event_id"] == result["event_id"]
                self.statuses.add((is_retry, result["status"]))
                self.acknowledged[event["event_id"]] = event["member_id"]
            self.answers += 1
            if (then := self.at.get(self.answers)) is not None:
                await asyncio.to_thread(then)

    def require_all_there_once(self, place: Any) -> None:
        assert {status for _, status in self.statuses} <= {"accepted", "duplicate"}
        place.settle()
        assert sorted(place.journaled()) == sorted(self.acknowledged)
        members = [f"n{number}" for number in range(20)]
        assert place.ratings_seen(members) == {each: list(self.acknowledged.values()).count(each) for each in members}


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.001)


def kill(process_id: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGKILL)


@pytest.mark.parametrize("kind", ["lmdb", "redis"])
def test_workers_that_are_killed_under_load_lose_nothing_that_was_acknowledged(request, kind, serve):
    place = request.getfixturevalue(f"{kind}_place")
    served = serve(*place.words, "--workers", "2").ready()
    draw = random.Random(7)
    load = Load(served.port, 120)
    load.at = {answers: lambda: kill(draw.choice(served.workers())) for answers in draw.sample(range(5, 110), 3)}
    load.run()
    assert load.retries > 0
    load.require_all_there_once(place)
    assert served.stop() == 0


@pytest.mark.parametrize("kind", ["lmdb", "redis"])
def test_a_service_that_is_killed_whole_and_started_again_has_what_was_acknowledged(request, kind, serve):
    place = request.getfixturevalue(f"{kind}_place")
    services = [serve(*place.words)]
    port = services[0].ready().port

    def kill_and_start() -> None:
        services[-1].process.kill()
        services[-1].process.wait()
        services.append(serve(*place.words, port=port))

    load = Load(port, 90, {30: kill_and_start}).run()
    assert len(services) == 2
    assert load.retries > 0
    load.require_all_there_once(place)
    assert services[-1].stop() == 0


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_a_redis_that_is_killed_under_load_has_what_was_acknowledged_when_it_is_back(redis_place, own_redis, serve, policy):
    own_redis.appendfsync = policy
    own_redis.kill()
    own_redis.start()
    served = serve(*redis_place.words).ready()

    def kill_and_start() -> None:
        own_redis.kill()
        own_redis.start()

    requests = 100 if policy == "always" else 30
    load = Load(served.port, requests, dict.fromkeys([requests // 4, requests * 3 // 4], kill_and_start)).run()
    assert load.retries > 0 or policy == "everysec"
    load.require_all_there_once(redis_place)
    assert served.stop() == 0


@contextlib.contextmanager
def draining(place: Any, *words: str, program: str = DRAIN) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", program, "--data", str(place.data), "--store", place.url, *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_drain_that_is_killed_is_resumed_by_another_without_loss_or_doubling(redis_place, serve):
    served = serve(*redis_place.words).ready()
    sent = [[rating(f"e{k}-{n}", f"n{n % 20}", k) for n in range(500)] for k in range(24)]
    for events in sent:
        assert served.post(*events)[0] == 200
    journal = Journal(redis_place.data)
    try:
        for _ in range(2):
            before = journal.last()
            with draining(redis_place, program=SHORT + DRAIN) as process:
                until(lambda before=before: journal.last() > before)
                kill(process.pid)
        assert 0 < len(redis_place.journaled()) < 500 * len(sent)
    finally:
        journal.close()
    with draining(redis_place, "--once") as process:
        assert process.wait(WITHIN_S) == 0
    assert sorted(redis_place.journaled()) == sorted(event["event_id"] for events in sent for event in events)


def test_a_drain_under_load_stops_when_it_is_told_to(redis_place, serve):
    served = serve(*redis_place.words).ready()
    with draining(redis_place) as process:
        assert process.stderr

        def stop_draining() -> None:
            process.stderr.readline()  # it is up, and has brought some in
            process.send_signal(signal.SIGTERM)
            assert process.wait(WITHIN_S) == 0

        load = Load(served.port, 200, {100: stop_draining}).run()
    load.require_all_there_once(redis_place)


def test_entries_that_a_dead_drain_had_journaled_and_not_acknowledged_are_not_doubled(redis_place, serve):
    served = serve(*redis_place.words).ready()
    served.post(*[rating(f"e{n}", "n0", n) for n in range(9)])
    store = open_store(redis_place.url)
    assert isinstance(store, RedisStore)
    with store.commanding() as client:
        stream = store.address.key("stream")
        ((_, entries),) = client.xreadgroup(b"journal", "dead", {stream: ">"}, count=5)
        assert len(entries) == 5
        journal = Journal(redis_place.data)
        journal.append([decode_event(fields[b"content"]) for _, fields in entries[:3]], now_s=0)
        journal.close()
    redis_place.settle()
    assert redis_place.journaled() == [f"e{n}" for n in range(9)]
    with store.commanding() as client:
        assert client.xlen(stream) == 0
    store.close()


def test_what_a_killed_process_journaled_and_did_not_lay_over_the_next_one_lays_over(lmdb_place, serve):
    journal = Journal(lmdb_place.data)
    scaled = rating("e1", "n0", 1) | {"scale": "1-5"}
    journal.append([decode_event(json.dumps(scaled).encode())], now_s=0)
    journal.close()
    assert lmdb_place.ratings_seen(["n0"]) == {"n0": 0}
    serve(*lmdb_place.words).ready()
    assert lmdb_place.ratings_seen(["n0"]) == {"n0": 1}
