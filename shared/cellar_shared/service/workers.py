"""Keeps several worker processes serving on one listening socket, and stops them without losing a request; `command` runs it.

Each worker is this program executed anew, so nothing is shared by fork: it inherits the listening socket and one end of a channel.
The socket stays open here, so that connections waiting to be accepted outlive any worker.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from types import FrameType
from typing import Final

from cellar_shared.service.server import DRAIN_S, EXPECTED_WITHIN_S
from cellar_shared.service.worker import (
    ACCEPT,
    ACCEPTING,
    DRAIN,
    FAILED,
    LEAVING,
    LINK_VARIABLE,
    LOADED,
    NUMBER_VARIABLE,
    RELEASE,
    RETIRE,
    STOP,
    link_variable,
)

logger = logging.getLogger("cellar.service")

# A worker that lived this long once it was loaded was well: its end is not counted with those before it (judgement). Not from its
# start on: where starting takes long, one that fails in it would be started again at once, for ever.
WELL_AFTER_S: Final = 10.0
FIRST_DELAY_S: Final = 0.2
LONGEST_DELAY_S: Final = 30.0
# So many starts in a row in which no worker ever came to listen: the fault is in the start itself, and whoever supervises the
# supervisor should know (judgement).
HOPELESS_AFTER: Final = 5
# Exit statuses of refusals (BadInput, Incompatible, and usage errors): starting again mends none of them.
REFUSED: Final = (2, 3)
KILL_AFTER_S: Final = DRAIN_S + EXPECTED_WITHIN_S + 5
REAP_WITHIN_S: Final = 5.0


@dataclass(eq=False)
class Worker:
    """One process, as far as the supervisor knows it."""

    number: int
    process: subprocess.Popen[bytes]
    channel: socket.socket
    loaded_at: float | None = None
    is_accepting: bool = False
    is_leaving: bool = False
    has_failed: bool = False

    def tell(self, word: bytes) -> None:
        """Say a word; one that is dead or dying does not hear it, and its channel's end is met soon."""
        try:
            self.channel.send(word)
        except OSError:
            logger.debug("worker %d does not hear", self.number, exc_info=True)


@dataclass
class Place:
    """One of the N workers that there should be."""

    number: int
    start_at: float = 0.0
    quick_ends: int = 0
    worker: Worker | None = None


class Supervisor:
    """Runs `command` `count` times at once on `listener`, which it closes when it stops."""

    def __init__(
        self,
        command: Sequence[str],
        listener: socket.socket,
        count: int,
        drain_notice_s: float,
        on_listening: Callable[[], None] = lambda: None,
    ) -> None:
        self._command = list(command)
        self._listener = listener
        self._drain_notice_s = drain_notice_s
        self._on_listening = on_listening
        self._places = [Place(number) for number in range(1, count + 1)]
        self._workers: set[Worker] = set()
        self._selector = selectors.DefaultSelector()
        self._has_listened = False
        self._has_loaded = False
        self._kill_at: float | None = None
        self._status: int | None = None

    def run(self) -> int:
        """Until SIGTERM or SIGINT; the exit status: 0, or a worker's own where none ever came to listen."""
        with self._signals() as wakeup, self._selector:
            self._selector.register(wakeup, selectors.EVENT_READ, lambda: self._signalled(wakeup.recv(64)))
            while self._workers or self._status is None:
                self._start_due()
                for key, _ in self._selector.select(self._patience_s()):
                    key.data()
                if self._kill_at is not None and monotonic() >= self._kill_at:
                    for worker in self._workers:
                        logger.error("worker %d (process %d) did not stop in time and is killed", worker.number, worker.process.pid)
                        worker.process.kill()
                    self._kill_at = None
        assert self._status is not None  # noqa: S101
        return self._status

    def _start_due(self) -> None:
        if self._status is not None:
            return
        for place in self._places:
            # The first one alone until it is loaded: what must be built is built once, and a refusal is said once.
            if place.worker is None and place.start_at <= monotonic() and (place.number == 1 or self._has_loaded):
                self._start(place)

    def _patience_s(self) -> float | None:
        moments = [] if self._kill_at is None else [self._kill_at]
        if self._status is None:
            moments += [place.start_at for place in self._places if place.worker is None and (place.number == 1 or self._has_loaded)]
        return max(0.0, min(moments) - monotonic()) if moments else None

    def _start(self, place: Place) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            variables = {
                NUMBER_VARIABLE: str(place.number),
                # One that is leaving counts: it serves on until another is loaded.
                LINK_VARIABLE: link_variable(self._listener, theirs, accepts_at_once=not self._is_accepted()),
            }
            process = subprocess.Popen(
                self._command,
                env=os.environ | variables,
                stdin=subprocess.DEVNULL,
                pass_fds=(self._listener.fileno(), theirs.fileno()),
            )
        ours.setblocking(False)
        place.worker = worker = Worker(place.number, process, ours)
        self._workers.add(worker)
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._hear(worker))

    def _hear(self, worker: Worker) -> None:
        try:
            heard = worker.channel.recv(64)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        if not heard:
            self._ended(worker)
        for at in range(len(heard)):
            self._heed(worker, heard[at : at + 1])

    def _heed(self, worker: Worker, word: bytes) -> None:
        if word == ACCEPTING:
            worker.is_accepting = True
            for other in self._workers:
                if other.is_leaving:
                    self._release(other)
            if not self._has_listened:
                self._has_listened = True
                self._on_listening()
        elif word == LOADED:
            self._has_loaded = True
            worker.has_failed, worker.loaded_at = False, monotonic()
            for other in self._workers:
                if other.has_failed:
                    other.tell(RETIRE)  # what was in its way has passed: another try takes its place
        elif word == FAILED:
            worker.has_failed = True
            logger.error("worker %d cannot load; it stays to say why", worker.number)
        elif word == LEAVING:
            worker.is_leaving = True
            self._vacate(worker, start_at=0.0)
            if any(other.is_accepting and not other.is_leaving for other in self._workers):
                self._release(worker)

    @staticmethod
    def _release(worker: Worker) -> None:
        worker.is_accepting = False
        worker.tell(RELEASE)

    def _is_accepted(self) -> bool:
        return any(worker.is_accepting for worker in self._workers)

    def _vacate(self, worker: Worker, start_at: float) -> Place | None:
        for place in self._places:
            if place.worker is worker:
                place.worker = None
                place.start_at = start_at
                return place
        return None

    def _ended(self, worker: Worker) -> None:
        self._selector.unregister(worker.channel)
        worker.channel.close()
        self._workers.discard(worker)
        try:
            status = worker.process.wait(REAP_WITHIN_S)
        except subprocess.TimeoutExpired:  # it closed the channel and lives: of no use
            worker.process.kill()
            status = worker.process.wait()
        if self._status is None and not self._is_accepted():
            for other in self._workers:
                other.tell(ACCEPT)
        place = self._vacate(worker, start_at=0.0)
        if self._status is not None or place is None:
            return
        was_well = worker.loaded_at is not None and monotonic() - worker.loaded_at >= WELL_AFTER_S
        place.quick_ends = 1 if was_well else place.quick_ends + 1
        if not self._has_listened and (status in REFUSED or place.quick_ends >= HOPELESS_AFTER):
            logger.error("no worker comes to listen (the last one's exit status is %d): this service stops", status)
            self._stop(STOP, status if status > 0 else 1)
            return
        # At once after a first end, then with patience: what makes it end may pass.
        delay_s = 0.0 if place.quick_ends == 1 else min(FIRST_DELAY_S * 2 ** (place.quick_ends - 2), LONGEST_DELAY_S)
        place.start_at = monotonic() + delay_s
        logger.error("worker %d (process %d) ended with %d; next start in %.1f s", worker.number, worker.process.pid, status, delay_s)

    def _signalled(self, signals: bytes) -> None:
        for each in signals:
            is_first = self._status is None
            self._stop(DRAIN if each == signal.SIGTERM and is_first else STOP, 0)

    def _stop(self, word: bytes, status: int) -> None:
        if self._status is None:
            self._status = status
            # From here on only the workers hold the port: with the last of them it is closed, and connecting is refused.
            self._listener.close()
        self._kill_at = monotonic() + KILL_AFTER_S + (self._drain_notice_s if word == DRAIN else 0)
        for worker in self._workers:
            worker.tell(word if worker.is_accepting or worker.is_leaving else STOP)  # one that is still starting hears it when it is up

    @contextmanager
    def _signals(self) -> Iterator[socket.socket]:
        """A socket that becomes readable with a byte a signal."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)

        def noted(number: int, frame: FrameType | None) -> None:
            """The byte on the socket says it all."""

        before = {each: signal.signal(each, noted) for each in (signal.SIGTERM, signal.SIGINT)}
        previous = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        try:
            yield ours
        finally:
            signal.set_wakeup_fd(previous)
            for each, handler in before.items():
                signal.signal(each, handler)
            ours.close()
            theirs.close()
