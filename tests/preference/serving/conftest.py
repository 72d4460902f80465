"""The preference service in process, through its real app and contract."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from cellar_preference.serving.service import PreferenceService
from cellar_shared.events.tables import DataFolder
from cellar_shared.service.app import build_app
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.port import Store

LOADED_WITHIN_S = 300  # whatever is waited for ends the wait
JSON = {"content-type": "application/json"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEARS = {0: "NV", None: None}


class Client:
    """Plain calls to a service; it loads when `start` is called."""

    def __init__(self, service: PreferenceService) -> None:
        self.service = service
        self.app = build_app(service)
        self._runner = asyncio.Runner()
        self._lifespan = self.app.router.lifespan_context(self.app)
        self._is_started = False
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url="http://cellar")

    def start(self) -> Client:
        self._runner.run(self._lifespan.__aenter__())
        self._is_started = True
        assert self.app.state.readiness.wait(LOADED_WITHIN_S)
        return self

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._runner.run(self._http.request(method, path, **options))

    def post(self, request: Any, **headers: str) -> httpx.Response:
        """POST /score of bytes as they are or of anything else as JSON; headers by name with _ for -."""
        content = request if isinstance(request, bytes) else json.dumps(request).encode()
        return self("POST", "/score", content=content, headers=JSON | {name.replace("_", "-"): value for name, value in headers.items()})

    def ask(self, *wines: str | dict[str, Any], **fields: Any) -> Any:
        """The answer about `wines` (ids, or as the contract has them); fails unless there is one."""
        listed = [{"wine_id": wine} if isinstance(wine, str) else wine for wine in wines]
        response = self.post({"wines": listed, **fields})
        assert response.status_code == 200, response.text
        return response.json()

    def chances(self, *wines: str | dict[str, Any], **fields: Any) -> list[float]:
        """The probabilities alone."""
        return [result["probability"] for result in self.ask(*wines, **fields)["results"]]

    def let_go(self) -> None:
        """As at the server's end: what is queued gets written."""
        self._runner.run(self.service.close())

    def together(self, *requests: dict[str, Any]) -> list[httpx.Response]:
        """POST /score of several requests at once."""

        async def all_of_them() -> list[httpx.Response]:
            return await asyncio.gather(*(self._http.post("/score", json=request) for request in requests))

        return self._runner.run(all_of_them())

    def close(self) -> None:
        """Closing twice is once."""
        if self._http.is_closed:
            return
        self._runner.run(self._http.aclose())
        if self._is_started:
            self._runner.run(self._lifespan.__aexit__(None, None, None))
        self._runner.close()


class Proxy:
    """A TCP proxy before a Redis that can be told to fail and to lie; it runs in a thread of its own.

    `is_down`: connections break, those that stand as well.
    `canned`: what to answer to a request, given the number that it asks to have echoed.
    `twist`: in which pieces a reply goes on, and what becomes of it. `delay_s`: how long each piece of a reply takes, drawn anew.
    """

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.requests = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self.heal()
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def heal(self) -> None:
        """Pass everything on as it is."""
        self.is_down = False
        self.canned: Callable[[bytes], bytes] | None = None
        self.twist: Callable[[bytes], list[bytes]] = lambda reply: [reply]
        self.delay_s: Callable[[], float] = lambda: 0.0

    def break_connections(self) -> None:
        """Reset every connection that stands."""
        self._loop.call_soon_threadsafe(lambda: [writer.transport.abort() for writer in self._writers])

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_down:
            writer.transport.abort()
            return
        try:
            replies, requests = await asyncio.open_connection("127.0.0.1", self.upstream)
        except BaseException:
            writer.transport.abort()
            raise
        both = {writer, requests}
        self._writers |= both
        pumps = [asyncio.create_task(each) for each in (self._forward(reader, requests, writer), self._answer(replies, writer))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # First, without waiting: whoever ends the proxy now interrupts what waits.
            self._writers -= both
            for each in both:
                each.transport.abort()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, requests: asyncio.StreamWriter, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            self.requests += data.count(b"ECHO")
            if self.is_down:
                return
            if self.canned is None:
                requests.write(data)
            else:
                writer.write(self.canned(data.split(b"\r\n")[-2]))

    async def _answer(self, replies: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await replies.read(1 << 16):
            for piece in self.twist(data):
                if (delay_s := self.delay_s()) > 0:
                    await asyncio.sleep(delay_s)
                writer.write(piece)
                await writer.drain()


@pytest.fixture
def proxy(own_redis: Any) -> Iterator[Proxy]:
    """A proxy before this test's own Redis."""
    opened = Proxy(own_redis.port)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def client(line: Any) -> Iterator[Client]:
    opened = Client(PreferenceService(line.bundle, LmdbStore(line.store))).start()
    yield opened
    opened.close()


@pytest.fixture
def own(client: Client, line: Any, tmp_path: Path) -> Any:
    """Copies of bundle and store (with the index that `client` made), to be spoilt."""
    return replace(line, bundle=shutil.copytree(line.bundle, tmp_path / "bundle"), store=shutil.copytree(line.store, tmp_path / "store"))


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Makes clients of further services, not started."""
    opened: list[Client] = []

    def open_client(bundle: Path, store: Path | Store, **options: Any) -> Client:
        opened_store = LmdbStore(store) if isinstance(store, Path) else store
        opened.append(Client(PreferenceService(bundle, opened_store, deployment="green", **options)))
        return opened[-1]

    yield open_client
    for client in opened:
        client.close()


@pytest.fixture(scope="session")
def wine_ids(ratings: pl.DataFrame) -> list[str]:
    """The wines of the world that somebody rated, in order of their ids."""
    return sorted(ratings["wine_id"].unique())


@pytest.fixture(scope="session")
def as_history() -> Callable[[pl.DataFrame], list[dict[str, Any]]]:
    """Stored ratings as a request would give them."""

    def rows(ratings: pl.DataFrame) -> list[dict[str, Any]]:
        return [
            {
                "wine_id": row["wine_id"],
                "vintage": YEARS.get(row["vintage"], row["vintage"]),
                "rating": row["rating_raw"],
                "rated_at": (EPOCH + timedelta(microseconds=row["moment"])).isoformat(),
            }
            for row in ratings.iter_rows(named=True)
        ]

    return rows


@pytest.fixture(scope="session")
def busiest(ratings: pl.DataFrame) -> list[str]:
    """Members by how much they rated, most first."""
    return ratings.group_by("member_id").len().sort("len", "member_id", descending=[True, False])["member_id"].to_list()


@pytest.fixture(scope="session")
def facts_known(line: Any) -> dict[str, Any]:
    """Facts of one of the world's wines, all of which others share: a description that says much."""
    wines = DataFolder.open(line.data).scan("wines").collect()
    row = wines.drop_nulls(["type", "country", "region", "grapes", "abv"]).filter(pl.col("type") == "Red").row(0, named=True)
    return {name: row[name] for name in ("type", "country", "region", "grapes", "abv")}


@pytest.fixture(scope="session")
def rated_vintage(ratings: pl.DataFrame) -> dict[str, tuple[str, int | str]]:
    """The wine and year that people rated most, and the wine without one."""

    def most(kept: pl.Expr) -> tuple[str, int]:
        counts = ratings.filter(kept).group_by("wine_id", "vintage").len()
        row = counts.sort("len", "wine_id", "vintage", descending=[True, False, False]).row(0, named=True)
        return row["wine_id"], row["vintage"]

    return {"a year": most(pl.col("vintage") > 0), "NV": (most(pl.col("vintage") == 0)[0], "NV")}
