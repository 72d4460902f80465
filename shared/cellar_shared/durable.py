"""Files and folders that are there whole or not at all; used by whatever writes data, generations and bundles."""

from __future__ import annotations

import glob
import os
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

    What stood at `place` goes only after that. What a killed writer left beside it is mended first: half-written folders
    go, and an old folder that had just been set aside comes back.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    _mend(place)
    staging = Path(tempfile.mkdtemp(prefix=f".{place.name}.new-{os.getpid()}-", dir=place.parent))
    try:
        yield staging
        staging.chmod(0o755)
        _swap(staging, place)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _swap(new: Path, place: Path) -> None:
    old = place.with_name(f".{place.name}.old-{os.getpid()}-")
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


def _mend(place: Path) -> None:
    for kind in ("old", "new"):
        for left in sorted(place.parent.glob(f".{glob.escape(place.name)}.{kind}-*-*")):
            writer = left.name.removeprefix(f".{place.name}.{kind}-").split("-")[0]
            if not writer.isdecimal() or _is_running(int(writer)):
                continue
            if kind == "old" and not place.exists():
                left.replace(place)
            else:
                shutil.rmtree(left, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def sync_folder(path: Path) -> None:
    """Make the folder's own entries durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
