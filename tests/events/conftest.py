"""A small data folder and its store, the events service in process and as processes, and events to send."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from cellar_events.service import EventsService
from cellar_shared.events.journal import Journal
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.features.wines import WineFacts
from cellar_shared.service.app import build_app
from cellar_shared.store.generation import Generation
from cellar_shared.store.materialize import materialize
from cellar_shared.store.opening import open_store

PATIENCE_S = 60  # whatever is waited for ends the wait
JSON = {"content-type": "application/json"}
SERVE = "from cellar_shared.command import command_of; from cellar_events.command import serve; command_of(serve, 'events')()"
prefixes = itertools.count()


def until(holds: Callable[[], Any]) -> Any:
    """What `holds` returns once it is true."""
    end = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)
    return found


def silent(*_: object) -> None:
    pass


@dataclass
class Place:
    """A data folder and the store it was materialized to, by its URL."""

    data: Path
    url: str

    @property
    def is_redis(self) -> bool:
        return self.url.startswith("redis")

    @property
    def words(self) -> list[str]:
        """How the events service is told of it."""
        return ["--store", self.url] + ([] if self.is_redis else ["--data", str(self.data)])

    def service(self) -> EventsService:
        return EventsService(open_store(self.url), None if self.is_redis else self.data)

    def settle(self) -> None:
        """See to it that the journal has what was accepted."""
        store, journal = open_store(self.url), Journal(self.data)
        try:
            store.settle(journal, now_s=time.time())
        finally:
            journal.close()
            store.close()

    def journaled(self) -> list[str]:
        """The ids of the events in the journal, in order."""
        journal = Journal(self.data)
        try:
            return [entry.event.event_id for entry in journal.after(0) if entry.event]
        finally:
            journal.close()

    def ratings_seen(self, member_ids: Sequence[str]) -> dict[str, int]:
        """How many ratings a service that opens the store now sees of each member."""

        async def read() -> dict[str, int]:
            store = open_store(self.url)
            generation = Generation.open(store, feature_fingerprint())
            try:
                found = {member_id: await generation.members.events_of(member_id) for member_id in member_ids}
                return {member_id: 0 if events is None else len(events) for member_id, events in found.items()}
            finally:
                generation.close()
                await store.aclose()

        return asyncio.run(read())


@pytest.fixture
def lmdb_place(worlds: Any, tmp_path: Path) -> Place:
    return _made(worlds, tmp_path, f"lmdb://{tmp_path / 'store'}")


@pytest.fixture
def redis_place(worlds: Any, tmp_path: Path, own_redis: Any) -> Place:
    return _made(worlds, tmp_path, own_redis.url(tmp_path / "store", timeout_ms=30_000))


@pytest.fixture(params=["lmdb", "redis"])
def place(request: pytest.FixtureRequest, worlds: Any, tmp_path: Path) -> Place:
    """One of each kind; the Redis is shared, under a prefix of its own."""
    if request.param == "lmdb":
        return _made(worlds, tmp_path, f"lmdb://{tmp_path / 'store'}")
    server = request.getfixturevalue("redis_server")
    return _made(worlds, tmp_path, server.url(tmp_path / "store", prefix=f"d{next(prefixes)}", timeout_ms=30_000))


def _made(worlds: Any, folder: Path, url: str) -> Place:
    ratings = (worlds.Rating(0, 0, 2015, 4.5, 1, 5), worlds.Rating(0, 1, 0, 2.0, 3, None), worlds.Rating(1, 0, -1, 3.0, 2, 9))
    world = worlds.World((WineFacts("P", "Red", "Italy"), WineFacts("Q", "White", "Italy")), ratings)
    data = world.write(folder / "data")
    store = open_store(url)
    materialize(data, store, say=silent)
    store.close()
    return Place(data, url)


def rating(event_id: str, member_id: str = "m0", **fields: Any) -> dict[str, Any]:
    event = {"kind": "rating", "event_id": event_id, "member_id": member_id, "occurred_at": "2021-06-01T12:00:00Z"}
    return event | {"wine_id": "w1", "rating": 5} | fields


class Client:
    """Plain calls to a service in process."""

    def __init__(self, service: EventsService) -> None:
        self.app = build_app(service)
        self._runner = asyncio.Runner()
        self._lifespan = self.app.router.lifespan_context(self.app)
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url="http://cellar")
        self._runner.run(self._lifespan.__aenter__())
        assert self.app.state.readiness.wait(PATIENCE_S)

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._runner.run(self._http.request(method, path, **options))

    def post(self, *events: Any, **headers: str) -> httpx.Response:
        return self.post_body(json.dumps({"events": events}).encode(), **headers)

    def post_body(self, body: bytes, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self("POST", "/events", content=body, headers=JSON | named)

    def post_together(self, *requests: Sequence[Any], at_first_answer: Callable[[], Any] = lambda: None) -> list[httpx.Response]:
        """Several requests at once."""

        async def all_of_them() -> list[httpx.Response]:
            bodies = [json.dumps({"events": events}).encode() for events in requests]
            asked = [asyncio.create_task(self._http.post("/events", content=body, headers=JSON)) for body in bodies]
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            at_first_answer()
            return await asyncio.gather(*asked)

        return self._runner.run(all_of_them())

    def statuses(self, *events: Any) -> list[str]:
        response = self.post(*events)
        assert response.status_code == 200, response.text
        return [result["status"] for result in response.json()["results"]]

    def close(self) -> None:
        self._runner.run(self._http.aclose())
        self._runner.run(self._lifespan.__aexit__(None, None, None))
        self._runner.close()


@pytest.fixture
def connect() -> Iterator[Callable[[EventsService], Client]]:
    opened: list[Client] = []

    def open_client(service: EventsService) -> Client:
        opened.append(Client(service))
        return opened[-1]

    yield open_client
    for client in opened:
        client.close()


@pytest.fixture
def client(place: Place, connect: Callable[[EventsService], Client]) -> Client:
    return connect(place.service())


class Served:
    """An events service run by its command, as an operator runs it."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def ask(self, method: str, path: str, request: Any = None) -> tuple[int, Any]:
        """Status and decoded body; on a connection of its own."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)) as connection:
            connection.request(method, path, None if request is None else json.dumps(request), JSON)
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def post(self, *events: Any) -> tuple[int, Any]:
        return self.ask("POST", "/events", {"events": events})

    def ready(self) -> Served:
        until(lambda: self.ask("GET", "/v2/health/ready")[0] == 200)
        return self

    def workers(self) -> list[int]:
        """The processes that serve for it; itself where it has no workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(child) for child in children] or [self.process.pid]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Starts the command with the words given; it listens."""
    with contextlib.ExitStack() as stack:

        def start(*words: str | Path, port: int = 0, drain_notice_s: float = 0) -> Served:
            command = [sys.executable, "-c", SERVE, "--port", str(port), "--drain-notice-s", str(drain_notice_s)]
            command += ["--max-wait-ms", "60000", *map(str, words)]
            process = stack.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "200"}))
            stack.callback(process.kill)
            assert process.stderr
            heard: list[str] = []
            for line in iter(process.stderr.readline, ""):
                heard.append(line)
                if found := re.match(r"events listens on http://[0-9.]+:(\d+) ", line):
                    return Served(process, int(found[1]))
            raise AssertionError("it ended without listening: " + "".join(heard))

        yield start
