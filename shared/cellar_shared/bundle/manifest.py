"""A bundle on disk: its manifest, its files and their digests; training writes it once, everyone else opens it checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from cellar_shared.durable import staged_folder, write_durably
from cellar_shared.errors import BadInput, Incompatible

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"


class BundleManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a bundle says of itself.

    `version` is the first 12 hex digits of the digest over everything else, so equal content has an equal version.
    `trained_through` is the RFC 3339 moment up to which rows were used; `namespace` is whose ids the
    wines have; `settings` are the recipe's; `facts` say where
    the bundle comes from (data digest, code commit, lock digest, row counts); `metrics` are what training measured.
    """

    format: int
    model: str
    version: str
    created_at: str
    trained_through: str
    feature_fingerprint: str
    namespace: str
    scale: str
    settings: dict[str, Any]
    facts: dict[str, Any]
    metrics: dict[str, Any]
    files: dict[str, str]

    @classmethod
    def draft(cls, **said: Any) -> Self:
        """A manifest of now, of this format, with all that is `said`; `write_bundle` fills in what it cannot know: files, version."""
        return cls(format=FORMAT, version="", created_at=datetime.now(UTC).isoformat(timespec="seconds"), files={}, **said)


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle: every file there, every digest right."""

    path: Path
    manifest: BundleManifest

    @classmethod
    def open(cls, path: Path, model: str) -> Self:
        """Open the bundle of `model` at `path` and compare every file with its digest.

        The manifest is looked for in `path` and in the folders below it: a mounted model keeps a folder name of its own.
        BadInput names what is missing or damaged; Incompatible when it is another model's or another format.
        """
        folder = find_bundle(path)
        file = folder / MANIFEST
        try:
            manifest = msgspec.json.decode(file.read_bytes(), type=BundleManifest)
        except (OSError, msgspec.DecodeError) as error:
            raise BadInput(f"{file} cannot be read ({error}); take the bundle from where it was written") from error
        if manifest.format != FORMAT:
            raise Incompatible(f"{folder} has bundle format {manifest.format}, this code reads {FORMAT}; train again")
        if manifest.model != model:
            raise Incompatible(f"{folder} is a bundle of model {manifest.model!r}, wanted {model!r}")
        for name, digest in manifest.files.items():
            if not (folder / name).is_file():
                raise BadInput(f"{folder / name} is missing from the bundle; copy the bundle whole")
            if _digest(folder / name) != digest:
                raise BadInput(f"{folder / name} is damaged: its digest differs from the manifest's; copy the bundle again")
        if version_of(manifest) != manifest.version:
            raise BadInput(f"{file} was changed after it was written: its version is not the digest of its content")
        return cls(folder, manifest)

    def read(self, name: str) -> bytes:
        """The content of one of the bundle's files."""
        return (self.path / name).read_bytes()


def require_same_data(manifest: BundleManifest, namespace: str, scale: str) -> None:
    """Incompatible unless the bundle learnt from wines of `namespace` and ratings on `scale`: equal ids of others mean nothing."""
    if (manifest.namespace, manifest.scale) != (namespace, scale):
        raise Incompatible(
            f"bundle {manifest.version} learnt from {manifest.namespace!r} on scale {manifest.scale}, the data is {namespace!r} on "
            f"scale {scale}; train on this data, or bring the data the bundle belongs to"
        )


def find_bundle(path: Path) -> Path:
    """The one folder at or below `path` that holds a manifest, not counting those packed in it; BadInput when it is not one."""
    if (path / MANIFEST).is_file():
        return path
    found = sorted(file.parent for file in path.glob(f"*/**/{MANIFEST}")) if path.is_dir() else []
    found = [folder for folder in found if not any(outer in folder.parents for outer in found)]
    if len(found) != 1:
        seen = ", ".join(str(folder) for folder in found) or "none"
        raise BadInput(f"{path} is not a bundle: expected one {MANIFEST} in it or below it, found {seen}")
    return found[0]


def require_new(path: Path) -> None:
    """BadInput when something stands at `path`; asked before learning begins, not hours later."""
    if path.exists():
        raise BadInput(f"{path} already exists and a bundle is never changed; name another folder")


def write_bundle(path: Path, manifest: BundleManifest, files: Mapping[str, bytes]) -> BundleManifest:
    """Write a bundle whole or not at all; the manifest's `files` and `version` are filled in. Refuses an existing `path`."""
    require_new(path)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    manifest = msgspec.structs.replace(manifest, files=digests)
    manifest = msgspec.structs.replace(manifest, version=version_of(manifest))
    with staged_folder(path) as staging:
        for name, content in files.items():
            write_durably(staging / name, content)
        write_durably(staging / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    return manifest


def version_of(manifest: BundleManifest) -> str:
    """The version that the manifest's content has: moment of writing and version itself left out."""
    content = msgspec.structs.replace(manifest, version="", created_at="")
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:12]


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
