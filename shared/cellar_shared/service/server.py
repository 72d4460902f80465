"""Runs an app on uvicorn until it is told to stop: bounded heads and connections, in-flight requests finished.

`cellar serve` calls it; it owns the process's SIGINT and SIGTERM meanwhile when it runs in the main thread.
"""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cellar_shared.errors import CellarError

logger = logging.getLogger("cellar.service")

MAX_HEAD_BYTES = 32 << 10
# Past this uvicorn answers 503 by itself: a last guard of the process's file descriptors, far above a router's pool.
MAX_CONNECTIONS = 512
# Longer than the idle time of the usual pools in front, so that it is they who close.
KEEP_ALIVE_S = 75
DRAIN_S = 30


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP parser with a limit on a request's head: httptools itself has none."""

    # Bytes taken in since the last sign of progress, a head completed or a piece of body.
    _stalled_bytes = 0
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        self._stalled_bytes += len(data)
        super().data_received(data)
        if self._stalled_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"Send at most {MAX_HEAD_BYTES} bytes of request line and headers.")

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # One read can hold a whole head that is too large; raising makes uvicorn answer 400 and close.
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("request head too large")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stalled_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._stalled_bytes = 0
        super().on_body(body)


class Server(uvicorn.Server):
    """uvicorn's server, but a stop that was asked for is a success, and it says when it listens."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_listening()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # As the original, without raising the signal again at the end: the process would die of it, not exit 0.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handled = (signal.SIGINT, signal.SIGTERM)
        before = {each: signal.signal(each, self.handle_exit) for each in handled}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def serve(
    app: ASGIApp,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    on_listening: Callable[[str, int], None] | None = None,
    max_connections: int = MAX_CONNECTIONS,
    drain_s: int = DRAIN_S,
) -> None:
    """Serve `app` until SIGTERM or SIGINT, then finish what is in flight, for at most `drain_s` seconds, and return.

    Port 0 takes a free one; `on_listening` is told the host and the real port once connections are accepted.
    Raises CellarError where the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise CellarError(f"Cannot listen on {host} port {port} ({error.strerror}): choose another port, 0 takes a free one.") from error
    real_port: int = listener.getsockname()[1]

    def listening() -> None:
        logger.info("listening on %s port %d", host, real_port)
        if on_listening is not None:
            on_listening(host, real_port)

    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=max_connections,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=drain_s,
    )
    with listener:
        Server(config, listening).run(sockets=[listener])
