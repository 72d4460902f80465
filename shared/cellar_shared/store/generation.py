"""A generation: the data that a bundle works on, never changed once CURRENT names it; opened by serving, mapped not parsed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import numpy as np
import numpy.typing as npt

from cellar_shared.durable import write_durably
from cellar_shared.errors import BadInput, Incompatible
from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.features.counts import RunningCounts
from cellar_shared.features.wines import Wines
from cellar_shared.store.members import MemberStore, open_members

FORMAT: Final = 1
CURRENT: Final = "CURRENT"
MANIFEST: Final = "manifest.json"
SCHEME: Final = "lmdb://"


class GenerationManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a generation says of itself. Moments are microseconds since 1970 UTC."""

    format: int
    id: str
    created_at: str
    events_through: int
    earliest_as_of: int
    namespace: str
    scale: str
    data_digest: str
    feature_fingerprint: str
    wines: int
    ratings: int
    members: int
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class WineIndex:
    """Finds a wine's row by its identity. `identities` (wines,) int64 ascending, `rows` (wines,) int32."""

    identities: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int32]

    @classmethod
    def of(cls, wines: Wines) -> Self:
        """The index over a catalogue's records."""
        order = np.argsort(wines["wine"], kind="stable")
        identities = wines["wine"][order]
        if len(identities) and (identities[1:] == identities[:-1]).any():
            raise BadInput("two wines of the catalogue share an identity; give one of them another wine_id")
        return cls(identities, order.astype(np.int32))

    def rows_of(self, identities: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """The row of each wine; (asked,) int32, -1 for a wine that the catalogue lacks."""
        if not len(self.identities):
            return np.full(len(identities), -1, dtype=np.int32)
        place = np.minimum(np.searchsorted(self.identities, identities), len(self.identities) - 1)
        return np.where(self.identities[place] == identities, self.rows[place], np.int32(-1))


@dataclass(frozen=True, slots=True)
class Generation:
    """An opened generation: catalogue, running counts and members."""

    manifest: GenerationManifest
    wines: Wines
    index: WineIndex
    counts: RunningCounts
    members: MemberStore

    @classmethod
    def open(cls, store: Path, feature_fingerprint: str) -> Self:
        """Open the store's current generation.

        BadInput when there is none or a file is missing; Incompatible when it was written under other feature
        definitions than `feature_fingerprint`'s.
        """
        folder = store / "generations" / current_id(store)
        manifest = read_manifest(folder)
        if manifest.feature_fingerprint != feature_fingerprint:
            raise Incompatible(
                f"generation {manifest.id} was written with feature fingerprint {manifest.feature_fingerprint[:12]}, the bundle "
                f"has {feature_fingerprint[:12]}; run `cellar materialize` again with the code that serves"
            )
        index = WineIndex(_mapped(folder / "index" / "identities.npy"), _mapped(folder / "index" / "rows.npy"))
        return cls(
            manifest,
            _mapped(folder / "wines.npy"),
            index,
            RunningCounts.mapped(folder / "counts"),
            open_members(folder / "members"),
        )

    def clamp(self, as_of: int) -> int:
        """Up to when wine features count for a question asked at `as_of`: its day's midnight, at most `events_through`."""
        return min(as_of - as_of % MICROSECONDS_PER_DAY, self.manifest.events_through)


def _mapped(path: Path) -> npt.NDArray[Any]:
    # Without numpy.memmap's own class, whose every slice costs microseconds; the mapping stays.
    return np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)  # type: ignore[no-any-return]


def store_path(url: str) -> Path:
    """The folder that `lmdb://DIR` names; BadInput for another kind of store."""
    if not url.startswith(SCHEME) or len(url) == len(SCHEME):
        raise BadInput(f"store {url!r} is not understood; write {SCHEME}DIR, for example {SCHEME}run/store")
    return Path(url.removeprefix(SCHEME))


def current_id(store: Path) -> str:
    """The id of the generation that readers use; BadInput when the store has none yet."""
    try:
        return (store / CURRENT).read_text("utf-8").strip()
    except OSError:
        raise BadInput(f"{store} holds no generation; write one with `cellar materialize --data DATA --store {SCHEME}{store}`") from None


def read_manifest(folder: Path) -> GenerationManifest:
    """The manifest of the generation in `folder`, after a look that all its files are there."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=GenerationManifest)
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(f"{folder / MANIFEST} cannot be read ({error}); run `cellar materialize` again") from error
    if manifest.format != FORMAT:
        raise Incompatible(f"{folder} has format {manifest.format}, this code reads {FORMAT}; run `cellar materialize` again")
    for name in manifest.files:
        if not (folder / name).is_file():
            raise BadInput(f"{folder / name} is missing from the generation; run `cellar materialize` again")
    return manifest


def verify_files(folder: Path, manifest: GenerationManifest) -> None:
    """Read every file of the generation and compare digests; BadInput names the first that differs."""
    for name, digest in manifest.files.items():
        if file_digest(folder / name) != digest:
            raise BadInput(f"{folder / name} is damaged (its digest differs from the manifest's); run `cellar materialize` again")


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def point_current(store: Path, generation_id: str) -> None:
    """Make `generation_id` the one that readers open from now on; writes nothing where it is already."""
    if (store / CURRENT).is_file() and current_id(store) == generation_id:
        return
    write_durably(store / CURRENT, f"{generation_id}\n".encode())
