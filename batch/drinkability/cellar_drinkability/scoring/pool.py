"""Runs a step over parts in processes of its own, one thread each; a process that dies costs its part, never the night."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Final, Literal

import msgspec

from cellar_drinkability.scoring.environment import environment
from cellar_drinkability.scoring.layout import Part
from cellar_drinkability.scoring.part import PartWork, Terms

Step = Literal["curves", "score"]
ENDS_WITHIN_S: Final = 10.0


class Outcome(msgspec.Struct, frozen=True):
    """What became of a part: bottles read, curves and answers computed, or the error because of which it was set aside."""

    part: Part
    rows: int = 0
    curves: int = 0
    answers: int = 0
    error: str | None = None
    peak_bytes: int = 0  # of the process, until then


class _Task(msgspec.Struct, frozen=True):
    step: Step
    part: Part


def done(work: PartWork, step: Step, part: Part) -> Outcome:
    """Do the step on the part; an error of its own is its outcome. Never raises for what a file holds."""
    try:
        made = work.curves(part) if step == "curves" else work.score(part)
        return Outcome(part, made.rows, made.curves, made.answers, peak_bytes=peak_bytes())
    except Exception as error:
        return Outcome(part, error=said(error), peak_bytes=peak_bytes())
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # what Polars raises where its own code fails
            raise
        return Outcome(part, error=said(error), peak_bytes=peak_bytes())


def said(error: BaseException) -> str:
    """An error in one line, with its kind."""
    return f"{type(error).__name__}: {error}".replace("\n", " ")[:500]


def peak_bytes() -> int:
    """The most memory that this process has had resident; 0 where the system does not say."""
    # Not getrusage: its maximum begins with what the process that started this one had.
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0


def run(terms: Terms, step: Step, parts: Sequence[Part], workers: int) -> Iterator[Outcome]:
    """The outcome of `step` on each of `parts`, as they end, computed by up to `workers` processes."""
    waiting = list(reversed(parts))
    processes = [_Process(terms) for _ in range(min(workers, len(parts)))]
    try:
        for process in processes:
            process.give(_Task(step, waiting.pop()))
        while busy := {process.connection: process for process in processes if process.task is not None}:
            for connection in wait(list(busy)):
                process = busy[connection]  # type: ignore[index]
                yield process.take()
                if waiting:
                    process.give(_Task(step, waiting.pop()))
    finally:
        for process in processes:
            process.end()


class _Process:
    """A worker process, started again when it has died."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.task: _Task | None = None
        self._start()

    def give(self, task: _Task) -> None:
        self.task = task
        try:
            self.connection.send_bytes(msgspec.json.encode(task))
        except OSError:
            self._start()
            self.connection.send_bytes(msgspec.json.encode(task))

    def take(self) -> Outcome:
        """The outcome of the task that was given, which has ended; a process that died over it is started again."""
        task, self.task = self.task, None
        if task is None:
            raise RuntimeError("nothing was given")
        try:
            return msgspec.json.decode(self.connection.recv_bytes(), type=Outcome)
        except (EOFError, OSError):
            self._process.join(ENDS_WITHIN_S)
            status = self._process.exitcode
            self._start()
            return Outcome(task.part, error=f"the process that worked on it died (exit status {status}); was memory short?")

    def end(self) -> None:
        self.connection.close()
        if self.task is not None:
            self._process.terminate()  # nobody waits for it: what it writes is whole or not there
        self._process.join(ENDS_WITHIN_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _start(self) -> None:
        spawning = multiprocessing.get_context("spawn")
        self.connection, theirs = spawning.Pipe()
        self._process: SpawnProcess = spawning.Process(target=_serve, args=(theirs, msgspec.json.encode(self._terms)), daemon=True)
        with environment():
            self._process.start()
        theirs.close()


def _serve(connection: Connection, terms: bytes) -> None:
    """Do tasks until whoever gives them is gone, with them or without."""
    work = PartWork(msgspec.json.decode(terms, type=Terms))
    while True:
        try:
            task = msgspec.json.decode(connection.recv_bytes(), type=_Task)
            connection.send_bytes(msgspec.json.encode(done(work, task.step, task.part)))
        except (EOFError, OSError, KeyboardInterrupt):
            return
