"""Runs an app on uvicorn until it is told to stop, and stops without losing a request.

`cellar serve` calls it, alone or in a worker; it owns the process's SIGINT and SIGTERM meanwhile when it runs in the main thread.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import monotonic
from typing import Final, cast

import uvicorn
from starlette.types import ASGIApp

from cellar_shared.service.listener import BACKLOG, begin_no_connection, open_listener
from cellar_shared.service.protocol import MAX_CONNECTIONS, Connection, State

logger = logging.getLogger("cellar.service")

# Longer than the idle time of the usual pools in front, so that it is they who close.
KEEP_ALIVE_S: Final = 75
DRAIN_S: Final = 30
# At the end, how long a connection is kept on which a request is just arriving, that was made and not used yet, or that was used within
# this time before: whoever asks one thing after the other asks again before they can know of the end (judgement).
EXPECTED_WITHIN_S: Final = 1.0
# At the end, how long a handshake under way may take: a round trip between the clients and here, and some (judgement).
HANDSHAKE_WITHIN_S: Final = 0.2
# With no file descriptor left for another connection, wait for some to be closed.
FULL_PAUSE_S: Final = 0.1


class Server(uvicorn.Server):
    """uvicorn's server with its own accepting and stopping.

    Stopping begins by `stop`. For a notice, requests are answered on and clients moved away by `Connection: close`; new connections
    are taken or left to others. Then what is in flight is finished, and `run` returns.
    """

    def __init__(self, config: uvicorn.Config, listener: socket.socket, max_connections: int) -> None:
        super().__init__(config)
        self.server_state: State = State(max_connections)
        self._listener = listener
        self._is_accepting = False
        self._stop_at: float | None = None
        self._opening: set[asyncio.Task[object]] = set()
        # What to do in the event loop once it runs, and on the two signals; set before `run`.
        self.on_started: Callable[[], None] = lambda: None
        self.on_term: Callable[[], None] = lambda: None
        self.on_interrupt: Callable[[], None] = lambda: self.stop(0)
        self.accepts_at_start = True
        # Nobody else serves on the listener: at the end the port is closed with care.
        self.is_last = True

    @property
    def is_stopping(self) -> bool:
        """Has `stop` been called?"""
        return self._stop_at is not None

    def stop(self, notice_s: float) -> None:
        """Begin to stop, or bring the end of the notice forward."""
        at = monotonic() + notice_s
        self._stop_at = at if self._stop_at is None else min(at, self._stop_at)
        self.server_state.is_closing = True
        for connection in self._connections():
            connection.close_after_answer()

    def accept(self, is_wanted: bool = True) -> None:
        """Take new connections from now on, or leave them to whoever else listens on the same socket."""
        if is_wanted != self._is_accepting:
            self._is_accepting = is_wanted
            if is_wanted:
                self._loop.add_reader(self._listener, self._accept_waiting)
            else:
                self._loop.remove_reader(self._listener)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self.servers = []
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise SystemExit(uvicorn.config.STARTUP_FAILURE)
        self._listener.setblocking(False)
        if self.accepts_at_start:
            self.accept()
        self.started = True
        self.on_started()

    async def on_tick(self, counter: int) -> bool:
        await super().on_tick(counter)
        if self._stop_at is None:
            return False
        is_deserted = not (self._is_accepting or self._opening or self.server_state.connections)
        return is_deserted or monotonic() >= self._stop_at

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._is_accepting:
            if self.is_last:
                begin_no_connection(self._listener)
                await asyncio.sleep(HANDSHAKE_WITHIN_S)
                self._accept_waiting()
            self.accept(False)
        self._listener.close()
        if self._opening:
            await asyncio.wait(self._opening)
        end = monotonic()
        while (left := self._connections()) and monotonic() < end + EXPECTED_WITHIN_S:
            for connection in left:
                if not connection.is_expecting(end - EXPECTED_WITHIN_S):
                    connection.shutdown()
            await asyncio.sleep(0.02)
        await super().shutdown()

    def _connections(self) -> list[Connection]:
        return cast(list[Connection], list(self.server_state.connections))

    def _accept_waiting(self) -> None:
        # All that wait, as what waits here is neither seen nor bounded by the limits.
        for _ in range(BACKLOG):
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                logger.error("no further connection can be taken: %s", error.strerror)
                if self._is_accepting and not self.is_stopping:
                    self.accept(False)
                    self._loop.call_later(FULL_PAUSE_S, self.accept)
                return
            opening = self._loop.create_task(self._loop.connect_accepted_socket(self._connection, accepted))
            self._opening.add(opening)
            opening.add_done_callback(self._opened)

    def _opened(self, opening: asyncio.Task[object]) -> None:
        self._opening.discard(opening)
        if not opening.cancelled() and (error := opening.exception()) is not None:
            logger.info("a connection was gone before it could be used: %s", error)

    def _connection(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state, self._loop)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # Not as the original, which raises the signal again at the end: the process would die of it, not exit 0.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.on_term)
        loop.add_signal_handler(signal.SIGINT, self.on_interrupt)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGTERM)
            loop.remove_signal_handler(signal.SIGINT)


def server_of(app: ASGIApp, listener: socket.socket, *, max_connections: int = MAX_CONNECTIONS, drain_s: int = DRAIN_S) -> Server:
    """A server of `app` on a listening socket, which it closes at its end; `run` runs it."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=drain_s,
    )
    return Server(config, listener, max_connections)


def serve(
    app: ASGIApp,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    on_listening: Callable[[str, int], None] | None = None,
    on_leaving: Callable[[], None] | None = None,
    drain_notice_s: float = 0,
    max_connections: int = MAX_CONNECTIONS,
    drain_s: int = DRAIN_S,
) -> None:
    """Serve `app` in this process until SIGTERM or SIGINT, then finish what is in flight, for at most `drain_s` seconds, and return.

    On SIGTERM `on_leaving` is called at once, and for `drain_notice_s` seconds connections are still accepted, so that whoever probes
    this process stops sending before it stops answering; a second SIGTERM, and SIGINT, end that notice.
    Port 0 takes a free one; `on_listening` is told the host and the real port once connections are accepted.
    Raises CellarError where the address cannot be had.
    """
    with open_listener(host, port) as listener:
        real_port: int = listener.getsockname()[1]
        server = server_of(app, listener, max_connections=max_connections, drain_s=drain_s)

        def started() -> None:
            logger.info("listening on %s port %d", host, real_port)
            if on_listening is not None:
                on_listening(host, real_port)

        def leave(notice_s: float) -> None:
            if on_leaving is not None:
                on_leaving()
            server.stop(0 if server.is_stopping else notice_s)

        server.on_started = started
        server.on_term = lambda: leave(drain_notice_s)
        server.on_interrupt = lambda: leave(0)
        server.run()
