"""Brings mapped folders, of generations and of lists, from where they are published to this machine: copied, verified, then in place."""

from __future__ import annotations

import http.client
import os
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from cellar_shared.durable import locked, staged_folder
from cellar_shared.errors import BadInput, CellarError
from cellar_shared.store.generation import manifest_in
from cellar_shared.store.lists_folders import FOLDER as LISTS
from cellar_shared.store.lists_folders import lists_manifest_in
from cellar_shared.store.manifests import MANIFEST, verify_digests

SCRATCH_VARIABLE: Final = "CELLAR_SCRATCH"
TIMEOUT_S: Final = 30.0
KEPT: Final = 2  # a machine's services may lie one generation apart
LISTS_KEPT: Final = 4  # and serve two bundles, each with lists of two nights
CHUNK_BYTES: Final = 1 << 20
_AGAIN: Final = "write it again where it is published"


class Published(Protocol):
    """A published store folder: CURRENT, generations/ID/..., lists/BUNDLE/CURRENT, lists/BUNDLE/ID/..."""

    def read(self, name: str) -> bytes:
        """What stands in the small file `name` of it; CellarError when it cannot be had."""

    def found(self, name: str) -> bytes | None:
        """As `read`, None where there is no such file; CellarError when that cannot be told."""

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

    def found(self, name: str) -> bytes | None:
        # A mount that is gone for a moment has none of its files; that says nothing about this one.
        return self.read(name) if (self._root / name).exists() or not self._root.is_dir() else None

    def copy(self, name: str, to: Path) -> None:
        try:
            shutil.copyfile(self._root / name, to)
        except OSError as error:
            raise BadInput(f"{self._root / name} cannot be read ({error.strerror}); run `cellar materialize` again") from error


class _NotThere(CellarError):
    """The address answers that there is no such file."""


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

    def found(self, name: str) -> bytes | None:
        try:
            return self.read(name)
        except _NotThere:
            return None

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
            is_not_there = isinstance(error, urllib.error.HTTPError) and error.code == HTTPStatus.NOT_FOUND
            raise (_NotThere if is_not_there else CellarError)(f"{self._parts.hostname}{path} cannot be fetched ({error})") from error


def scratch_folder(generations: str) -> Path:
    """Where this machine keeps its copies of what is published at `generations`, and of nothing else.

    It lies in CELLAR_SCRATCH, or in a folder of this user's among the temporary ones.
    """
    named = os.environ.get(SCRATCH_VARIABLE)
    root = Path(named) if named else Path(tempfile.gettempdir()) / f"cellar-{os.getuid()}"
    return root / sha256(generations.partition("?")[0].encode()).hexdigest()[:16]


class _Whole(Protocol):
    """A manifest, of whatever kind."""

    @property
    def files(self) -> dict[str, str]:
        """Each file's digest."""


def fetched(published: Published, generation_id: str, scratch: Path) -> Path:
    """The local folder of the generation, verified against its manifest; fetched unless it stands there whole.

    Several processes may ask at once: each finds a whole folder. BadInput when what was fetched is not what was written.
    """
    return _fetched(published, f"generations/{generation_id}", scratch / generation_id, manifest_in, KEPT)


def fetched_lists(published: Published, bundle_version: str, lists_id: str, scratch: Path) -> Path:
    """As `fetched`, of a bundle's lists."""
    place = scratch / LISTS / f"{bundle_version}-{lists_id}"
    return _fetched(published, f"{LISTS}/{bundle_version}/{lists_id}", place, lists_manifest_in, LISTS_KEPT)


def _fetched(published: Published, name: str, place: Path, manifest_of: Callable[[Path], _Whole], kept: int) -> Path:
    if not _is_whole(place, manifest_of):
        with locked(place.parent):
            if not _is_whole(place, manifest_of):  # nobody fetched it meanwhile: what stands whole is never replaced, others are opening it
                _fetch(published, name, place, manifest_of)
    os.utime(place, (time.time(), time.time()))
    _clean(place.parent, kept)
    return place


def _is_whole(place: Path, manifest_of: Callable[[Path], _Whole]) -> bool:
    try:
        verify_digests(place, manifest_of(place).files, _AGAIN)
    except (CellarError, OSError):
        return False
    return True


def _fetch(published: Published, name: str, place: Path, manifest_of: Callable[[Path], _Whole]) -> None:
    with staged_folder(place) as staging:
        published.copy(f"{name}/{MANIFEST}", staging / MANIFEST)
        files = manifest_of(staging).files
        for file in files:
            if not is_inside(file):
                raise BadInput(f"the manifest of {name} names {file!r}, which is no file of it; do not use it")
            (staging / file).parent.mkdir(parents=True, exist_ok=True)
            published.copy(f"{name}/{file}", staging / file)
        verify_digests(staging, files, _AGAIN)


def is_inside(name: str) -> bool:
    """Is `name` a path below the folder it is about?"""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _clean(scratch: Path, kept: int) -> None:
    """Delete all but the copies used last; who has one mapped keeps what is mapped."""
    copies = sorted((folder for folder in scratch.iterdir() if (folder / MANIFEST).is_file()), key=lambda each: each.stat().st_mtime)
    for folder in copies[:-kept]:
        shutil.rmtree(folder, ignore_errors=True)
