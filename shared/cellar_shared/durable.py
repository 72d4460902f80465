"""Files and folders that are there whole or not at all; used by whatever writes data, generations and bundles."""

from __future__ import annotations

import fcntl
import glob
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_durably(path: Path, content: bytes) -> None:
    """Write a file so that after a crash it is either the old or the new content, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
        sync_folder(path.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def staged_folder(place: Path) -> Iterator[Path]:
    """A new folder that stands at `place` once the block has ended well, and leaves no trace when it has not.

    It is on disk, every file of it, before it stands; what stood at `place` goes only after that. What a killed writer left
    beside it is mended first, unless another writer is at work: half-written folders go, and an old folder that had just
    been set aside comes back.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with _writing(place) as is_alone:
        if is_alone:
            mend(place)
        staging = Path(tempfile.mkdtemp(prefix=f".{place.name}.new-", dir=place.parent))
        try:
            yield staging
            staging.chmod(0o755)
            _sync_tree(staging)
            _swap(staging, place)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, made where there is none; waits for who holds it. The system lets go of it when a process dies."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def _writing(place: Path) -> Iterator[bool]:
    """Hold the lock of whoever writes `place`, if nobody else does; the system lets go of it when a process dies."""
    file = place.with_name(f".{place.name}.lock")
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            file.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _swap(new: Path, place: Path) -> None:
    old = place.with_name(f".{place.name}.old-{secrets.token_hex(4)}")
    if place.exists():
        place.replace(old)
    try:
        new.replace(place)
    except OSError:
        if old.exists():
            old.replace(place)
        raise
    sync_folder(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def mend(place: Path) -> None:
    """Bring back or delete what killed writers of the folder at `place` left beside it; for who knows that none is at work."""
    for kind in ("old", "new"):
        for left in sorted(place.parent.glob(f".{glob.escape(place.name)}.{kind}-*")):
            if kind == "old" and not place.exists():
                left.replace(place)
            else:
                shutil.rmtree(left, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        sync_folder(path)


def sync_folder(path: Path) -> None:
    """Make a folder's own entries, or a file's content, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
