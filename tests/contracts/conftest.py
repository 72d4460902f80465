"""What the contract suites stand on: services as processes, on a bundle trained for the purpose."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from cellar_shared.client.preference import PreferenceClient

READY_WITHIN_S = 300.0


def fixtures_of(name: str, *places: str) -> Any:
    """The conftest of other tests, whose fixtures a conftest beside theirs cannot see."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1].joinpath(*places, "conftest.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look annotations up there
    spec.loader.exec_module(module)
    return module


preference = fixtures_of("contracts_preference", "preference")
line, serving = preference.line, preference.serving
tiny = fixtures_of("contracts_recommender", "recommender").tiny
recommending = fixtures_of("contracts_recommender_serving", "recommender", "serving").served


@pytest.fixture(scope="session")
def serving_events() -> Callable[[Any], Any]:
    """Starts `cellar serve events` on a copy of a line's data and store."""

    @contextmanager
    def start(data: Path, store: Path) -> Iterator[int]:
        words = ["serve", "events", "--data", str(data), "--store", f"lmdb://{store}", "--port", "0", "--max-wait-ms", "60000"]
        environment = os.environ | {"COLUMNS": "200"}
        with subprocess.Popen(
            [sys.executable, "-m", "cellar_shared", *words], stderr=subprocess.PIPE, text=True, env=environment
        ) as process:
            try:
                assert process.stderr
                said = process.stderr.readline()
                assert said.startswith("events listens on http://127.0.0.1:"), said + process.stderr.read()
                yield int(said.removeprefix("events listens on http://127.0.0.1:").split()[0])
            finally:
                process.kill()

    return start


@pytest.fixture(scope="session", params=["preference", "recommender", "events"])
def served(
    request: pytest.FixtureRequest,
    serving: Callable[..., Any],
    serving_events: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, str]]:
    """A service that has loaded: its name, and where it answers."""
    with ExitStack() as started:
        if request.param == "preference":
            _, port = started.enter_context(serving(request.getfixturevalue("line")))
        elif request.param == "recommender":
            _, port = started.enter_context(serving(request.getfixturevalue("recommending"), name="recommender"))
        else:
            line = request.getfixturevalue("line")
            place = tmp_path_factory.mktemp("events")
            data, store = shutil.copytree(line.data, place / "data"), shutil.copytree(line.store, place / "store")
            port = started.enter_context(serving_events(data, store))
        url = f"http://127.0.0.1:{port}"
        with PreferenceClient(url, timeout_s=READY_WITHIN_S) as client:
            client.ready()  # the same route everywhere
        yield request.param, url
