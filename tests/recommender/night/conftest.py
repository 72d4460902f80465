"""A small world in which some own and hid something, a bundle that learnt from it, a store, and nights of lists on them."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from cellar_recommender.night.manifest import NightManifest
from cellar_recommender.night.night import run_night
from cellar_recommender.serving.service import RecommenderService
from cellar_shared.events.appending import DataAppender
from cellar_shared.events.tables import DataFolder, dtypes_of
from cellar_shared.service.app import build_app
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.materialize import materialize
from cellar_shared.store.port import Store

LOADED_WITHIN_S = 300  # whatever is waited for ends the wait
OWNERS = ("m3", "m7", "m11", "only an owner")
HIDING = ("m5", "m7", "hides and rates nothing")


@contextmanager
def unwatched(title: str, total: int) -> Iterator[Callable[[int], None]]:
    yield lambda rows: None


@dataclass(frozen=True)
class Place:
    """A data folder, a bundle and a store with a generation of that data, and where nights are written."""

    data: Path
    bundle: Path
    root: Path
    out: Path

    @property
    def store(self) -> LmdbStore:
        return LmdbStore(self.root)

    def night(self, now: int, store: Store | None = None, **options: Any) -> NightManifest:
        told = {"watch": unwatched, "say": lambda _: None} | options
        return run_night(self.bundle, self.data, store or self.store, self.out, now=now, **told)

    def rows(self, manifest: NightManifest) -> pl.DataFrame:
        return pl.concat([pl.read_parquet(self.out / part.file) for part in manifest.parts])


@pytest.fixture(scope="session")
def standing(line: Any, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """For reading only."""
    root = tmp_path_factory.mktemp("nights")
    place = Place(shutil.copytree(line.data, root / "data"), line.bundle, root / "store", root / "none")
    wines = DataFolder.open(place.data).scan("wines").select("wine_id", "producer", "region").collect()
    bottles = [
        {"bottle_id": f"{member}/{at}", "member_id": member, "wine_id": wines["wine_id"][at], "state": state}
        for member in OWNERS
        for at, state in enumerate(["stored"] * 25 + ["pending"] * 5 + ["consumed"] * 5)
    ]
    hidden = {"hide_wine": wines["wine_id"][40], "hide_producer": wines["producer"][41], "hide_region": wines["region"][42]}
    wishes = [
        {"event_id": f"{member} {kind}", "member_id": member, "kind": kind, "value": value, "set_at": datetime(2021, 6, 1, tzinfo=UTC)}
        for member in HIDING
        for kind, value in hidden.items()
    ]
    with DataAppender(place.data) as appender:
        for table, rows in (("bottles", bottles), ("preferences", wishes)):
            empty = dict.fromkeys(dtypes_of(table))
            appender.add(table, pl.DataFrame([empty | row for row in rows], schema=dtypes_of(table)))
    night = root / "night"
    night.mkdir()
    (night / "night.json").write_text(json.dumps({"as_of": "2021-12-31", "parts": []}))  # nobody knows a bottle's dates
    materialize(place.data, place.store, night=night, say=lambda _: None)
    return place


@pytest.fixture
def place(standing: Place, tmp_path: Path) -> Place:
    """The same, to be changed."""
    data, store = (shutil.copytree(getattr(standing, name), tmp_path / name) for name in ("data", "root"))
    return Place(data, standing.bundle, store, tmp_path / "out")


class Client:
    """Plain questions to a service in process."""

    def __init__(self, service: RecommenderService) -> None:
        self.app = build_app(service)
        self._runner = asyncio.Runner()
        self._lifespan = self.app.router.lifespan_context(self.app)
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url="http://cellar")
        self._runner.run(self._lifespan.__aenter__())
        assert self.app.state.readiness.wait(LOADED_WITHIN_S)

    def ask(self, headers: dict[str, str] | None = None, **request: Any) -> Any:
        """The answer; fails unless there is one."""
        response = self._runner.run(self._http.post("/score", json=request, headers=headers))
        assert response.status_code == 200, response.text
        return response.json()

    def close(self) -> None:
        self._runner.run(self._http.aclose())
        self._runner.run(self._lifespan.__aexit__(None, None, None))
        self._runner.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Client]]:
    """Starts services on a store; they end with the test."""
    opened: list[Client] = []

    def start(place: Place, **options: Any) -> Client:
        opened.append(Client(RecommenderService(place.bundle, place.store, **options)))
        return opened[-1]

    yield start
    for client in opened:
        client.close()
