"""A worker's side of running in a group: what it inherits from the supervisor, and serving as one of several; `command` calls it.

Worker and supervisor speak over one socket in single bytes. Its end is also how each learns of the other's death, at once and
whatever the cause.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp

from cellar_shared.service.readiness import Readiness
from cellar_shared.service.server import Server, server_of

logger = logging.getLogger("cellar.service")

NUMBER_VARIABLE: Final = "CELLAR_WORKER"
LINK_VARIABLE: Final = "CELLAR_WORKER_LINK"

# What a worker says.
ACCEPTING: Final = b"a"
LOADED: Final = b"l"
FAILED: Final = b"f"  # loading failed, for good or for now; it stays to say why
LEAVING: Final = b"x"  # it was told to stop, and not by the supervisor
# What the supervisor says.
ACCEPT: Final = b"A"  # nobody else does
RELEASE: Final = b"R"  # somebody else accepts: leave new connections to them
DRAIN: Final = b"D"  # all of the service stops, after its notice
STOP: Final = b"S"  # without notice
RETIRE: Final = b"Q"  # this worker only, at once: the others do better

LOOK_EVERY_S: Final = 0.02
EXIT_NOT_LOADED: Final = 1


@dataclass(frozen=True)
class Link:
    """What a worker inherits; without `accepts_at_once` it takes connections only when it is loaded, others being there."""

    listener: socket.socket
    channel: socket.socket
    accepts_at_once: bool


def inherited_link() -> Link | None:
    """The link that a supervisor left in this process's environment, taken out of it; None where there is none."""
    given = os.environ.pop(LINK_VARIABLE, None)
    if given is None:
        return None
    listener, channel, mode = given.split()
    for handle in (int(listener), int(channel)):
        os.set_inheritable(handle, False)  # what a worker starts must not keep the port, or the supervisor's hope, alive
    return Link(socket.socket(fileno=int(listener)), socket.socket(fileno=int(channel)), mode == "now")


def link_variable(listener: socket.socket, channel: socket.socket, accepts_at_once: bool) -> str:
    """The environment's value from which a child makes its Link; it inherits both descriptors under their numbers."""
    return f"{listener.fileno()} {channel.fileno()} {'now' if accepts_at_once else 'loaded'}"


def serve_as_worker(app: ASGIApp, readiness: Readiness, link: Link, drain_notice_s: float) -> int:
    """Serve until told to stop; the exit status. The supervisor's death stops it without notice, lest the port stay taken."""
    server = server_of(app, link.listener)
    server.accepts_at_start = link.accepts_at_once
    server.is_last = False
    worker = _Worker(server, readiness, link, drain_notice_s)
    server.on_started = worker.started
    server.on_term = worker.asked_to_leave
    server.on_interrupt = lambda: None  # Ctrl-C reaches every process of the terminal; the supervisor passes it on
    with link.channel:
        server.run()
    return worker.status


class _Worker:
    def __init__(self, server: Server, readiness: Readiness, link: Link, drain_notice_s: float) -> None:
        self.status = 0
        self._server = server
        self._readiness = readiness
        self._link = link
        self._drain_notice_s = drain_notice_s
        self._is_accepting = link.accepts_at_once
        self._heeds: dict[bytes, Callable[[], None]] = {
            ACCEPT: self._accept,
            RELEASE: lambda: server.accept(False),
            DRAIN: self._drain,
            STOP: self._stop,
            RETIRE: self._retire,
        }

    def started(self) -> None:
        self._link.channel.setblocking(False)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._link.channel, self._hear)
        if self._is_accepting:
            self._say(ACCEPTING)
        self._watch = loop.create_task(self._watch_loading())

    def asked_to_leave(self) -> None:
        """SIGTERM to this process alone. It accepts on until the supervisor knows that somebody else does."""
        if self._server.is_stopping:
            self._server.stop(0)
            return
        self._server.stop(self._drain_notice_s)
        self._say(LEAVING)

    async def _watch_loading(self) -> None:
        while not self._readiness.wait(0):
            await asyncio.sleep(LOOK_EVERY_S)
        if not self._readiness.is_ready:
            if not self._is_accepting:
                # The others answer; a process that only refuses would spoil their answers.
                self.status = EXIT_NOT_LOADED
                self._server.stop(0)
                return
            self._say(FAILED)
            while not self._readiness.is_ready:  # it may be waiting for something that comes
                await asyncio.sleep(LOOK_EVERY_S)
        self._say(LOADED)
        self._accept()

    def _accept(self) -> None:
        if not self._is_accepting and not self._server.is_stopping:
            self._is_accepting = True
            self._server.accept()
            self._say(ACCEPTING)

    def _drain(self) -> None:
        self._readiness.leave()
        self._server.is_last = True
        self._server.accept()
        self._server.stop(self._drain_notice_s)

    def _stop(self) -> None:
        self._readiness.leave()
        self._server.is_last = self._is_accepting
        self._server.stop(0)

    def _retire(self) -> None:
        self._server.accept(False)
        self._server.stop(0)

    def _hear(self) -> None:
        try:
            heard = self._link.channel.recv(64)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        if not heard:
            asyncio.get_running_loop().remove_reader(self._link.channel)
            logger.error("the supervisor of this worker is gone: it stops")
            self._stop()
        for at in range(len(heard)):
            self._heeds[heard[at : at + 1]]()

    def _say(self, word: bytes) -> None:
        try:
            self._link.channel.send(word)
        except OSError:
            logger.debug("the supervisor does not hear", exc_info=True)  # `_hear` finds out why
