"""When the store or the disk fails: a retry is asked for, nothing is claimed, nothing else suffers, and it mends itself."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cellar_events.service import EventsService
from cellar_shared.store import redis_door
from cellar_shared.store.materialize import materialize
from cellar_shared.store.opening import open_store

PATIENCE_S = 60


def rating(event_id: str, member_id: str = "m0", **fields: Any) -> dict[str, Any]:
    event = {"kind": "rating", "event_id": event_id, "member_id": member_id, "occurred_at": "2021-06-01T12:00:00Z"}
    return event | {"wine_id": "w1", "rating": 5} | fields


def require_retry(response: Any) -> None:
    """The answer asks for the same again, and says nothing of where the store is."""
    problem = response.json()
    assert (response.status_code, problem["type"]) == (503, "urn:cellar:problem:not-ready")
    assert problem["retry_after_ms"] >= 1000
    assert "send the same again" in problem["detail"]
    assert "/" not in problem["detail"]


def until_accepted(client: Any, *events: Any) -> list[str]:
    end = time.monotonic() + PATIENCE_S
    while (response := client.post(*events)).status_code != 200:
        require_retry(response)
        assert time.monotonic() < end, "it never mended itself"
        time.sleep(0.05)
    return [each["status"] for each in response.json()["results"]]


# One machine


@contextmanager
def files_at_most(process: int, size: int) -> Iterator[None]:
    """No file of the process may grow beyond `size` bytes: to it the disk is full."""
    before = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_a_retry_and_with_room_again_the_service_goes_on(lmdb_place, serve):
    served = serve(*lmdb_place.words).ready()
    assert served.post(rating("p1"))[0] == 200
    wal = lmdb_place.data / "journal.sqlite-wal"
    with files_at_most(served.process.pid, wal.stat().st_size):
        for number in range(3):
            status, problem = served.post(*[rating(f"q{number}-{n}") for n in range(50)])
            assert (status, problem["type"]) == (503, "urn:cellar:problem:not-ready")
            assert problem["retry_after_ms"] >= 1000
        assert served.ask("GET", "/v2/health/ready")[0] == 200
    status, answer = served.post(*[rating(f"q0-{n}") for n in range(50)], rating("p1"))
    assert (status, {each["status"] for each in answer["results"][:-1]}, answer["results"][-1]["status"]) == (
        200,
        {"accepted"},
        "duplicate",
    )
    assert served.stop() == 0
    assert len(lmdb_place.journaled()) == 51
    assert lmdb_place.ratings_seen(["m0"]) == {"m0": 2 + 51}


def test_an_overlay_that_cannot_be_written_is_a_retry_although_the_journal_has_the_events(lmdb_place, serve):
    served = serve(*lmdb_place.words).ready()
    assert served.post(rating("p0"))[0] == 200
    overlay = lmdb_place.data.parent / "store" / "overlay" / "data.mdb"
    many = [rating(f"p{n}", f"n{n}", wine_id="w" * 100 + str(n)) for n in range(400)]
    with files_at_most(served.process.pid, 16 << 20):
        assert served.post(*many)[0] == 200
    with files_at_most(served.process.pid, overlay.stat().st_size):
        statuses = {served.post(*[rating(f"r{k}-{n}", f"r{k}-{n}") for n in range(400)])[0] for k in range(4)}
    assert statuses <= {200, 503}
    assert 503 in statuses
    answer = served.post(*[rating(f"r0-{n}", f"r0-{n}") for n in range(400)])[1]
    assert {each["status"] for each in answer["results"]} <= {"accepted", "duplicate"}
    assert set(lmdb_place.ratings_seen([f"r0-{n}" for n in range(400)]).values()) == {1}


def test_a_journal_that_another_holds_makes_requests_wait_and_nothing_else(lmdb_place, serve):
    served = serve(*lmdb_place.words).ready()
    other = sqlite3.connect(lmdb_place.data / "journal.sqlite", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        answers: list[tuple[int, Any]] = []
        waiting = threading.Thread(target=lambda: answers.append(served.post(rating("p1"))))
        waiting.start()
        assert served.ask("GET", "/v2/health/live")[0] == 200
        assert served.ask("GET", "/v2/models/events")[0] == 200
        assert answers == []
        other.execute("COMMIT")
        waiting.join(PATIENCE_S)
        assert [(status, answer["results"][0]["status"]) for status, answer in answers] == [(200, "accepted")]
    finally:
        other.close()


def test_when_too_much_waits_for_the_disk_more_is_refused_and_what_waits_is_taken_in(lmdb_place, connect):
    client = connect(lmdb_place.service())
    other = sqlite3.connect(lmdb_place.data / "journal.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answers = client.post_together(
        *[[rating(f"p{k}-{n}") for n in range(500)] for k in range(34)],
        at_first_answer=lambda: other.execute("COMMIT"),
    )
    other.close()
    refused = [answer.json() for answer in answers if answer.status_code != 200]
    assert 8 < len(refused) < 15  # of 17,000 events a group of 2,000 is under way at most, and 10,000 wait
    assert {problem["type"] for problem in refused} == {"urn:cellar:problem:overloaded"}
    assert all(problem["retry_after_ms"] >= 200 for problem in refused)
    assert len(lmdb_place.journaled()) == 500 * (34 - len(refused))


def test_a_deadline_ends_the_wait_and_the_events_may_be_sent_again(lmdb_place, connect):
    client = connect(lmdb_place.service())
    other = sqlite3.connect(lmdb_place.data / "journal.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    response = client.post(rating("p1"), x_deadline_ms="100")
    assert (response.status_code, response.json()["type"]) == (504, "urn:cellar:problem:deadline")
    other.execute("COMMIT")
    other.close()
    assert client.statuses(rating("p1"))[0] in ("accepted", "duplicate")


def test_a_data_folder_that_was_replaced_is_not_written_to_any_more(lmdb_place, connect, tmp_path):
    client = connect(lmdb_place.service())
    assert client.statuses(rating("p1"), rating("gone")) == ["accepted"] * 2
    shutil.copytree(lmdb_place.data, tmp_path / "new", ignore=shutil.ignore_patterns("journal*"))
    lmdb_place.data.rename(tmp_path / "old")
    require_retry(client.post(rating("p2")))
    (tmp_path / "new").rename(lmdb_place.data)
    assert until_accepted(client, rating("p2"), rating("p1")) == ["accepted", "accepted"]
    assert lmdb_place.journaled() == ["p2", "p1"]
    assert lmdb_place.ratings_seen(["m0"]) == {"m0": 2 + 3}
    # What only the old data had goes with the next generation, although the store's overlay had it.
    materialize(lmdb_place.data, open_store(lmdb_place.url), say=lambda text: None)
    assert lmdb_place.ratings_seen(["m0"]) == {"m0": 2 + 2}


def test_a_journal_that_is_no_database_is_not_ready_and_says_so(lmdb_place, connect):
    (lmdb_place.data / "journal.sqlite").unlink()
    (lmdb_place.data / "journal.sqlite").write_bytes(b"no database at all" * 100)
    client = connect(lmdb_place.service())
    assert client.post(rating("p1")).status_code == 503
    assert "cannot be opened" in client("GET", "/v2/health/ready").json()["detail"]


# Redis


def test_a_redis_that_dies_is_a_retry_and_back_again_it_has_what_was_acknowledged(redis_place, own_redis, connect):
    client = connect(redis_place.service())
    assert client.statuses(rating("p1")) == ["accepted"]
    own_redis.kill()
    for _ in range(3):
        require_retry(client.post(rating("p2")))
    assert client("GET", "/v2/health/ready").status_code == 200
    own_redis.start()
    assert until_accepted(client, rating("p1"), rating("p2")) == ["duplicate", "accepted"]
    assert redis_place.ratings_seen(["m0"]) == {"m0": 4}


def test_a_redis_that_hangs_is_a_retry(redis_place, own_redis, connect, monkeypatch):
    monkeypatch.setattr(redis_door, "COMMAND_TIMEOUT_S", 1.0)
    client = connect(redis_place.service())
    assert until_accepted(client, rating("p1"))[0] in ("accepted", "duplicate")
    os.kill(own_redis.process.pid, signal.SIGSTOP)
    try:
        require_retry(client.post(rating("p2")))
    finally:
        os.kill(own_redis.process.pid, signal.SIGCONT)
    assert until_accepted(client, rating("p2"))[0] in ("accepted", "duplicate")


def test_a_redis_that_is_full_is_a_retry(redis_place, own_redis, connect):
    client = connect(redis_place.service())
    with own_redis.client() as redis:
        redis.config_set("maxmemory", "1mb")
        require_retry(client.post(rating("p1")))
        redis.config_set("maxmemory", "0")
    assert client.statuses(rating("p1")) == ["accepted"]


def test_a_redis_that_loses_its_append_only_file_acknowledges_nothing(redis_place, own_redis, connect):
    client = connect(redis_place.service())
    with own_redis.client() as redis:
        redis.config_set("appendonly", "no")
        require_retry(client.post(rating("p1")))
        redis.config_set("appendonly", "yes")
    assert until_accepted(client, rating("p1"))[0] in ("accepted", "duplicate")


@pytest.mark.parametrize(
    ("setting", "value", "told"), [("appendonly", "no", "set appendonly yes"), ("maxmemory-policy", "allkeys-lru", "noeviction")]
)
def test_a_redis_that_cannot_keep_events_is_not_ready_and_says_what_to_set(redis_place, own_redis, connect, setting, value, told):
    with own_redis.client() as redis:
        redis.config_set(setting, value)
    client = connect(redis_place.service())
    assert told in client("GET", "/v2/health/ready").json()["detail"]
    assert client.post(rating("p1")).status_code == 503


def test_without_a_replica_a_redis_cannot_promise_one(redis_place, connect, monkeypatch):
    monkeypatch.setattr(redis_door, "WAIT_MS", 50)
    service = EventsService(open_store(redis_place.url), durability="replica", store_within_s=0.1)
    require_retry(connect(service).post(rating("p1")))


def test_a_redis_that_is_away_at_the_start_is_waited_for(redis_place, own_redis, serve):
    own_redis.kill()
    served = serve(*redis_place.words)
    assert served.ask("GET", "/v2/health/ready")[0] == 503
    own_redis.start()
    served.ready()
    assert served.post(rating("p1"))[1]["results"][0]["status"] == "accepted"
    assert served.stop() == 0
