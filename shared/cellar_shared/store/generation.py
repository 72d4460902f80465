"""A generation: the data that a bundle works on, never changed once CURRENT names it; opened by serving, mapped not parsed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final, Self

import msgspec
import numpy as np
import numpy.typing as npt

from cellar_shared.errors import Incompatible
from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.features.counts import RunningCounts
from cellar_shared.features.histories import Events
from cellar_shared.features.note_counts import NoteCounts
from cellar_shared.features.terms import terms_fingerprint
from cellar_shared.features.wines import Wines
from cellar_shared.npy import map_npy
from cellar_shared.store.cellars import Cellar, Cellars
from cellar_shared.store.keyed_values import KeyedValues
from cellar_shared.store.manifests import decoded_manifest, require_files, verify_digests
from cellar_shared.store.names import Names
from cellar_shared.store.overlay import Kept, wishes_since
from cellar_shared.store.packing import Garbled
from cellar_shared.store.port import MemberDamaged, Members, Store
from cellar_shared.store.wine_index import WineIndex
from cellar_shared.store.wishes import FOLDER as WISHES
from cellar_shared.store.wishes import Wishes, standing, unpack_wishes

FORMAT: Final = 4
NOTES: Final = "notes"  # the folder of the running counts of tasting notes, where there are any
_AGAIN: Final = "run `cellar materialize` again"


class GenerationManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a generation says of itself. Moments are microseconds since 1970 UTC.

    Pushed events are in here up to `overlay_through`, a position of the store's overlay, which is `journal_through` in the data's
    journal.
    """

    format: int
    id: str
    created_at: str
    events_through: int
    overlay_through: int
    journal_through: int
    earliest_as_of: int
    namespace: str
    scale: str
    data_digest: str
    feature_fingerprint: str
    wines: int
    ratings: int
    members: int
    files: dict[str, str]
    night: str | None = None  # the day for which its bottles' dates were computed; None: it has no cellars
    bottles: int = 0
    notes: int = 0  # tasting notes that are counted
    terms_fingerprint: str = ""  # what their words became terms by


@dataclass(frozen=True, slots=True)
class Known:
    """All that a generation and what was pushed since say of the member with `key`.

    `events` (EVENT, oldest first, undated last): None for a member of whom nothing is known; `cellar`: None without bottles, or where
    the generation was written without a night; `wishes`: empty where there are none; `forgotten_at`: the position up to which the
    member was forgotten, 0 for never or before every generation that is left.
    """

    key: bytes
    events: Events | None
    cellar: Cellar | None
    wishes: Wishes
    forgotten_at: int


@dataclass(frozen=True, slots=True)
class Generation:
    """An opened generation: catalogue, running counts, members, names, wishes and, where it was written with a night, their cellars."""

    manifest: GenerationManifest
    wines: Wines
    index: WineIndex
    counts: RunningCounts
    members: Members
    names: Names
    wishes: KeyedValues
    cellars: Cellars | None = None

    @classmethod
    def open(cls, store: Store, feature_fingerprint: str, generation_id: str | None = None) -> Self:
        """Open the store's current generation, or the one named.

        BadInput when there is none or a file is missing; Incompatible when it was written under other feature
        definitions than `feature_fingerprint`'s, or its notes under other terms than this code's.
        """
        folder = store.folder(store.current_id() if generation_id is None else generation_id)
        manifest = read_manifest(folder)
        if manifest.feature_fingerprint != feature_fingerprint:
            raise Incompatible(
                f"generation {manifest.id} was written with feature fingerprint {manifest.feature_fingerprint[:12]}, the bundle "
                f"has {feature_fingerprint[:12]}; run `cellar materialize` again with the code that serves"
            )
        if manifest.notes and manifest.terms_fingerprint != terms_fingerprint():
            raise Incompatible(f"generation {manifest.id} counted other terms of tasting notes than this code does; {_AGAIN}")
        index = WineIndex(map_npy(folder / "index" / "identities.npy"), map_npy(folder / "index" / "rows.npy"))
        return cls(
            manifest,
            map_npy(folder / "wines.npy"),
            index,
            replace(RunningCounts.mapped(folder / "counts"), notes=NoteCounts.mapped(folder / NOTES) if manifest.notes else None),
            Members(store.reader(manifest.id), index, manifest.overlay_through),
            Names.mapped(folder, index),
            KeyedValues.mapped(folder / WISHES),
            Cellars.mapped(folder),
        )

    async def known(self, member_id: str) -> Known:
        """All that is known of the member now, in one read of the store; StoreUnavailable when it cannot tell."""
        kept = await self.members.kept_of(member_id)
        return Known(kept.key, self.members.events_in(kept), self._cellar_in(kept), self._wishes_in(kept), kept.forgotten_at)

    async def cellar_of(self, member_id: str) -> Cellar | None:
        """The member's bottles; None for one who has none, or was forgotten since. StoreUnavailable when the store cannot tell."""
        return None if self.cellars is None else self._cellar_in(await self.members.kept_of(member_id))

    def _cellar_in(self, kept: Kept) -> Cellar | None:
        if self.cellars is None or self._is_forgotten(kept):
            return None
        try:
            return self.cellars.of(kept.key)
        except Garbled as error:
            raise MemberDamaged(f"what is kept of a member's cellar is damaged: {error}") from error

    def _wishes_in(self, kept: Kept) -> Wishes:
        try:
            own = [] if self._is_forgotten(kept) else [unpack_wishes(value, kept.key) for value in self.wishes.of(kept.key)]
        except Garbled as error:
            raise MemberDamaged(f"what is kept of a member's wishes is damaged: {error}") from error
        return standing([*chain.from_iterable(own), *wishes_since(kept, self.manifest.overlay_through)])

    def _is_forgotten(self, kept: Kept) -> bool:
        """Was the member forgotten since the generation was written?"""
        return kept.forgotten_at > self.manifest.overlay_through

    def wine_ids(self, rows: npt.NDArray[np.integer]) -> list[str]:
        """The ids of the wines at `rows` (asked,), as the source writes them."""
        return self.names.wine_ids(rows)

    def close(self) -> None:
        """Let go of the members; mapped arrays go when nobody refers to them."""
        self.members.reader.close()

    def clamp(self, as_of: int) -> int:
        """Up to when wine features count for a question asked at `as_of`: its day's midnight, at most `events_through`."""
        return min(as_of - as_of % MICROSECONDS_PER_DAY, self.manifest.events_through)


def read_manifest(folder: Path) -> GenerationManifest:
    """The manifest of the generation in `folder`, after a look that all its files are there."""
    manifest = manifest_in(folder)
    require_files(folder, manifest.files, f"it belongs to the generation, {_AGAIN}")
    return manifest


def manifest_in(folder: Path) -> GenerationManifest:
    """The manifest in `folder`, wherever its files are; BadInput or Incompatible when this code cannot read it."""
    return decoded_manifest(folder, GenerationManifest, FORMAT, _AGAIN)


def verify_files(folder: Path, manifest: GenerationManifest) -> None:
    """Read every file of the generation and compare digests; BadInput names the first that differs."""
    verify_digests(folder, manifest.files, _AGAIN)
