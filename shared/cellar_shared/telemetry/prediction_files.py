"""The prediction log's folder: files of whole lines, sealed by renaming, bounded in size; `predictions` writes through it.

    predictions-20260102T030405.000006Z-77-1f2e3d4c.jsonl        sealed: changed only by `forgetting`, and whole or not at all
    predictions-20260102T040000.000000Z-77-5b6a7988.jsonl.open   being written, its lock held; after a crash for the next to seal

A file's name says when it was opened, so that names sort by age. The lock goes with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cellar_shared.durable import sync_folder

SEALED: Final = ".jsonl"
OPEN: Final = ".jsonl.open"
FOLDER_LOCK: Final = ".lock"

_OPENED = re.compile(r"predictions-(\d{8}T\d{6}\.\d{6})Z-")


def now_us() -> int:
    """Microseconds since 1970 by the clock of this machine."""
    return time.time_ns() // 1000


def opened_us(file: Path) -> int:
    """When a file of the log was opened, by its name; 0 for a name that does not say."""
    found = _OPENED.match(file.name)
    if found is None:
        return 0
    return round(datetime.strptime(found[1], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC).timestamp() * 1_000_000)


def sealed_files(folder: Path) -> list[Path]:
    """The sealed files, oldest first."""
    return sorted(folder.glob(f"predictions-*{SEALED}"))


def open_files(folder: Path) -> list[Path]:
    """The files that are being written or were when their process died."""
    return sorted(folder.glob(f"predictions-*{OPEN}"))


@contextmanager
def held(folder: Path, lock: str = FOLDER_LOCK) -> Iterator[None]:
    """Hold the folder alone: while files are sealed, and while it is said who is to be forgotten."""
    handle = os.open(folder / lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class LogFile:
    """One file that is being written, by the one process that holds its lock."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self.opened_us = opened_us(path)
        self._handle = handle
        self.size = os.fstat(handle).st_size

    @classmethod
    def create(cls, folder: Path) -> LogFile:
        """A new, empty file; nobody sees it before its lock is held."""
        moment = now_us()
        stamp = datetime.fromtimestamp(moment // 1_000_000, UTC).strftime("%Y%m%dT%H%M%S") + f".{moment % 1_000_000:06d}Z"
        name = f"predictions-{stamp}-{os.getpid()}-{secrets.token_hex(4)}{OPEN}"
        handle = os.open(folder / f".{name}", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            (folder / f".{name}").rename(folder / name)
        except BaseException:
            os.close(handle)
            raise
        return cls(folder / name, handle)

    @classmethod
    def adopt(cls, path: Path) -> LogFile | None:
        """A file whose process has died, cut after its last whole line; None while somebody holds it or it is gone."""
        try:
            handle = os.open(path, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_ino != path.stat().st_ino:
                raise FileNotFoundError
        except (BlockingIOError, FileNotFoundError):  # sealed by another meanwhile
            os.close(handle)
            return None
        content = os.pread(handle, os.fstat(handle).st_size, 0)
        os.ftruncate(handle, content.rfind(b"\n") + 1)
        return cls(path, handle)

    def append(self, lines: bytes) -> None:
        """Add whole lines, all of them or none; OSError says that the disk refuses."""
        written = 0
        try:
            while written < len(lines):
                written += os.write(self._handle, memoryview(lines)[written:])
        except OSError:
            os.ftruncate(self._handle, self.size)
            raise
        self.size += written

    def seal(self, keep: Callable[[bytes], bytes]) -> int:
        """Make the file durable under its final name, with the lines that `keep` leaves of it; how many it took out.

        The caller holds the folder. A file without lines leaves none.
        """
        content = os.pread(self._handle, self.size, 0)
        kept = keep(content)
        try:
            if len(kept) != len(content):
                # Under the open name still: until it is renamed nobody takes the file for sealed.
                replaced(self.path, kept)
            if kept:
                sync_folder(self.path)
                self.path.rename(self.path.with_name(self.path.name.removesuffix(OPEN) + SEALED))
            else:
                self.path.unlink()
            sync_folder(self.path.parent)
        finally:
            os.close(self._handle)
        return content.count(b"\n") - kept.count(b"\n")

    def abandon(self) -> None:
        """Let go of the file as it is; the next start seals it."""
        with suppress(OSError):
            os.close(self._handle)


def replaced(file: Path, content: bytes) -> None:
    """Put other content into a file, whole or not at all."""
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def tidied(folder: Path, budget_bytes: int) -> int:
    """Delete the oldest sealed files until the folder is within its budget; how many rows went."""
    sizes = {}
    for file in [*sealed_files(folder), *open_files(folder)]:
        with suppress(FileNotFoundError):
            sizes[file] = file.stat().st_size
    total, rows = sum(sizes.values()), 0
    for file, size in sizes.items():
        if total <= budget_bytes or not file.name.endswith(SEALED):
            break
        with suppress(FileNotFoundError):  # another process tidies too
            count = file.read_bytes().count(b"\n")
            file.unlink()
            rows += count
        total -= size
    return rows
