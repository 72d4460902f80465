"""The line as a person runs it: every step a `cellar` of its own, down to a service on a loopback port."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

READY_WITHIN_S = 300.0  # whatever is waited for ends the wait
END_WITHIN_S = 60.0
PATIENCE_S = 60.0
HERE = Path(sys.executable).with_name("cellar")
TINY = ("--networks", "1", "--epochs", "1", "--threads", "1")


@dataclass(frozen=True)
class Made:
    """What the steps made, and what each of them answered (--json)."""

    data: Path
    bundle: Path
    store: Path
    said: dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def made(cellar: Callable[..., subprocess.CompletedProcess[str]], tmp_path_factory: pytest.TempPathFactory) -> Made:
    place = tmp_path_factory.mktemp("line")
    data, bundle, store = place / "data", place / "bundle", place / "store"
    steps: dict[str, tuple[str | Path, ...]] = {
        "simulate": ("data", "simulate", "--members", "600", "--wines", "100", "--seed", "5", "--out", data),
        "check": ("data", "check", data),
        "train": ("train", "preference", "--data", data, "--out", bundle, *TINY, "--hold-out", "120d"),
        "materialize": ("materialize", "--data", data, "--store", f"lmdb://{store}"),
    }
    said = {}
    for name, words in steps.items():
        done = cellar(*words, "--json")
        assert done.returncode == 0, f"cellar {name}: {done.stderr}"
        said[name] = json.loads(done.stdout)
    return Made(data, bundle, store, said)


@pytest.fixture(scope="session")
def recommender(made: Made, cellar: Callable[..., subprocess.CompletedProcess[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recommender's bundle that learnt from the same data, with the preference bundle packed in."""
    bundle = tmp_path_factory.mktemp("recommender") / "bundle"
    recipe = ("--hold-out", "120d", "--epochs", "1", "--rounds", "5", "--threads", "1")
    done = cellar("train", "recommender", "--data", made.data, "--out", bundle, "--preference", made.bundle, *recipe)
    assert done.returncode == 0, done.stderr
    return bundle


@dataclass(frozen=True)
class Cellars:
    """A made-up world with cellars, a bundle that learnt from its critics, and the folder of nights."""

    world: Path
    bundle: Path
    nights: Path


NIGHTS = ("2019-06-01", "2019-06-02", "2021-12-31")


@pytest.fixture(scope="session")
def cellars(cellar: Callable[..., subprocess.CompletedProcess[str]], tmp_path_factory: pytest.TempPathFactory) -> Cellars:
    """CELLAR_AGEING_FAMILY and CELLAR_AGEING_SEED say of which world."""
    place = tmp_path_factory.mktemp("cellars")
    made = Cellars(place / "world", place / "bundle", place / "nights")
    size = ("--members", "800", "--wines", "1000", "--bottles", "15000", "--windows", "2000")
    family = ("--ageing", os.environ.get("CELLAR_AGEING_FAMILY", "skewed"), "--seed", os.environ.get("CELLAR_AGEING_SEED", "404"))
    night = ("score", "drinkability", "--bundle", made.bundle, "--data", made.world, "--out", made.nights, "--as-of")
    for words in (
        ("data", "simulate", *size, *family, "--out", made.world),
        ("train", "drinkability", "--data", made.world, "--out", made.bundle, "--threads", "1"),
        *((*night, day) for day in NIGHTS),
    ):
        done = cellar(*words)
        assert done.returncode == 0, f"cellar {words}: {done.stderr}"
    return made


class Service:
    """A `cellar serve` that listens."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def ask(self, method: str, path: str, request: Any = None) -> tuple[int, Any]:
        """The status and the decoded answer."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)) as connection:
            body = None if request is None else json.dumps(request)
            connection.request(method, path, body, {"content-type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def events_through(self, model: str = "preference") -> str:
        """The moment up to which the generation knows events: nothing asked as of it is stale."""
        through: str = self.ask("GET", f"/v2/models/{model}")[1]["properties"]["events_through"]
        return through

    def wait_until_ready(self) -> None:
        end = time.monotonic() + READY_WITHIN_S
        while self.ask("GET", "/v2/health/ready")[0] != 200:
            assert time.monotonic() < end, "not ready in time"
            time.sleep(0.05)

    def stop(self) -> int:
        """The exit status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_WITHIN_S)


@contextmanager
def started(*words: str | Path) -> Iterator[Service]:
    """The service that `cellar serve` with these words starts on a free port; it is ready."""
    with subprocess.Popen(
        [*words, "--port", "0", "--max-wait-ms", "60000"], stderr=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "200"}
    ) as process:
        try:
            assert process.stderr
            line = process.stderr.readline()
            found = re.match(r"\w+ listens on http://127\.0\.0\.1:(\d+) ", line)
            assert found, line + process.stderr.read()
            service = Service(process, int(found[1]))
            service.wait_until_ready()
            yield service
        finally:
            process.kill()


@pytest.fixture(scope="session")
def serving() -> Callable[..., Any]:
    """Starts the `cellar` at `program` (default: the one beside this Python) serving what was made, or another store, on a free port."""

    def start(made: Made, program: Path = HERE, store: str | None = None, model: str = "preference", bundle: Path | None = None) -> Any:
        return started(program, "serve", model, "--bundle", bundle or made.bundle, "--store", store or f"lmdb://{made.store}")

    return start


@pytest.fixture(scope="session")
def serving_recommender() -> Callable[..., Any]:
    """Starts the `cellar` at `program` (default: the one beside this Python) serving a recommender's bundle on a store, on a free port."""

    def start(bundle: Path, store: Path, program: Path = HERE) -> Any:
        return started(program, "serve", "recommender", "--bundle", bundle, "--store", f"lmdb://{store}")

    return start


@pytest.fixture(scope="session")
def serving_events() -> Callable[..., Any]:
    """Starts `cellar serve events` for a store, and the data behind it where it needs to know, on a free port."""

    def start(store: str, data: Path | None = None) -> Any:
        return started(HERE, "serve", "events", "--store", store, *([] if data is None else ["--data", data]))

    return start
