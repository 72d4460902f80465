"""Asks the sources about rows of a log, day by day and some at a time: what training, evaluation and golden cases have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.sources import Asked, Shelf, Sources
from cellar_recommender.training.rows import LikedRows
from cellar_shared.features.wines import Wines, no_wines
from cellar_shared.store.looking_back import Span

Int64s = npt.NDArray[np.int64]

SCORES_AT_ONCE: Final = 8_000_000  # questions times wines: 32 MB of a source's scores


@dataclass(frozen=True, slots=True)
class Group:
    """Some rows of one day: `places` (M,) among the rows, what they ask, the shelf as of that day, wines `rated` and `likes` before.

    `rated` (M, W) bool, `likes` (M, W) float32, 1 for a wine that was liked.
    """

    places: Int64s
    asked: Asked
    shelf: Shelf
    rated: npt.NDArray[np.bool_]
    likes: npt.NDArray[np.float32]


def groups(rows: LikedRows, span: Span, sources: Sources) -> Iterator[Group]:
    """All rows, looking back at `span`, in groups of one day each, days ascending.

    Whatever a row's member had rated before counts as rated, also where `span` does not look at it: such a wine can be no answer, so
    to let it stand among the candidates would judge (and teach) that what a member surely likes is wrong. `likes` are those of `span`.
    """
    wines = rows.log.wines
    order = np.lexsort((span.lengths, rows.days))
    at_once = max(1, SCORES_AT_ONCE // len(wines))
    for of_day in np.split(order, np.flatnonzero(np.diff(rows.days[order])) + 1):
        if not len(of_day):
            continue
        shelf = sources.shelf(wines, rows.counts, int(rows.days[of_day[0]]))
        for begin in range(0, len(of_day), at_once):
            places = of_day[begin : begin + at_once]
            part = span.only(places)
            rated = _mark(rows, rows.full.only(places), is_liked=False)
            likes = _mark(rows, part, is_liked=True).astype(np.float32)
            yield Group(places, Asked(rows.batch(places, part), tasted_wines(rows, part)), shelf, rated, likes)


def _mark(rows: LikedRows, span: Span, *, is_liked: bool) -> npt.NDArray[np.bool_]:
    """Which wines of the catalogue each row's `span` holds a rating of, or a like; (rows, wines)."""
    tasted = rows.past[span.flat()]
    owner = np.repeat(np.arange(len(span.begin)), span.lengths)
    counts = (tasted["row"] >= 0) & ((tasted["liked"] > 0) | (not is_liked))
    marked = np.zeros((len(span.begin), len(rows.log.wines)), dtype=bool)
    marked[owner[counts], tasted["row"][counts]] = True
    return marked


def tasted_wines(rows: LikedRows, span: Span) -> Wines:
    """WINE records of what each row looks back at, newest first, padded with wines of which nothing is known; (rows, items)."""
    place, mask = rows.items_of(span)
    tasted = no_wines(mask.size).reshape(mask.shape)
    tasted[mask] = rows.past_wines[place[mask]]
    return tasted
