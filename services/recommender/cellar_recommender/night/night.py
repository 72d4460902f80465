"""A whole night of lists, restartable at any moment: members into parts, part after part, then all of it into use at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from cellar_recommender.night.knowing import Knowing
from cellar_recommender.night.layout import FORMAT, Folder, Receipt, Terms
from cellar_recommender.night.made_of import code_fingerprint
from cellar_recommender.night.manifest import ListedPart, NightManifest, read_manifest, write_manifest
from cellar_recommender.night.members import count_members, parts_for, write_members
from cellar_recommender.night.part import PartWork
from cellar_recommender.night.scoring import Scorer
from cellar_recommender.serving.catalogue import Catalogues, open_catalogue
from cellar_recommender.serving.recommender import Recommender
from cellar_shared.bundle.manifest import require_same_data
from cellar_shared.durable import locked
from cellar_shared.errors import BadInput, CellarError
from cellar_shared.events.moments import iso_of
from cellar_shared.events.tables import DataFolder
from cellar_shared.store.generation import Generation
from cellar_shared.store.lists import Lists, writing_lists
from cellar_shared.store.port import Store

MAX_AGE_DAYS: Final = 7.0  # judgement: what others liked since then moves a list little
# Of the members: where more were set aside something is wrong with more than them, and the lists in use stay (judgement).
ASIDE_MOST: Final = 0.01

Watch = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
Say = Callable[[str], None]


def run_night(
    bundle: Path,
    data: Path,
    store: Store,
    out: Path,
    *,
    now: int,
    max_age_days: float = MAX_AGE_DAYS,
    aside_most: int = 0,
    watch: Watch,
    say: Say,
) -> NightManifest:
    """Make each member's list as of `now` (microseconds since 1970 UTC) and bring all of them into use; the files lie in `out`.

    Who has a list that was made of the same, and in the last `max_age_days`, keeps it. A night that was killed goes on where it was,
    as of its own moment, unless data, generation, bundle or code are others by now. BadInput or Incompatible when these do not belong
    together; CellarError, and the lists before stay in use, when the store cannot be read or more than `aside_most` members and
    ASIDE_MOST of all are damaged. One runs at a time on a folder. The store's connections are closed at the end.
    """
    began = time.perf_counter()
    recommender = Recommender.open(bundle)
    members = DataFolder.open(data)
    require_same_data(recommender.manifest, members.manifest.namespace, members.manifest.scale)
    folder = Folder(out)
    with locked(out):
        folder.clear_scratch()
        generation = Generation.open(store, recommender.manifest.feature_fingerprint)
        with Knowing(store, generation) as knowing:
            require_same_data(recommender.manifest, generation.manifest.namespace, generation.manifest.scale)
            if generation.cellars is None and "bottles" in members.manifest.tables:
                say(f"generation {generation.manifest.id} has no cellars: lists may hold what members own; materialize with --night")
            terms = _terms(folder, recommender, members, generation, max_age_days, now, say)
            receipts = _parts(folder, terms, recommender, generation, store, knowing, watch, say)
            return _closed(folder, terms, receipts, generation, store, aside_most, began)


def _terms(
    folder: Folder, recommender: Recommender, data: DataFolder, generation: Generation, max_age_days: float, now: int, say: Say
) -> Terms:
    """The terms of the night that goes on or is begun here, its members cut into parts."""
    terms = Terms(
        FORMAT,
        recommender.manifest.version,
        generation.manifest.id,
        data.digest(),
        code_fingerprint(),
        max_age_days,
        parts_for(generation.manifest.members),
        now,
    )
    begun = folder.begun()
    if begun is not None and terms.continues(begun) and begun.night != _closed_before(folder):
        say(f"going on with the night of {iso_of(begun.precomputed_at)}")
        terms = begun
    else:
        folder.begin(terms)
    if not folder.members.is_dir():
        write_members(data, folder.members, terms.parts)
    return terms


def _closed_before(folder: Folder) -> str | None:
    """The night that ended here last, also if it was killed while it tidied up."""
    try:
        return read_manifest(folder.manifest).night
    except BadInput:
        return None


def _parts(
    folder: Folder,
    terms: Terms,
    recommender: Recommender,
    generation: Generation,
    store: Store,
    knowing: Knowing,
    watch: Watch,
    say: Say,
) -> list[Receipt]:
    """What each part holds, after those that are not finished are."""
    receipts = {part: found for part in range(terms.parts) if (found := folder.receipt(terms.night, part)) is not None}
    to_do = [part for part in range(terms.parts) if part not in receipts]
    if receipts:
        say(f"{len(receipts):,} of {terms.parts:,} parts are finished")
    if to_do:
        own = open_catalogue(recommender, generation, store, say=say, threads=os.cpu_count() or 1)
        scorer = Scorer.of(recommender, generation, Catalogues(recommender, generation, own), terms.precomputed_at)
        work = PartWork(terms, folder, scorer, knowing, _standing(store, terms.bundle, say))
        with watch("lists", sum(count_members(folder.members_of(part)) for part in to_do)) as tell:
            for part in to_do:
                receipts[part] = work.do(part, tell)
    return [receipts[part] for part in range(terms.parts)]


def _standing(store: Store, bundle_version: str, say: Say) -> Lists | None:
    """The bundle's lists in use; whatever is wrong with them, all can be computed anew."""
    try:
        return Lists.open_current(store, bundle_version)
    except CellarError as error:
        say(f"the lists in use are not read: {error}")
        return None


def _closed(
    folder: Folder, terms: Terms, receipts: list[Receipt], generation: Generation, store: Store, aside_most: int, began: float
) -> NightManifest:
    """Bring the lists into use and say what the night was."""
    set_aside = [each for receipt in receipts for each in receipt.set_aside]
    lists, computed, forgotten, rows = (
        sum(getattr(receipt, name) for receipt in receipts) for name in ("lists", "computed", "forgotten", "rows")
    )
    members = lists + forgotten + len(set_aside)
    if len(set_aside) > max(aside_most, ASIDE_MOST * members):
        raise CellarError(
            f"{len(set_aside):,} of {members:,} members were set aside, the first: {set_aside[0].member_id}: {set_aside[0].error}. "
            "The lists before stay in use; mend the store (`cellar materialize` writes members anew) and run again"
        )
    with writing_lists(store, terms.bundle, generation.manifest, terms.precomputed_at) as writer:
        for part in range(terms.parts):
            for key, made in folder.lists_of(part):
                writer.add(key, made)
    if writer.manifest is None:
        raise RuntimeError("lists are sealed when their block has ended")
    files = [folder.rows(terms.night, part) for part in range(terms.parts)]
    manifest = NightManifest(
        format=FORMAT,
        night=terms.night,
        bundle=terms.bundle,
        generation=terms.generation,
        lists=writer.manifest.id,
        code=terms.code,
        data=terms.data,
        max_age_days=terms.max_age_days,
        precomputed_at=iso_of(terms.precomputed_at),
        members=members,
        computed=computed,
        copied=lists - computed,
        forgotten=forgotten,
        rows=rows,
        parts=[
            ListedPart(str(file.relative_to(folder.path)), receipt.sha256, receipt.lists, receipt.rows)
            for file, receipt in zip(files, receipts, strict=True)
        ],
        set_aside=set_aside,
        seconds=round(time.perf_counter() - began, 3),
    )
    write_manifest(manifest, folder.manifest)
    folder.prune(terms.night)
    folder.end()
    return manifest
