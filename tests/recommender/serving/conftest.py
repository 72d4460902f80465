"""The recommender service in process, through its real app and contract, on a bundle that packs a preference bundle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from cellar_preference.training.fit import Recipe as PreferenceRecipe
from cellar_preference.training.network import Shape as PreferenceShape
from cellar_preference.training.train import train as train_preference
from cellar_recommender.serving.service import RecommenderService
from cellar_recommender.training.train import train
from cellar_shared.events.tables import DataFolder
from cellar_shared.service.app import build_app
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.materialize import materialize

LOADED_WITHIN_S = 300  # whatever is waited for ends the wait
HOLD_OUT_DAYS = 180
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Served:
    """A recommender's bundle with a preference bundle in it, that bundle, and a store; for reading only."""

    data: Path
    bundle: Path
    preference: Path
    store: Path

    @property
    def wines(self) -> pl.DataFrame:
        return DataFolder.open(self.data).scan("wines").collect()

    @property
    def ratings(self) -> pl.DataFrame:
        return DataFolder.open(self.data).scan("ratings").sort("rated_at", "event_id").collect()


class Client:
    """Plain calls to a service."""

    def __init__(self, service: Any) -> None:
        self.service = service
        self.app = build_app(service)
        self._runner = asyncio.Runner()
        self._lifespan = self.app.router.lifespan_context(self.app)
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url="http://cellar")
        self._runner.run(self._lifespan.__aenter__())
        assert self.app.state.readiness.wait(LOADED_WITHIN_S)

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._runner.run(self._http.request(method, path, **options))

    def post(self, request: Any, **headers: str) -> httpx.Response:
        """POST /score; headers by name with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self("POST", "/score", content=json.dumps(request).encode(), headers=JSON | named)

    def ask(self, **request: Any) -> Any:
        """The answer; fails unless there is one."""
        response = self.post(request)
        assert response.status_code == 200, response.text
        return response.json()

    def close(self) -> None:
        self._runner.run(self._http.aclose())
        self._runner.run(self._lifespan.__aexit__(None, None, None))
        self._runner.close()


@pytest.fixture(scope="session")
def served(small_world: Path, tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Served:
    place = tmp_path_factory.mktemp("served")
    made = Served(small_world, place / "bundle", place / "preference", place / "store")
    recipe = PreferenceRecipe(shape=PreferenceShape(embedding=4, heads=2, key=2, value=2, hidden=(8, 4)), epochs=1, batch=256)
    train_preference(made.data, made.preference, hold_out_days=HOLD_OUT_DAYS, recipe=recipe, threads=1, step=lambda _: None)
    asked = {"hold_out_days": HOLD_OUT_DAYS, "settings": tiny, "threads": 1, "step": lambda _: None}
    train(made.data, made.bundle, preference=made.preference, **asked)
    materialize(made.data, LmdbStore(made.store), say=lambda _: None)
    return made


@pytest.fixture
def connect() -> Iterator[Callable[[Any], Client]]:
    """Makes clients of services that end with the test."""
    yield from _connecting()


@pytest.fixture(scope="module")
def connect_for_all() -> Iterator[Callable[[Any], Client]]:
    """Makes clients of services that end with the module's tests."""
    yield from _connecting()


def _connecting() -> Iterator[Callable[[Any], Client]]:
    opened: list[Client] = []

    def open_client(service: Any) -> Client:
        opened.append(Client(service))
        return opened[-1]

    yield open_client
    for client in opened:
        client.close()


@pytest.fixture(scope="session")
def client(served: Served) -> Iterator[Client]:
    opened = Client(RecommenderService(served.bundle, LmdbStore(served.store)))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def busiest(served: Served) -> list[str]:
    """Members by their number of ratings, most first."""
    return served.ratings.group_by("member_id").len().sort("len", "member_id", descending=[True, False])["member_id"].to_list()
