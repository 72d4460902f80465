"""The echo service, in process through ASGI and as a program on a loopback port."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from cellar_shared.service.app import build_app

PROGRAM = Path(__file__).parent / "echo.py"


@pytest.fixture(scope="session")
def echo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("service_echo", PROGRAM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["service_echo"] = module  # msgspec looks annotations up there
    spec.loader.exec_module(module)
    return module


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
        assert self.app.state.readiness.wait(10)
        return self

    def close(self) -> None:
        self._runner.run(self._http.aclose())
        self._runner.run(self._lifespan.__aexit__(None, None, None))
        self._runner.close()


@pytest.fixture
def connect(echo: ModuleType) -> Iterator[Callable[..., Client]]:
    opened: list[Client] = []

    def open_client(load: Callable[[], Any] = lambda: None) -> Client:
        opened.append(Client(build_app(echo.Echo(load))))
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
