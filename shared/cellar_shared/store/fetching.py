"""Brings a generation's mapped folder from where it is published to this machine: copied, verified, then in place."""

from __future__ import annotations

import http.client
import os
import shutil
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from cellar_shared.durable import staged_folder
from cellar_shared.errors import BadInput, CellarError
from cellar_shared.store.generation import MANIFEST, decoded_manifest, read_manifest, verify_files

SCRATCH_VARIABLE: Final = "CELLAR_SCRATCH"
TIMEOUT_S: Final = 30.0
KEPT: Final = 2  # a machine's services may lie one generation apart
CHUNK_BYTES: Final = 1 << 20


class Published(Protocol):
    """A published store folder: CURRENT, generations/ID/..."""

    def copy(self, name: str, to: Path) -> None:
        """Copy the file `name` of it to the path `to`; CellarError when it cannot be had."""


class PublishedFolder:
    """A folder that many machines mount."""

    def __init__(self, root: Path) -> None:
        self._root = root

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

    def copy(self, name: str, to: Path) -> None:
        path = f"{self._parts.path.rstrip('/')}/{name}"
        try:
            with (
                urllib.request.urlopen(self._parts._replace(path=path).geturl(), timeout=TIMEOUT_S) as answer,  # noqa: S310
                to.open("wb") as stream,
            ):
                shutil.copyfileobj(answer, stream, CHUNK_BYTES)
        except (http.client.HTTPException, OSError) as error:
            raise CellarError(f"{self._parts.hostname}{path} cannot be fetched: {error}") from error


def scratch_folder() -> Path:
    """Where this machine keeps its copies: CELLAR_SCRATCH, or a folder of this user's among the temporary ones."""
    named = os.environ.get(SCRATCH_VARIABLE)
    return Path(named) if named else Path(tempfile.gettempdir()) / f"cellar-{os.getuid()}"


def fetched(published: Published, generation_id: str, scratch: Path) -> Path:
    """The local folder of the generation, verified against its manifest; fetched unless it stands there whole.

    Several processes may ask at once: each finds a whole folder. BadInput when what was fetched is not what was written.
    """
    place = scratch / generation_id
    try:
        verify_files(place, read_manifest(place))
    except CellarError:
        with staged_folder(place) as staging:
            published.copy(f"generations/{generation_id}/{MANIFEST}", staging / MANIFEST)
            manifest = decoded_manifest(staging / MANIFEST)
            for name in manifest.files:
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                published.copy(f"generations/{generation_id}/{name}", staging / name)
            verify_files(staging, manifest)
    os.utime(place, (time.time(), time.time()))
    _clean(scratch, KEPT)
    return place


def _clean(scratch: Path, kept: int) -> None:
    """Delete all but the copies used last; who has one mapped keeps what is mapped."""
    copies = sorted((folder for folder in scratch.iterdir() if (folder / MANIFEST).is_file()), key=lambda each: each.stat().st_mtime)
    for folder in copies[:-kept]:
        shutil.rmtree(folder, ignore_errors=True)
