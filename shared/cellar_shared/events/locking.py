"""One writer at a time in a data folder: waits for the other or refuses; the writer and the appender hold it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cellar_shared.errors import BadInput

LOCK: Final = ".lock"
WAIT_S: Final = 60.0  # judgement: an appender is done in seconds; who holds the folder longer is a whole import
_BETWEEN_TRIES_S: Final = 0.02


@contextmanager
def writing_alone(folder: Path, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the folder's lock for the block; BadInput when another process still holds it after `wait_s` seconds.

    The system lets go of the lock when its process dies, however it dies.
    """
    handle = _locked(folder, wait_s)
    try:
        yield
    finally:
        os.close(handle)


def _locked(folder: Path, wait_s: float) -> int:
    until = time.monotonic() + wait_s
    while (handle := _try_lock(folder / LOCK)) is None:
        if time.monotonic() >= until:
            raise BadInput(
                f"{folder} is being written by another command, and still was after {wait_s:g} s; wait until it has ended and try again"
            )
        time.sleep(_BETWEEN_TRIES_S)
    return handle


def _try_lock(file: Path) -> int | None:
    """The handle that holds the lock, or None: held by another, or the whole folder is just being replaced."""
    try:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _stands_at(file, handle):
            return handle
    except BlockingIOError:
        pass
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def _stands_at(file: Path, handle: int) -> bool:
    """Is what is locked still the folder's lock? While one waits, the whole folder may be replaced by another."""
    try:
        return os.path.samestat(file.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
