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
HEAD_TOO_LARGE = f"Send at most {MAX_HEAD_BYTES} bytes of request line and headers."
UPGRADE_WITH_BODY = "Send a body without the Upgrade header: HTTP/1.1 is spoken here, and nothing else."
BODY_HEADERS = (b"content-length", b"transfer-encoding")
# Past this uvicorn answers 503 by itself: a last guard of the process's file descriptors, far above a router's pool.
MAX_CONNECTIONS = 512
# Longer than the idle time of the usual pools in front, so that it is they who close.
KEEP_ALIVE_S = 75
DRAIN_S = 30


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP parser, refusing what httptools lets through: heads without end, bodies it would lose."""

    # Bytes taken in since the last sign of progress, a head completed or a piece of body.
    _stalled_bytes = 0
    _head_bytes = 0
    # Raising in a callback makes uvicorn answer 400 and close: with this sentence.
    _refusal: str | None = None

    def data_received(self, data: bytes) -> None:
        self._stalled_bytes += len(data)
        super().data_received(data)
        if self._stalled_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # One read can hold a whole head that is too large.
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refusal = HEAD_TOO_LARGE
            raise ValueError(HEAD_TOO_LARGE)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stalled_bytes = 0
        # httptools takes what follows such a head for another protocol: the body would be lost, or read as a request.
        if self.parser.should_upgrade() and any(name in BODY_HEADERS for name, _ in self.headers):
            self._refusal = UPGRADE_WITH_BODY
            raise ValueError(UPGRADE_WITH_BODY)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._stalled_bytes = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        super().send_400_response(self._refusal or msg)


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
