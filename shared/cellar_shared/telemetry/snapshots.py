"""Writes this process's metrics into a folder as Prometheus' text, again and again, for `scrape` to add up over processes.

A process holds a lock beside its snapshot as long as it lives: the system lets go of it however the process dies, and a
process id that is used again is not taken for the old one.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from cellar_shared.telemetry.exposition import of_recorded, written
from cellar_shared.telemetry.recorder import Recorder

logger = logging.getLogger("cellar.telemetry")

SNAPSHOT: Final = ".prom"
LOCK: Final = ".lock"
# The name of one process's run: a snapshot that was folded into another file is known by it, should it still lie there.
RUN_LINE: Final = "# run "


@contextmanager
def folder_lock(folder: Path, kind: int) -> Iterator[None]:
    """Hold the folder: fcntl.LOCK_SH to read a consistent set of snapshots, fcntl.LOCK_EX to move them about."""
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, kind)
        yield
    finally:
        os.close(handle)


def is_live(snapshot: Path) -> bool:
    """Does the process that writes `snapshot` still run?"""
    try:
        handle = os.open(snapshot.with_suffix(LOCK), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


class SnapshotWriter:
    """One process's snapshot in `folder`, written every `every_ms` and once more when closed."""

    def __init__(self, recorder: Recorder, folder: Path, every_ms: int) -> None:
        self._recorder = recorder
        self._every_s = every_ms / 1000
        self._run = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._closing = threading.Event()
        self._is_failing = False
        folder.mkdir(parents=True, exist_ok=True)
        with folder_lock(folder, fcntl.LOCK_EX):
            self._file, self._lock = _place(folder)
            self.write()
        self._thread = threading.Thread(target=self._keep_writing, name="metrics-snapshots", daemon=True)
        self._thread.start()

    def write(self) -> None:
        """Write the snapshot now; whole or not at all. A disk that refuses is reported once and tried again."""
        try:
            text = f"{RUN_LINE}{self._run}\n{written(of_recorded(self._recorder.families()))}"
            beside = self._file.with_suffix(".new")
            beside.write_text(text, "utf-8")
            beside.replace(self._file)
            self._is_failing = False
        except OSError as error:
            if not self._is_failing:
                logger.warning("metrics cannot be written to %s (%s)", self._file, error.strerror)
            self._is_failing = True

    def close(self, timeout_s: float) -> None:
        """Write once more and let go; a last snapshot stays and stays counted."""
        self._closing.set()
        self._thread.join(timeout_s)
        os.close(self._lock)

    def _keep_writing(self) -> None:
        while not self._closing.wait(self._every_s):
            self.write()
        self.write()


def _place(folder: Path) -> tuple[Path, int]:
    """A snapshot's path that no living process uses, PID.prom where possible, and the lock that says so."""
    for stem in (str(os.getpid()), f"{os.getpid()}-{secrets.token_hex(4)}"):
        file = folder / f"{stem}{SNAPSHOT}"
        handle = os.open(file.with_suffix(LOCK), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # the same id in another container that shares the folder, or somebody just looking
            os.close(handle)
            continue
        with suppress(FileNotFoundError):  # an earlier process's of this id: its counts stay
            file.rename(folder / f"{stem}-{secrets.token_hex(4)}{SNAPSHOT}")
        return file, handle
    raise RuntimeError("a name made of 32 random bits is in use")
