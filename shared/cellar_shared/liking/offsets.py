"""What a bundle makes of a generation beforehand: its trailing offsets; built ahead or by `serve` before it is ready."""

from __future__ import annotations

import io
import logging
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.calibration.trailing import PULL, WINDOW_DAYS, TrailingOffset
from cellar_shared.durable import write_durably
from cellar_shared.errors import CellarError
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, NEVER, day_of, midnight_before, moment_of
from cellar_shared.features.histories import Events, Histories, Questions, wines_of
from cellar_shared.liking.predictor import MODEL, Predictor
from cellar_shared.npy import read_npz
from cellar_shared.store.generation import Generation
from cellar_shared.store.port import Store, StoreUnavailable

logger = logging.getLogger("cellar.liking")

ROWS_A_BATCH: Final = 2_000


def open_index(predictor: Predictor, generation: Generation, store: Store) -> TrailingOffset:
    """The bundle's trailing offsets on the generation: read where they were built before, else built and, if the store lets, kept.

    StoreUnavailable while there is none and the members cannot be read.
    """
    name = f"{MODEL}-{predictor.manifest.version}-{generation.manifest.id}-{WINDOW_DAYS}-{PULL:g}.npz"
    file = store.indexes / name
    track = _read(file)
    if track is not None:
        return track
    if not store.answers():
        raise StoreUnavailable(f"{store.name} does not answer")
    track = build_index(predictor, generation)
    _keep(file, track)
    return track


def trailing_now(predictor: Predictor, generation: Generation, store: Store) -> TrailingOffset | None:
    """As `open_index`; None while there is none and the members cannot be read: answers then go without."""
    try:
        return open_index(predictor, generation, store)
    except StoreUnavailable as error:
        logger.warning("answers go without trailing offsets: %s", error)
        return None


def _read(file: Path) -> TrailingOffset | None:
    """What was kept in `file`; None where there is nothing or nothing that can be read."""
    try:
        arrays = read_npz(file)
        return TrailingOffset(int(arrays["first_day"]), arrays["offsets"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        logger.warning("%s cannot be read (%s); it is built again", file, error)
        return None


def _keep(file: Path, track: TrailingOffset) -> None:
    stream = io.BytesIO()
    np.savez(stream, first_day=np.int64(track.first_day), offsets=track.offsets)
    try:
        write_durably(file, stream.getvalue())
    except OSError as error:  # a store mounted read-only serves as well; the next start builds again
        logger.warning("%s cannot be kept (%s)", file, error)


def build_ahead(bundle: Path, store: Store, generation_id: str) -> None:
    """Build the bundle's index of a generation, so that `serve` finds it there; CellarError if that fails."""
    predictor = Predictor.open(bundle)
    try:
        open_index(predictor, Generation.open(store, predictor.manifest.feature_fingerprint, generation_id), store)
    except StoreUnavailable as error:
        raise CellarError(f"the index of {bundle} cannot be built: {error}") from error


def build_index(predictor: Predictor, generation: Generation) -> TrailingOffset:
    """Ask the bundle about every rating since shortly before its training ended, as of its own moment, and compare."""
    since = moment_of(datetime.fromisoformat(predictor.manifest.trained_through)) - WINDOW_DAYS * MICROSECONDS_PER_DAY
    days, probabilities, labels = [np.zeros(0, dtype=np.int64)], [np.zeros(0)], [np.zeros(0)]
    for questions, liked in _recent(generation, since, predictor.history_limit):
        days.append(day_of(questions.as_of))
        probabilities.append(predictor.predict(questions, generation.counts).probabilities)
        labels.append(liked)
    return TrailingOffset.of_outcomes(np.concatenate(days), np.concatenate(probabilities), np.concatenate(labels))


def _recent(generation: Generation, since: int, limit: int) -> Iterator[tuple[Questions, npt.NDArray[np.float64]]]:
    """Every stored rating from `since` on as a question of its own, in batches, and whether it was a like."""
    asked: list[Events] = []
    pasts: list[Events] = []
    for events in generation.members.each():
        moments = events["moment"]
        for place in np.flatnonzero((moments >= since) & (moments != NEVER)).tolist():
            end = int(np.searchsorted(moments, moments[place]))
            asked.append(events[place : place + 1])
            pasts.append(events[max(0, end - limit) : end])
            if len(asked) == ROWS_A_BATCH:
                yield _questions(generation, asked, pasts)
                asked, pasts = [], []
    if asked:
        yield _questions(generation, asked, pasts)


def _questions(generation: Generation, asked: list[Events], pasts: list[Events]) -> tuple[Questions, npt.NDArray[np.float64]]:
    rows, past = np.concatenate(asked), np.concatenate(pasts)
    offsets = np.concatenate([[0], np.cumsum([len(events) for events in pasts])])
    histories = Histories.of_events(offsets, past, generation.wines)
    questions = Questions(
        histories,
        rows["moment"],
        np.arange(len(rows)),
        wines_of(generation.wines, rows["row"]),
        rows["vintage"],
        midnight_before(rows["moment"]),
    )
    return questions, rows["liked"].astype(np.float64)
