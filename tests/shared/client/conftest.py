"""A client generated for the echo service, that service as a process, and a server that answers by a script."""

from __future__ import annotations

import importlib.util
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cellar_shared.api.client_source import client_source
from cellar_shared.service.openapi import openapi_document

PROGRAM = Path(__file__).parent / "echoing.py"
PATIENCE_S = 60.0  # whatever is waited for ends the wait


def module_at(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # msgspec looks annotations up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def echo_client(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The client module of the echo service, made by the generator."""
    echoing = module_at(PROGRAM, "client_echoing")
    made = tmp_path_factory.mktemp("client") / "echo.py"
    made.write_text(client_source(openapi_document(echoing.echo.Echo())))
    # As if it lay beside the hand-written modules, where its relative imports lead.
    return module_at(made, "cellar_shared.client.echo")


@contextmanager
def running(port: int = 0, *words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The echo service as a process that listens, and its port."""
    with subprocess.Popen(
        [sys.executable, str(PROGRAM), str(port), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


@pytest.fixture(scope="session")
def run_echo() -> Callable[..., Any]:
    return running


class Scripted:
    """A server that does for each request it gets what the next line of its script says.

    A script has a list a connection, in the order of the connections; in it are answers as bytes and functions of the socket and
    the event that the test has ended. After the last of them the connection is closed.
    """

    def __init__(self, script: list[list[Any]], context: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[bytes, bytes]] = []  # head and body
        self.has_closed = [threading.Event() for _ in script]
        self._got = threading.Condition()
        self._script = script
        self._context = context
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        for place, steps in enumerate(self._script):
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._serve, args=(connection, steps, self.has_closed[place])))
            self._threads[-1].start()
        self._listener.close()

    def _serve(self, connection: socket.socket, steps: list[Any], has_closed: threading.Event) -> None:
        try:
            with connection:
                connection.settimeout(PATIENCE_S)
                if self._context:
                    connection = self._context.wrap_socket(connection, server_side=True)
                with connection, connection.makefile("rb") as stream:
                    self._answer(connection, stream, steps)
        except OSError:
            pass  # the client left, as clients may
        finally:
            has_closed.set()

    def _answer(self, connection: socket.socket, stream: Any, steps: list[Any]) -> None:
        for step in steps:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                if not (line := stream.readline()):
                    return  # the client left
                head += line
            lengths = [int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length:")]
            request = (head, stream.read(lengths[0]) if lengths else b"")
            with self._got:
                self.requests.append(request)
                self._got.notify_all()
            if callable(step):
                step(connection, self._ended)
            else:
                connection.sendall(step)

    def has_got(self, count: int) -> bool:
        """Have so many requests come, or do so within the patience? A client may be done before this server's threads are."""
        with self._got:
            return self._got.wait_for(lambda: len(self.requests) >= count, PATIENCE_S) and len(self.requests) == count

    def header(self, name: str, place: int = -1) -> str | None:
        """What a request said in a header."""
        for line in self.requests[place][0].decode().splitlines():
            if line.lower().startswith(f"{name}:"):
                return line.partition(":")[2].strip()
        return None

    def close(self) -> None:
        self._ended.set()
        self._listener.close()
        for thread in self._threads:
            # A thread in accept() is woken by a connection, not by the end of its socket.
            if thread is self._threads[0] and thread.is_alive():
                with socket.socket() as waker:
                    waker.settimeout(1)
                    waker.connect_ex(("127.0.0.1", self.port))
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    """Starts servers that answer by a script."""
    started: list[Scripted] = []

    def start(*script: list[Any], context: ssl.SSLContext | None = None) -> Scripted:
        started.append(Scripted(list(script), context))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture(scope="session")
def said() -> Callable[..., bytes]:
    """An answer as bytes: a status, a body and headers by name with _ for -."""

    def answer(status: int, body: bytes, **headers: str) -> bytes:
        every = {"content-type": "application/json", "content-length": str(len(body))}
        every |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in every.items() if value), "", ""]
        return "\r\n".join(lines).encode() + body

    return answer
