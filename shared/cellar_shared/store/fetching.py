"""Brings a generation's mapped folder from where it is published to this machine: copied, verified, then in place."""

from __future__ import annotations

import http.client
import os
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from cellar_shared.durable import locked, staged_folder
from cellar_shared.errors import BadInput, CellarError
from cellar_shared.store.generation import MANIFEST, manifest_in, read_manifest, verify_files

SCRATCH_VARIABLE: Final = "CELLAR_SCRATCH"
TIMEOUT_S: Final = 30.0
KEPT: Final = 2  # a machine's services may lie one generation apart
CHUNK_BYTES: Final = 1 << 20


class Published(Protocol):
    """A published store folder: CURRENT, generations/ID/..."""

    def read(self, name: str) -> bytes:
        """What stands in the small file `name` of it; CellarError when it cannot be had."""

    def copy(self, name: str, to: Path) -> None:
        """Copy the file `name` of it to the path `to`; CellarError when it cannot be had."""


class PublishedFolder:
    """A folder that many machines mount."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, name: str) -> bytes:
        try:
            return (self._root / name).read_bytes()
        except OSError as error:
            raise BadInput(f"{self._root / name} cannot be read ({error.strerror}); run `cellar materialize`") from error

    def copy(self, name: str, to: Path) -> None:
        try:
            shutil.copyfile(self._root / name, to)
        except OSError as error:
            raise BadInput(f"{self._root / name} cannot be read ({error.strerror}); run `cellar materialize` again") from error


class PublishedUrl:
    """An http(s) address below which the files lie; a query string (a signature) goes with every request and into no message."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        if self._parts.scheme not in ("http", "https"):
            raise BadInput(f"generations of scheme {self._parts.scheme!r} cannot be fetched; give a folder or an http(s) address")

    def read(self, name: str) -> bytes:
        with self._opened(name) as answer:
            content: bytes = answer.read(CHUNK_BYTES)
        return content

    def copy(self, name: str, to: Path) -> None:
        with self._opened(name) as answer, to.open("wb") as stream:
            shutil.copyfileobj(answer, stream, CHUNK_BYTES)

    @contextmanager
    def _opened(self, name: str) -> Iterator[Any]:
        path = f"{self._parts.path.rstrip('/')}/{name}"
        try:
            with urllib.request.urlopen(self._parts._replace(path=path).geturl(), timeout=TIMEOUT_S) as answer:  # noqa: S310
                yield answer
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it is an answer as well, with a connection
            raise CellarError(f"{self._parts.hostname}{path} cannot be fetched ({error})") from error


def scratch_folder(generations: str) -> Path:
    """Where this machine keeps its copies of what is published at `generations`, and of nothing else.

    It lies in CELLAR_SCRATCH, or in a folder of this user's among the temporary ones.
    """
    named = os.environ.get(SCRATCH_VARIABLE)
    root = Path(named) if named else Path(tempfile.gettempdir()) / f"cellar-{os.getuid()}"
    return root / sha256(generations.partition("?")[0].encode()).hexdigest()[:16]


def fetched(published: Published, generation_id: str, scratch: Path) -> Path:
    """The local folder of the generation, verified against its manifest; fetched unless it stands there whole.

    Several processes may ask at once: each finds a whole folder. BadInput when what was fetched is not what was written.
    """
    place = scratch / generation_id
    if not _is_whole(place):
        with locked(scratch):
            if not _is_whole(place):  # nobody fetched it meanwhile: what stands whole is never replaced, others are opening it
                _fetch(published, generation_id, place)
    os.utime(place, (time.time(), time.time()))
    _clean(scratch, KEPT)
    return place


def _is_whole(place: Path) -> bool:
    try:
        verify_files(place, read_manifest(place))
    except (CellarError, OSError):
        return False
    return True


def _fetch(published: Published, generation_id: str, place: Path) -> None:
    with staged_folder(place) as staging:
        published.copy(f"generations/{generation_id}/{MANIFEST}", staging / MANIFEST)
        manifest = manifest_in(staging)
        for name in manifest.files:
            if not is_inside(name):
                raise BadInput(f"the manifest of generation {generation_id} names {name!r}, which is no file of it; do not use it")
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            published.copy(f"generations/{generation_id}/{name}", staging / name)
        verify_files(staging, manifest)


def is_inside(name: str) -> bool:
    """Is `name` a path below the folder it is about?"""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _clean(scratch: Path, kept: int) -> None:
    """Delete all but the copies used last; who has one mapped keeps what is mapped."""
    copies = sorted((folder for folder in scratch.iterdir() if (folder / MANIFEST).is_file()), key=lambda each: each.stat().st_mtime)
    for folder in copies[:-kept]:
        shutil.rmtree(folder, ignore_errors=True)
