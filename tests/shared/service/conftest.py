"""The echo service, in process through ASGI and as a program on a loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from cellar_shared.service.app import build_app

PROGRAM = Path(__file__).parent / "echo.py"
PATIENCE_S = 60  # whatever is waited for ends the wait


def module_of(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"service_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[f"service_{name}"] = module  # msgspec and dataclasses look annotations up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def echo() -> ModuleType:
    return module_of("echo")


@pytest.fixture(scope="session")
def load() -> ModuleType:
    """Clients that count what fails."""
    return module_of("load")


class Client:
    """Plain calls to an app in process; its lifespan runs as long as the client is open."""

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self._runner = asyncio.Runner()
        self._lifespan = app.router.lifespan_context(app)
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://echo")
        self._runner.run(self._lifespan.__aenter__())

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._runner.run(self._http.request(method, path, **options))

    def score(self, body: bytes) -> httpx.Response:
        return self("POST", "/score", content=body, headers={"content-type": "application/json"})

    def settled(self) -> Client:
        assert self.app.state.readiness.wait(PATIENCE_S)
        return self

    def close(self) -> None:
        self._runner.run(self._http.aclose())
        self._runner.run(self._lifespan.__aexit__(None, None, None))
        self._runner.close()


@pytest.fixture
def connect(echo: ModuleType) -> Iterator[Callable[..., Client]]:
    opened: list[Client] = []

    def open_client(load: Callable[[], Any] = lambda: None, service: Any = None, **options: Any) -> Client:
        opened.append(Client(build_app(service or echo.Echo(load), **options)))
        return opened[-1]

    yield open_client
    for client in opened:
        client.close()


@pytest.fixture(scope="module")
def client(echo: ModuleType) -> Iterator[Client]:
    opened = Client(build_app(echo.Echo())).settled()
    yield opened
    opened.close()


@pytest.fixture
def program() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The echo service as a process of its own, listening, not yet loaded, and its port."""
    with subprocess.Popen(
        [sys.executable, str(PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def until(holds: Callable[[], Any]) -> Any:
    """What `holds` returns once it is true."""
    end = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="session", name="until")
def until_fixture() -> Callable[[Callable[[], Any]], Any]:
    return until


class Served:
    """The echo service run by its command, as an operator runs it."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers by lower-case name, decoded body; on a connection of its own."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)) as connection:
            named = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, json.loads(response.read())

    def ready(self) -> Served:
        until(lambda: self.ask("GET", "/v2/health/ready")[0] == 200)
        return self

    def workers(self, count: int) -> dict[str, int]:
        """Process ids by worker number, once `count` workers have answered."""
        met: dict[str, int] = {}

        def meet() -> bool:
            properties = self.ask("GET", "/v2/models/echo")[2]["properties"]
            met[properties["worker"]] = properties["process"]
            return len(met) == count

        until(meet)
        return met

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


class Starter:
    """Starts the echo's command with options; it listens."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self.processes: list[subprocess.Popen[str]] = []

    def __call__(self, *words: str | Path, **variables: str) -> Served:
        process = self.run(*words, **variables)
        assert process.stderr
        lines = iter(process.stderr.readline, "")
        heard = next((line for line in lines if line.startswith("echo listens")), "")
        found = re.match(r"echo listens on http://[0-9.]+:(\d+) ", heard)
        assert found, "it ended without listening"
        return Served(process, int(found[1]))

    def run(self, *words: str | Path, **variables: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(PROGRAM), "--port", "0", "--max-wait-ms", "60000", *map(str, words)]
        env = os.environ | {"COLUMNS": "200"} | variables
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env)
        self.processes.append(self._stack.enter_context(process))
        self._stack.callback(process.kill)
        return process


@pytest.fixture
def start() -> Iterator[Starter]:
    with contextlib.ExitStack() as stack:
        yield Starter(stack)
