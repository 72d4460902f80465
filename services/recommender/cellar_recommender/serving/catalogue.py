"""A generation's wines as one bundle sees them before a midnight: what retrieval scans; opened, built and kept, other days on demand.

The service holds one per generation, `materialize` builds it ahead, the bench measures it.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving import catalogue_files
from cellar_recommender.serving.ann.index import EXACT_UP_TO, Index
from cellar_recommender.serving.columns import WineColumns
from cellar_recommender.serving.recommender import MODEL, Recommender
from cellar_recommender.serving.sources import Shelf, total_likes
from cellar_shared.bundle.manifest import require_same_data
from cellar_shared.durable import locked, staged_folder
from cellar_shared.errors import CellarError
from cellar_shared.events.moments import counted_before
from cellar_shared.store.generation import Generation
from cellar_shared.store.port import Store

logger = logging.getLogger("cellar.recommender")

Say = Callable[[str], None]

DAYS_KEPT: Final = 2  # earlier days whose catalogues stay: 400 bytes a wine each, in this process alone


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The wines (W,) of a generation before 00:00 UTC of `day` (days since 1970), as one bundle sees them.

    `shelf` holds WINE records, features, likes and vectors; `columns` what filters ask; `index` finds the nearest of the vectors.
    `popular` (W,) int64 rows by falling `sources.popular`, equal ones by row; `total_likes` (windows,) of all wines together.
    """

    day: int
    shelf: Shelf
    columns: WineColumns
    index: Index
    popular: npt.NDArray[np.int64]
    total_likes: npt.NDArray[np.float32]


class Catalogues:
    """The catalogue of a generation's own day, and where wines are few enough to scan them all, of any day before; for any thread."""

    def __init__(self, recommender: Recommender, generation: Generation, own: Catalogue) -> None:
        self.own = own
        self._recommender = recommender
        self._generation = generation
        self._earlier: dict[int, Catalogue] = {}
        self._lock = Lock()

    def kept(self, day: int) -> Catalogue | None:
        """As `at`, of what is there already, and at once: also while another day's is being made."""
        if day >= self.own.day:
            return self.own
        if not self._lock.acquire(blocking=False):
            return self._earlier.get(day)
        try:
            found = self._earlier.pop(day, None)
            if found is not None:  # asked for last, so it goes last
                self._earlier[day] = found
            return found
        finally:
            self._lock.release()

    def at(self, day: int) -> Catalogue | None:
        """The catalogue before 00:00 UTC of `day`, made now where it is none of the last DAYS_KEPT asked for.

        None where it would take an index of its own: an earlier day of more than EXACT_UP_TO wines.
        """
        if day >= self.own.day:  # nothing of the generation lies behind its own day
            return self.own
        if len(self.own.shelf.wines) > EXACT_UP_TO:
            return None
        with self._lock:  # whoever asks for the same day waits for it instead of making it again
            found = self._earlier.pop(day, None) or _of_day(self._recommender, self._generation, self.own, day)
            self._earlier[day] = found
            while len(self._earlier) > DAYS_KEPT:
                del self._earlier[next(iter(self._earlier))]
            return found


def own_day(generation: Generation) -> int:
    """The day before whose midnight everything that the generation knows counts, in days since 1970."""
    return _counted(generation.manifest.events_through)


def day_of_features(generation: Generation, moment: int) -> int:
    """The day before whose midnight wines' features count for a question about `moment`, in days since 1970."""
    return _counted(generation.clamp(moment))


def _counted(features_as_of: int) -> int:
    return int(counted_before(np.array([features_as_of]))[0])


def open_catalogue(
    recommender: Recommender, generation: Generation, store: Store, *, say: Say = logger.info, threads: int = 1
) -> Catalogue:
    """The catalogue of the generation's own day: mapped where it was built before, else built and, if the store lets, kept.

    Everything large is mapped, so that processes share it. Of several who come at once one builds. A store that nothing can be
    written to is served from a temporary folder, which ends with the process and is shared with none. `say` hears of progress.
    """
    day = own_day(generation)
    # Whose catalogue it is, and in what format: another one is another folder. `materialize` finds a generation's by its id.
    place = store.indexes / f"{MODEL}-{recommender.manifest.version}-{generation.manifest.id}-{day}-{catalogue_files.FORMAT}"
    found = _opened(place, recommender, generation, day)
    if found is not None:
        return found
    try:
        with locked(store.indexes):  # one builds at a time, whatever it builds
            found = _opened(place, recommender, generation, day)  # built by the one who was waited for
            if found is not None:
                return found
            with staged_folder(place) as staging:
                catalogue_files.build(recommender, generation, day, staging, threads, say)
        return map_catalogue(place, recommender, generation, day)
    except OSError as error:
        logger.warning("%s cannot be kept (%s); it is built in a temporary folder, by each process for itself", place, error)
    with tempfile.TemporaryDirectory(prefix=f"{MODEL}-index-") as temporary:
        catalogue_files.build(recommender, generation, day, Path(temporary), threads, say)
        return map_catalogue(Path(temporary), recommender, generation, day)  # what is mapped outlives its folder


def build_ahead(bundle: Path, store: Store, generation_id: str) -> None:
    """Build the bundle's index of a generation, so that `serve` finds it there; CellarError if that fails."""
    recommender = Recommender.open(bundle)
    manifest = recommender.manifest
    generation = Generation.open(store, manifest.feature_fingerprint, generation_id)
    try:
        require_same_data(manifest, generation.manifest.namespace, generation.manifest.scale)
        open_catalogue(recommender, generation, store, threads=os.cpu_count() or 1)
    finally:
        generation.close()


def _opened(place: Path, recommender: Recommender, generation: Generation, day: int) -> Catalogue | None:
    """What was kept at `place`; None where there is nothing or nothing that can be read."""
    if not place.is_dir():
        return None
    try:
        return map_catalogue(place, recommender, generation, day)
    except (CellarError, OSError, ValueError) as error:
        logger.warning("%s cannot be read (%s); it is built again", place, error)
        return None


def map_catalogue(folder: Path, recommender: Recommender, generation: Generation, day: int) -> Catalogue:
    """The catalogue before `day` that `catalogue_files.build` wrote to `folder`; BadInput where it is another or damaged."""
    catalogue_files.verify(folder, recommender, generation, day)
    index = Index.open(folder / catalogue_files.INDEX)
    arrays = catalogue_files.arrays_of(folder)
    shelf = Shelf(generation.wines, arrays["features"], arrays["likes"], index.vectors)
    columns = WineColumns.mapped(folder / catalogue_files.COLUMNS, generation.index)
    return Catalogue(day, shelf, columns, index, arrays["popular"], arrays["total_likes"])


def _of_day(recommender: Recommender, generation: Generation, own: Catalogue, day: int) -> Catalogue:
    """The catalogue of another day, in memory; names and prices are the own day's."""
    shelf = recommender.sources.shelf(generation.wines, generation.counts, day)
    index = Index.build(shelf.vectors, threads=1)
    return Catalogue(day, shelf, own.columns, index, catalogue_files.by_popularity(shelf.likes), total_likes(shelf.likes))
