"""Writes a generation out of a data folder and points CURRENT at it; the command `cellar materialize` calls it.

What was pushed comes first into the tables. The generation before stays, and with it what was pushed since it was written:
a service that has not swapped yet still reads right. Everything older goes.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from cellar_shared.durable import staged_folder, write_durably
from cellar_shared.errors import CellarError
from cellar_shared.events.folding import fold_journal
from cellar_shared.events.journal import Journal
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, NEVER
from cellar_shared.events.tables import DataFolder, batches
from cellar_shared.features.counting import count_ratings
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.features.histories import Events
from cellar_shared.features.note_counts import write_note_counts
from cellar_shared.features.terms import terms_fingerprint
from cellar_shared.store.cellars import write_cellars
from cellar_shared.store.generation import FORMAT, NOTES, GenerationManifest, read_manifest, verify_files
from cellar_shared.store.generation_folders import listed, point_current, read_current, remove, written_alone
from cellar_shared.store.lists_folders import all_lists, journal_through_of, remove_lists
from cellar_shared.store.manifests import MANIFEST, file_digest
from cellar_shared.store.names import COLUMNS, write_names
from cellar_shared.store.night_cellars import NightParts, cellars_of
from cellar_shared.store.note_log import read_note_log
from cellar_shared.store.packing import PACKING
from cellar_shared.store.port import Store
from cellar_shared.store.rating_log import RatingLog, read_rating_log
from cellar_shared.store.table_wishes import write_wishes
from cellar_shared.store.wine_index import WineIndex

HORIZON_DAYS: Final = 3650
WINES_AT_ONCE: Final = 65_536


def materialize(
    data: Path,
    store: Store,
    *,
    horizon_days: int = HORIZON_DAYS,
    night: Path | None = None,
    ahead: Callable[[str], None] = lambda generation_id: None,
    say: Callable[[str], None],
) -> GenerationManifest:
    """Write the generation of `data` to `store` and make it current; the same data and code again write nothing.

    Questions may be asked as of up to `horizon_days` before the last event. A crash leaves the old generation current.
    `night` is the folder of a closed night, whose dates members' bottles get. `ahead` does what is to be done with a generation's id
    before services open it. One runs at a time on a store; another waits for it.
    """
    with written_alone(store.generations):
        return _materialized(data, store, horizon_days, night, ahead, say)


def _materialized(
    data: Path, store: Store, horizon_days: int, night: Path | None, ahead: Callable[[str], None], say: Callable[[str], None]
) -> GenerationManifest:
    scored = None if night is None else NightParts.of(night)
    journal = Journal(data)
    # Whatever is accepted from here on lies behind this position: it counts from the overlay, folded or not.
    try:
        through, journal_through = store.settle(journal, now_s=time.time())
        folder = fold_journal(data, journal, journal_through, say=say)
        before = _current(store)
        forgotten_in = _with_forgotten(store, journal)
        lists_with_forgotten = [named for named in all_lists(store.lists) if journal.forgot_since(journal_through_of(store.lists, *named))]
    finally:
        journal.close()
    fingerprint = feature_fingerprint()
    written_of = f"{FORMAT}.{PACKING} {folder.digest()} {through} {fingerprint} {terms_fingerprint()} {horizon_days}"
    if scored is not None:
        written_of += f" {scored.digest()}"
    identity = hashlib.sha256(written_of.encode()).hexdigest()[:16]
    if (standing := _standing(store, identity)) is not None:
        say(f"generation {identity} stands already")
        manifest = standing
    else:
        manifest = _write(folder, store, identity, through, fingerprint, horizon_days, night, say)
    ahead(identity)
    point_current(store.generations, identity)
    say(f"{store.name} serves {identity}")
    for bundle_version, lists_id in lists_with_forgotten:
        remove_lists(store.lists, bundle_version, lists_id)
        say(f"lists {lists_id} of bundle {bundle_version} deleted: somebody in them may have been forgotten")
    if before is not None and before.id != identity:
        # The generation before stays for services that have yet to swap, unless somebody forgotten is in it.
        _delete(store, {*listed(store.generations), *store.written()} - {manifest.id, before.id} | forgotten_in - {manifest.id}, say)
        store.trim(min(before.overlay_through, manifest.overlay_through))
    else:
        _delete(store, forgotten_in - {manifest.id}, say)  # whoever was killed between pointing and deleting left them
    return manifest


def _write(
    folder: DataFolder,
    store: Store,
    identity: str,
    through: int,
    fingerprint: str,
    horizon_days: int,
    night: Path | None,
    say: Callable[[str], None],
) -> GenerationManifest:
    say("reading events")
    log = read_rating_log(folder, with_event_ids=False)
    dated = log.events["moment"] != NEVER
    # Just past the last event; with no dated event at all, nothing is known through any moment.
    events_through = int(log.events["moment"][dated].max()) + 1 if dated.any() else 0
    earliest = events_through - horizon_days * MICROSECONDS_PER_DAY
    earliest -= earliest % MICROSECONDS_PER_DAY
    with staged_folder(store.generations / identity) as staging:
        say(f"counting {dated.sum():,} ratings")
        _write_arrays(staging, log)
        notes = _write_notes(staging, folder, log, say)
        write_names(staging, _named_wines(folder))
        write_wishes(staging, folder)
        say(f"writing {len(log.member_ids):,} members")
        members = store.write_members(identity, staging, _members_of(log))
        bottles = 0 if night is None else write_cellars(staging, cellars_of(folder, night))
        manifest = GenerationManifest(
            format=FORMAT,
            id=identity,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            events_through=events_through,
            overlay_through=through,
            journal_through=folder.manifest.journal_through,
            earliest_as_of=earliest,
            namespace=folder.manifest.namespace,
            scale=folder.manifest.scale,
            data_digest=folder.digest(),
            feature_fingerprint=fingerprint,
            wines=len(log.wines),
            ratings=len(log.events),
            members=members,
            files={str(file.relative_to(staging)): file_digest(file) for file in sorted(staging.rglob("*")) if file.is_file()},
            night=None if night is None else NightParts.of(night).as_of,
            bottles=bottles,
            notes=notes,
            terms_fingerprint=terms_fingerprint(),
        )
        write_durably(staging / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    return manifest


def _current(store: Store) -> GenerationManifest | None:
    """The manifest of the generation that is current, None where there is none that can be read."""
    try:
        return read_manifest(store.generations / read_current(store.generations, store.name))
    except CellarError:
        return None


def _standing(store: Store, identity: str) -> GenerationManifest | None:
    """The manifest of the generation that stands whole; None where there is none or one that must be written again."""
    try:
        manifest = read_manifest(store.generations / identity)
        verify_files(store.generations / identity, manifest)
    except CellarError:
        return None
    return manifest if store.holds_members(identity) else None


def _with_forgotten(store: Store, journal: Journal) -> set[str]:
    """The generations that may hold somebody who was forgotten since; one that cannot be read may hold anybody."""
    found = set()
    for generation_id in listed(store.generations):
        try:
            through = read_manifest(store.generations / generation_id).journal_through
        except CellarError:
            through = 0
        if journal.forgot_since(through):
            found.add(generation_id)
    return found


def _delete(store: Store, generation_ids: set[str], say: Callable[[str], None]) -> None:
    """Delete generations that no service should read any more, and their indexes."""
    for generation_id in sorted(generation_ids):
        store.drop(generation_id)
        remove(store.generations, generation_id)
        for index in store.indexes.glob(f"*-{generation_id}-*"):
            if index.is_dir():
                shutil.rmtree(index, ignore_errors=True)
            else:
                index.unlink(missing_ok=True)
        say(f"generation {generation_id} deleted")


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


def _write_notes(staging: Path, folder: DataFolder, log: RatingLog, say: Callable[[str], None]) -> int:
    """Write what tasting notes say of each wine, where there are any; how many are counted."""
    notes = read_note_log(folder, log, with_whose=False)
    if len(notes):
        say(f"counting {len(notes):,} notes")
        write_note_counts(staging / NOTES, log.wines["wine"][notes.rows], notes.days, notes.bags)
    return len(notes)


def _named_wines(folder: DataFolder) -> Iterator[dict[str, Any]]:
    """The catalogue's rows in order, some at a time in memory."""
    for batch in batches(folder.scan("wines").select(COLUMNS), WINES_AT_ONCE):
        yield from batch.iter_rows(named=True)


def _members_of(log: RatingLog) -> Iterator[tuple[str, Events]]:
    """Each member's ratings, oldest first, undated ones last."""
    offsets = log.offsets
    for place, member_id in enumerate(log.member_ids):
        yield str(member_id), log.events[offsets[place] : offsets[place + 1]]
