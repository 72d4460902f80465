"""What whole folders say of themselves: a manifest of one format with a digest of every file; generations and lists have one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from cellar_shared.errors import BadInput, Incompatible

MANIFEST: Final = "manifest.json"

Manifest = TypeVar("Manifest")


class _Formatted(msgspec.Struct):
    """The one field that manifests of every format have."""

    format: int


def decoded_manifest(folder: Path, kind: type[Manifest], wanted: int, again: str) -> Manifest:
    """The manifest in `folder`, wherever its files are; BadInput or Incompatible when this code cannot read it.

    `wanted` is the format this code reads, `again` says what to do about any other.
    """
    try:
        content = (folder / MANIFEST).read_bytes()
        # The format first: a manifest of another one has other fields.
        if (standing := msgspec.json.decode(content, type=_Formatted).format) != wanted:
            raise Incompatible(f"{folder} has format {standing}, this code reads {wanted}; {again}")
        return msgspec.json.decode(content, type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(f"{folder / MANIFEST} cannot be read ({error}); {again}") from error


def require_files(folder: Path, names: Mapping[str, str], again: str) -> None:
    """BadInput names the first file that is not there."""
    for name in names:
        if not (folder / name).is_file():
            raise BadInput(f"{folder / name} is missing; {again}")


def verify_digests(folder: Path, files: Mapping[str, str], again: str) -> None:
    """Read every file and compare digests; BadInput names the first that differs."""
    for name, digest in files.items():
        if file_digest(folder / name) != digest:
            raise BadInput(f"{folder / name} is damaged (its digest differs from the manifest's); {again}")


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
