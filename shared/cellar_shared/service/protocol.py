"""One connection: uvicorn's HTTP parser with bounds, arrivals noted, and an end that loses no request; `server` makes them."""

from __future__ import annotations

import asyncio
from collections import deque
from math import inf
from time import monotonic
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from cellar_shared.service.limits import ARRIVAL, Arrival, Traffic

MAX_HEAD_BYTES = 32 << 10
HEAD_TOO_LARGE = f"Send at most {MAX_HEAD_BYTES} bytes of request line and headers."
UPGRADE_WITH_BODY = "Send a body without the Upgrade header: HTTP/1.1 is spoken here, and nothing else."
BODY_HEADERS = (b"content-length", b"transfer-encoding")
# Past this requests are refused and their connections closed: a last guard of the process's memory, far above a router's pool.
MAX_CONNECTIONS: Final = 512
# Past this many times the maximum not even a refusal is written: a last guard of the process's file descriptors.
FLOOD_FACTOR: Final = 4


class State(ServerState):
    """What the connections of one server share."""

    def __init__(self, max_connections: int = MAX_CONNECTIONS) -> None:
        super().__init__()
        self.max_connections = max_connections
        self.traffic = Traffic()
        # Answers say `Connection: close`: clients that keep connections move to another server without losing a request.
        self.is_closing = False


class Connection(HttpToolsProtocol):
    """uvicorn's HTTP parser, refusing what httptools lets through: heads without end, bodies it would lose."""

    server_state: State
    # Bytes taken in since the last sign of progress, a head completed or a piece of body.
    _stalled_bytes = 0
    _head_bytes = 0
    _answered_at_s = -inf
    # Raising in a callback makes uvicorn answer 400 and close: with this sentence.
    _refusal: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        self._arrivals: deque[Arrival] = deque()
        super().connection_made(transport)
        # Decided once: those that were here before a crowd came are served on.
        self._is_crowding = len(self.connections) > self.server_state.max_connections
        if len(self.connections) > FLOOD_FACTOR * self.server_state.max_connections:
            transport.abort()
            return
        # uvicorn starts this clock with the first answer: a connection that never asks anything would stay for ever.
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        while self._arrivals:
            self._arrivals.popleft().leave()

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
        state = self.server_state
        arrival = state.traffic.arrive(is_crowded=self._is_crowding)
        self._arrivals.append(arrival)
        self.scope[ARRIVAL] = arrival  # type: ignore[typeddict-unknown-key]  # ASGI lets servers add keys of their own
        super().on_headers_complete()
        if self._is_crowding or state.is_closing:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._stalled_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stalled_bytes = 0
        if self._arrivals:
            self._arrivals[-1].is_whole = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self._arrivals:
            self._arrivals.popleft().leave()
        self._answered_at_s = monotonic()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        super().send_400_response(self._refusal or msg)

    @property
    def is_answering(self) -> bool:
        """Is there a request whose head has been read and whose answer is not complete?"""
        return self.cycle is not None and not self.cycle.response_complete

    def is_expecting(self, since_s: float) -> bool:
        """Is a request under way or most likely to come: a head half read, a connection that has not been used yet, or one on which
        an answer went out since then?"""
        return not self.is_answering and (self.cycle is None or self._stalled_bytes > 0 or self._answered_at_s >= since_s)

    def close_after_answer(self) -> None:
        """Say `Connection: close` with the answer that is due, if it has not begun."""
        if self.is_answering and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Close now, or after the answer that is due."""
        if self.is_answering:
            self.cycle.keep_alive = False
        else:
            self.transport.close()
