"""Opens a bundle whose features must be this code's; packs one bundle into another's files and takes it out again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from cellar_shared.bundle.learnt import ROWS_FILE
from cellar_shared.bundle.manifest import MANIFEST, Bundle, BundleManifest, version_of
from cellar_shared.errors import BadInput, Incompatible
from cellar_shared.features.fingerprint import feature_fingerprint

Files = dict[str, bytes]


def read_bundle(path: Path, model: str) -> tuple[BundleManifest, Files]:
    """The bundle of `model` at `path`, and its files but for the rows it was fitted on, which no answer needs.

    Every digest compared, the rows' too. BadInput or Incompatible, also when it was trained with other features than this code's.
    """
    bundle = Bundle.open(path, model)
    require_features(bundle.manifest)
    return bundle.manifest, {name: bundle.read(name) for name in bundle.manifest.files if name != ROWS_FILE}


def require_features(manifest: BundleManifest) -> None:
    """Incompatible unless the bundle was trained with this code's features."""
    if manifest.feature_fingerprint != feature_fingerprint():
        raise Incompatible(
            f"bundle {manifest.version} was trained with feature fingerprint {manifest.feature_fingerprint[:12]}, "
            f"this code has {feature_fingerprint()[:12]}; serve it with the code it was trained with, or train again"
        )


def packed(manifest: BundleManifest, files: Mapping[str, bytes], under: str) -> Files:
    """A bundle's manifest and files as files of another bundle, below the folder `under`; the rows it was fitted on stay behind."""
    content = {name: content for name, content in files.items() if name != ROWS_FILE}
    return {f"{under}/{name}": each for name, each in {**content, MANIFEST: msgspec.json.encode(manifest)}.items()}


def unpacked(files: Mapping[str, bytes], under: str) -> tuple[BundleManifest, Files] | None:
    """The bundle that `packed` put below `under`, checked as an opened one is but for its rows; None where there is none.

    BadInput when it is not whole or not what its manifest says.
    """
    own = {name.removeprefix(f"{under}/"): content for name, content in files.items() if name.startswith(f"{under}/")}
    if not own:
        return None
    try:
        manifest = msgspec.json.decode(own.pop(MANIFEST), type=BundleManifest)
    except (KeyError, msgspec.DecodeError) as error:
        raise BadInput(f"the bundle packed at {under} has no manifest that can be read ({error}); pack it again") from error
    if version_of(manifest) != manifest.version:
        raise BadInput(f"{under}/{MANIFEST} was changed after it was written: its version is not the digest of its content")
    for name, digest in manifest.files.items():
        if name != ROWS_FILE and hashlib.sha256(own.get(name, b"")).hexdigest() != digest:
            raise BadInput(f"{under}/{name} is missing or is not the file of bundle {manifest.version}; pack it again")
    require_features(manifest)
    return manifest, own
