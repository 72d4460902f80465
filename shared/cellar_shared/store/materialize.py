"""Writes a generation out of a data folder and points CURRENT at it; the command `cellar materialize` calls it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from cellar_shared.durable import staged_folder, write_durably
from cellar_shared.errors import CellarError
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, NEVER
from cellar_shared.events.tables import DataFolder
from cellar_shared.features.counting import count_ratings
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.features.histories import Events
from cellar_shared.store.generation import (
    CURRENT,
    FORMAT,
    MANIFEST,
    GenerationManifest,
    WineIndex,
    file_digest,
    point_current,
    read_manifest,
    verify_files,
)
from cellar_shared.store.members import write_members
from cellar_shared.store.rating_log import RatingLog, read_rating_log

HORIZON_DAYS: Final = 3650


def materialize(data: Path, store: Path, *, horizon_days: int = HORIZON_DAYS, say: Callable[[str], None]) -> GenerationManifest:
    """Write the generation of `data` to `store` and make it current; the same data and code again write nothing.

    Questions may be asked as of up to `horizon_days` before the last event. A crash leaves the old generation current.
    """
    folder = DataFolder.open(data)
    fingerprint = feature_fingerprint()
    identity = hashlib.sha256(f"{FORMAT} {folder.digest()} {fingerprint} {horizon_days}".encode()).hexdigest()[:16]
    place = store / "generations" / identity
    if (standing := _standing(place)) is not None:
        say(f"generation {identity} stands already")
        point_current(store, identity)
        return standing
    say("reading events")
    log = read_rating_log(folder)
    dated = log.events["moment"] != NEVER
    # Just past the last event; with no dated event at all, nothing is known through any moment.
    events_through = int(log.events["moment"][dated].max()) + 1 if dated.any() else 0
    earliest = events_through - horizon_days * MICROSECONDS_PER_DAY
    earliest -= earliest % MICROSECONDS_PER_DAY
    with staged_folder(place) as staging:
        say(f"counting {dated.sum():,} ratings")
        _write_arrays(staging, log)
        say(f"writing {len(log.member_ids):,} members")
        members = write_members(staging / "members", _members_of(log))
        manifest = GenerationManifest(
            format=FORMAT,
            id=identity,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            events_through=events_through,
            earliest_as_of=earliest,
            namespace=folder.manifest.namespace,
            scale=folder.manifest.scale,
            data_digest=folder.digest(),
            feature_fingerprint=fingerprint,
            wines=len(log.wines),
            ratings=len(log.events),
            members=members,
            files={str(file.relative_to(staging)): file_digest(file) for file in sorted(staging.rglob("*")) if file.is_file()},
        )
        write_durably(staging / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    point_current(store, identity)
    say(f"{store / CURRENT} is {identity}")
    return manifest


def _standing(place: Path) -> GenerationManifest | None:
    """The manifest of the generation at `place`, None where there is none or one that must be written again."""
    try:
        manifest = read_manifest(place)
        verify_files(place, manifest)
    except CellarError:
        return None
    return manifest


def _write_arrays(staging: Path, log: RatingLog) -> None:
    dated = log.events["moment"] != NEVER
    # Every step is kept, whatever the horizon: a tasting of long ago is read against what was known on its own day.
    counts = count_ratings(log.wines, log.events[dated], log.members[dated])
    for name in ("counts", "index"):
        (staging / name).mkdir()
    counts.write(staging / "counts")
    index = WineIndex.of(log.wines)
    np.save(staging / "index" / "identities.npy", index.identities, allow_pickle=False)
    np.save(staging / "index" / "rows.npy", index.rows, allow_pickle=False)
    np.save(staging / "wines.npy", log.wines, allow_pickle=False)


def _members_of(log: RatingLog) -> Iterator[tuple[str, Events]]:
    """Each member's ratings, oldest first, undated ones last."""
    offsets = log.offsets
    for place, member_id in enumerate(log.member_ids):
        yield str(member_id), log.events[offsets[place] : offsets[place + 1]]
