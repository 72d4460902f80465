"""New generations under load, and materialize interrupted at every point: no mixed answer, and every pushed rating exactly once."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from cellar_preference.serving.service import PreferenceService
from cellar_shared.errors import CellarError
from cellar_shared.events.journal import Journal
from cellar_shared.events.pushed import RatingEvent
from cellar_shared.events.tables import DataFolder, DataWriter
from cellar_shared.liking.offsets import build_ahead
from cellar_shared.service.app import build_app
from cellar_shared.service.limits import Limits
from cellar_shared.service.server import server_of
from cellar_shared.store.generation_folders import listed
from cellar_shared.store.materialize import materialize
from cellar_shared.store.opening import open_store
from cellar_shared.store.port import Store

SWAPS = 10
AS_OF = "2022-06-01T00:00:00Z"
FIRST = datetime(2022, 1, 10, 12, tzinfo=UTC)
LOOK_EVERY_S = 0.02
WITHIN_S = 300.0  # whatever is waited for ends the wait
# Where materialize says what it does next: pushed is folded, read, counted, written, then current, then the old goes.
POINTS = ("folding", "reading events", "counting", "writing", "serves", "deleted")

prefixes = itertools.count()


def silent(_: str) -> None:
    pass


@dataclass
class Place:
    """A data folder of this test's own and the URL of a store."""

    bundle: Path
    data: Path
    url: str
    pushed: int = field(default=0)

    def store(self) -> Store:
        return open_store(self.url)

    def push(self, member: str, *wines: str) -> None:
        """Push a rating of each wine, every one later than all before."""
        store, journal = self.store(), Journal(self.data)
        door = store.door(journal)
        events = []
        for wine in wines:
            self.pushed += 1
            when = FIRST + timedelta(hours=7 * self.pushed)
            name = f"p{self.pushed}"
            events.append(RatingEvent(event_id=name, member_id=member, occurred_at=when, wine_id=wine, rating=4.5, scale="1-5"))
        try:
            assert {receipt.status for receipt in door.accept(events, now_s=time.time())} == {"accepted"}
        finally:
            door.close()
            journal.close()
            store.close()

    def materialize(self, say: Callable[[str], None] = silent) -> str:
        store = self.store()
        made = materialize(self.data, store, ahead=lambda generation_id: build_ahead(self.bundle, store, generation_id), say=say)
        store.close()
        return made.id


@pytest.fixture(scope="module")
def some_data(line: Any, ratings: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of the world, small enough to be materialized many times: a few wines and what was rated of them."""
    out = tmp_path_factory.mktemp("some") / "data"
    world = DataFolder.open(line.data)
    some = pl.col("wine_id").is_in(sorted(ratings["wine_id"].unique())[:8])
    with DataWriter(out, world.manifest.namespace, world.manifest.scale, "part of a world") as writer:
        writer.add("wines", world.scan("wines").filter(some).collect())
        writer.add("ratings", ratings.filter(some).drop("moment"))
    return out


@pytest.fixture(params=["lmdb", "redis"])
def place(request: pytest.FixtureRequest, line: Any, some_data: Path, tmp_path: Path) -> Place:
    """The data, with a first generation of it and its index."""
    shutil.copytree(some_data, tmp_path / "data")
    url = f"lmdb://{tmp_path / 'store'}"
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        url = server.url(tmp_path / "store", prefix=f"w{next(prefixes)}", timeout_ms=30_000)
    made = Place(line.bundle, tmp_path / "data", url)
    made.materialize()
    return made


def tastings(client: Any, member: str, wine: str) -> int:
    answer = client.ask(wine, member_id=member, as_of=AS_OF)
    assert "store_unavailable" not in answer["degraded"]
    number: int = answer["results"][0]["evidence"]["own_tastings"]
    return number


def until(holds: Callable[[], Any]) -> None:
    end = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < end, "it did not come to hold in time"
        time.sleep(0.02)


def until_served(client: Any, generation_id: str) -> None:
    until(lambda: client.ask("w", history=[], as_of=AS_OF)["model"]["generation"] == generation_id)


# Under load


class Served:
    """A service behind a real port, in a thread of its own."""

    def __init__(self, bundle: Path, store: Store) -> None:
        self.service = PreferenceService(bundle, store, look_every_s=LOOK_EVERY_S)
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/score"
        # The test is about swaps, not about how many can be served on a machine that does other work besides.
        app = build_app(self.service, limits=Limits(max_wait_ms=1000 * WITHIN_S))
        self._server = server_of(app, listener)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        until(lambda: hasattr(app.state, "readiness") and app.state.readiness.is_ready)

    def close(self) -> None:
        self._server._loop.call_soon_threadsafe(self._server.stop, 0)
        self._thread.join(WITHIN_S)
        assert not self._thread.is_alive()


@pytest.fixture
def serve(line: Any) -> Iterator[Callable[[Store], Served]]:
    opened: list[Served] = []

    def start(store: Store) -> Served:
        opened.append(Served(line.bundle, store))
        return opened[-1]

    yield start
    for served in opened:
        served.close()


def mapped_generations(listed_here: set[str]) -> set[str]:
    """Those of the generations that this process has mapped, or has open."""
    open_files = [os.path.realpath(handle) for handle in Path("/proc/self/fd").iterdir()]
    text = Path("/proc/self/maps").read_text() + "\n".join(open_files)
    return {each for each in listed_here if each in text}


@pytest.mark.slow
def test_ten_swaps_under_load_fail_no_request_and_mix_no_versions(place, serve, client, line, busiest, wine_ids):
    asked, pushing = busiest[:5], busiest[20:60]
    wines = [{"wine_id": wine} for wine in wine_ids[:6]]
    requests = [{"member_id": member} for member in asked] + [{"member_id": "nobody"}, {"history": []}]
    bodies = [json.dumps(who | {"wines": wines, "as_of": AS_OF}).encode() for who in requests]
    expected: dict[tuple[str, int], Any] = {}
    seen: list[tuple[int, int, Any]] = []  # service, request, answer
    generations: list[str] = []

    def expect(generation_id: str) -> None:
        """What a service that knows nothing but this generation answers."""
        alone = type(client)(PreferenceService(line.bundle, place.store())).start()
        for number, body in enumerate(bodies):
            answer = alone.post(body).json()
            assert answer["model"]["generation"] == generation_id
            expected[generation_id, number] = said(answer)
        alone.close()
        generations.append(generation_id)

    def said(answer: Any) -> Any:
        return answer["results"], answer["features_as_of"], answer["degraded"]

    def prepare(number: int) -> str:
        for member in pushing[number * 4 : number * 4 + 4]:
            place.push(member, *wine_ids[:6])
        return place.materialize()

    async def load(served: Served, which: int, http: httpx.AsyncClient, stop: asyncio.Event) -> None:
        for number in itertools.cycle(range(len(bodies))):
            if stop.is_set():
                return
            response = await http.post(served.url, content=bodies[number], headers={"content-type": "application/json"})
            assert response.status_code == 200, response.text
            seen.append((which, number, response.json()))
            await asyncio.sleep(0.01)  # leaves the machine to the services

    async def run() -> None:
        services = [serve(place.store()) for _ in range(2)]
        stop = asyncio.Event()
        async with httpx.AsyncClient(timeout=WITHIN_S) as http:
            loads = [asyncio.create_task(load(served, which, http, stop)) for which, served in enumerate(services) for _ in range(2)]
            for number in range(SWAPS):
                current = await asyncio.to_thread(prepare, number)
                await asyncio.to_thread(expect, current)
                end = time.monotonic() + WITHIN_S
                since = len(seen)
                while {which for which, _, answer in seen[since:] if answer["model"]["generation"] == current} != {0, 1}:
                    assert time.monotonic() < end, "a service did not swap in time"
                    for ended in filter(asyncio.Task.done, loads):
                        ended.result()
                    await asyncio.sleep(0.01)
            stop.set()
            await asyncio.gather(*loads)
        assert [served.service._following.swaps for served in services] == [SWAPS, SWAPS]

    expect(place.store().current_id())
    asyncio.run(run())
    assert len(set(generations)) == SWAPS + 1
    assert len({str(expected[generation, 0]) for generation in generations}) == SWAPS + 1
    for _, number, answer in seen:
        assert said(answer) == expected[answer["model"]["generation"], number]
    for which in (0, 1):
        # Forwards only; what was in flight at a swap may come in late.
        order = [generations.index(answer["model"]["generation"]) for service, _, answer in seen if service == which]
        assert all(after >= before - 1 for before, after in itertools.pairwise(order))
    gc.collect()
    # The services' own, and the one before while its last request ends.
    assert len(mapped_generations(set(generations))) <= 2


# Interrupted


@pytest.mark.parametrize("point", POINTS)
def test_what_is_pushed_while_materialize_is_at_work_counts_once_before_and_after_the_swap(place, connect, line, busiest, wine_ids, point):
    member, wine = busiest[0], wine_ids[0]
    client = connect(line.bundle, place.store(), look_every_s=LOOK_EVERY_S).start()
    known = tastings(client, member, wine)
    for round_ in range(2):
        place.push(member, wine)
        until_served(client, place.materialize())
        place.push(member, wine)
        hit = []

        def push_at(text: str) -> None:
            if point in text and not hit:  # noqa: B023
                hit.append(text)  # noqa: B023
                place.push(member, wine)

        current = place.materialize(push_at)
        assert hit
        expected = known + 3 * (round_ + 1)
        assert tastings(client, member, wine) == expected
        until_served(client, current)
        assert tastings(client, member, wine) == expected
    until_served(client, place.materialize())
    assert tastings(client, member, wine) == known + 6


PROGRAM = """
import sys
from pathlib import Path
from cellar_shared.store.materialize import materialize
from cellar_shared.store.opening import open_store

def pause(text):
    if sys.argv[3] in text:
        print(text, flush=True)
        sys.stdin.read()

materialize(Path(sys.argv[1]), open_store(sys.argv[2]), say=pause)
"""


@pytest.fixture
def paused_at(place: Place) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a materialize in a process of its own that stops at a point."""
    started: list[subprocess.Popen[str]] = []

    def start(point: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", PROGRAM, str(place.data), place.url, point]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout
        assert point in process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_materialize_killed_at_any_point_leaves_everything_right_and_the_next_one_cleans_up(
    place, paused_at, connect, line, busiest, wine_ids
):
    member, wine = busiest[0], wine_ids[0]
    client = connect(line.bundle, place.store(), look_every_s=LOOK_EVERY_S).start()
    expected = tastings(client, member, wine)
    for point in POINTS:
        place.push(member, wine)
        until_served(client, place.materialize())
        place.push(member, wine)
        process = paused_at(point)
        assert tastings(client, member, wine) == expected + 2
        process.kill()
        process.wait()
        place.push(member, wine)
        expected += 3
        assert tastings(client, member, wine) == expected
        if point in ("serves", "deleted"):
            until_served(client, place.store().current_id())
        current = place.materialize()
        assert tastings(client, member, wine) == expected
        until_served(client, current)
        assert tastings(client, member, wine) == expected
        require_tidy(place)


def require_tidy(place: Place) -> None:
    """Nothing lies in the store but two generations."""
    store = place.store()
    kept = {each.name for each in store.generations.iterdir()}
    assert kept == set(listed(store.generations))
    assert len(kept) <= 2
    left = [file for file in store.generations.parent.iterdir() if re.match(r"\..*(new|old)-", file.name)]
    assert left == []
    assert store.written() <= kept
    if place.url.startswith("redis"):
        with store.commanding() as commands:
            prefix = store.address.key("g").decode()
            lasting = {key.split(b":")[-2].decode() for key in commands.scan_iter(f"{prefix}:*", 1000) if commands.ttl(key) == -1}
            assert lasting == kept


def test_a_second_materialize_waits_for_the_first_and_finds_its_generation(place, paused_at, busiest, wine_ids):
    place.push(busiest[0], wine_ids[0])
    first = paused_at("writing")
    said: list[str] = []
    ids: list[str] = []
    second = threading.Thread(target=lambda: ids.append(place.materialize(said.append)))
    second.start()
    assert first.stdin
    first.communicate()
    second.join(WITHIN_S)
    assert first.returncode == 0
    assert ids == [place.store().current_id()]
    assert f"generation {ids[0]} stands already" in said


def test_a_generation_that_cannot_be_opened_is_refused_and_the_old_one_answers_on(place, connect, line, busiest, wine_ids, caplog):
    client = connect(line.bundle, place.store(), look_every_s=LOOK_EVERY_S).start()
    known = tastings(client, busiest[0], wine_ids[0])
    served = client.ask(wine_ids[0], history=[], as_of=AS_OF)["model"]["generation"]
    current = place.store().generations.parent / "CURRENT"
    before = current.read_text()
    for content in ("", "gone\n"):
        current.write_text(content)
        until(lambda: "cannot be told" in caplog.text or "is refused" in caplog.text)
        caplog.clear()
        assert tastings(client, busiest[0], wine_ids[0]) == known
        current.write_text(before)
    assert client.ask(wine_ids[0], history=[], as_of=AS_OF)["model"]["generation"] == served
    place.push(busiest[0], wine_ids[0])
    made = place.materialize()
    until_served(client, made)
    assert tastings(client, busiest[0], wine_ids[0]) == known + 1


@pytest.fixture
def materialize_by_other_code(place: Place, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Writes a generation, and makes it current, as code with other feature definitions would."""

    def made() -> str:
        store = place.store()
        with monkeypatch.context() as patch:
            patch.setattr("cellar_shared.store.materialize.feature_fingerprint", lambda: "0" * 64)
            generation_id = materialize(place.data, store, say=silent).id
        store.close()
        return generation_id

    return made


def test_a_generation_of_other_features_is_passed_over_and_the_next_one_taken_up(
    place, connect, line, busiest, wine_ids, caplog, materialize_by_other_code
):
    client = connect(line.bundle, place.store(), look_every_s=LOOK_EVERY_S).start()
    known = tastings(client, busiest[0], wine_ids[0])
    served = client.ask(wine_ids[0], history=[], as_of=AS_OF)["model"]["generation"]
    place.push(busiest[0], wine_ids[0])
    other = materialize_by_other_code()
    until(lambda: f"generation {other} is refused" in caplog.text)
    assert client.ask(wine_ids[0], history=[], as_of=AS_OF)["model"]["generation"] == served
    assert tastings(client, busiest[0], wine_ids[0]) == known + 1
    place.push(busiest[0], wine_ids[0])
    assert tastings(client, busiest[0], wine_ids[0]) == known + 2
    until_served(client, place.materialize())
    assert tastings(client, busiest[0], wine_ids[0]) == known + 2


@pytest.mark.parametrize("is_there", [False, True])
def test_a_service_started_before_its_generation_is_ready_once_that_is_written(
    place, connect, line, busiest, wine_ids, monkeypatch, materialize_by_other_code, is_there
):
    """New code is often rolled out before `materialize` has run with it: there is none yet, or one of other features."""
    monkeypatch.setattr("cellar_shared.service.readiness.LOAD_AGAIN_S", 0.05)
    if is_there:
        materialize_by_other_code()
    else:
        (place.store().generations.parent / "CURRENT").unlink()
    client = connect(line.bundle, place.store(), look_every_s=LOOK_EVERY_S).start()
    response = client.post({"wines": [{"wine_id": "w"}], "history": []})
    assert (response.status_code, response.json()["type"]) == (503, "urn:cellar:problem:not-ready")
    assert "cellar materialize" in response.json()["detail"]
    place.push(busiest[0], wine_ids[0])
    current = place.materialize()
    until(lambda: client("GET", "/v2/health/ready").status_code == 200)
    assert client.ask(wine_ids[0], history=[], as_of=AS_OF)["model"]["generation"] == current
    assert tastings(client, busiest[0], wine_ids[0]) > 0


def test_a_service_refuses_to_start_on_a_generation_that_is_not_there(place, line):
    (place.store().generations.parent / "CURRENT").write_text("gone\n")
    with pytest.raises(CellarError, match="cannot be read"):
        PreferenceService(line.bundle, place.store()).load()
