"""Which earlier ratings each rating of a log looks back at: one arithmetic of histories for every model that learns from a log."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cellar_shared.events.moments import NEVER
from cellar_shared.features.counting import count_ratings
from cellar_shared.features.counts import RunningCounts
from cellar_shared.features.encoder import Encoder
from cellar_shared.features.histories import wines_of
from cellar_shared.features.vocabulary import Vocabulary
from cellar_shared.store.note_log import NoteLog
from cellar_shared.store.rating_log import RatingLog

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Span:
    """Which visible events each row looks back at: `begin` to `end` (rows,) int64, places among the visible events."""

    begin: Int64s
    end: Int64s

    @property
    def lengths(self) -> Int64s:
        return self.end - self.begin

    def only(self, rows: npt.NDArray[np.integer]) -> Span:
        """The spans of some of the rows."""
        return Span(self.begin[rows], self.end[rows])

    def first(self, most: int) -> Span:
        """Each row's oldest `most` events."""
        return Span(self.begin, np.minimum(self.end, self.begin + most))

    def latest(self, most: int) -> Span:
        """Each row's newest `most` events."""
        return Span(np.maximum(self.begin, self.end - most), self.end)

    def flat(self) -> Int64s:
        """The places of every row's events, row after row; (sum of lengths,)."""
        ends = np.cumsum(self.lengths)
        return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - self.lengths, self.lengths) + np.repeat(self.begin, self.lengths)


def span_before(log: RatingLog, visible: Int64s, asked: Int64s) -> Span:
    """For each rating `asked` (rows,), those of its member's ratings `visible` (events,) that lie before its moment.

    Both index the log's ratings, `visible` ascending.
    """
    moments, ranks = np.unique(log.events["moment"], return_inverse=True)
    step = len(moments) + 1
    key = log.members.astype(np.int64) * step + ranks
    known = key[visible]
    return Span(np.searchsorted(known, log.members[asked].astype(np.int64) * step), np.searchsorted(known, key[asked]))


def counts_of(log: RatingLog, counted: Bools, notes: NoteLog | None = None) -> RunningCounts:
    """Running counts over the dated ratings that `counted` (ratings,) marks, and over the `notes` that are counted beside them."""
    kept = counted & (log.events["moment"] != NEVER)
    counts = count_ratings(log.wines, log.events[kept], log.members[kept])
    return counts if notes is None else replace(counts, notes=notes.counts(log, counted))


def vocabulary_of(log: RatingLog, kept: Bools, fewest: int) -> Vocabulary:
    """The names that the wines of at least `fewest` of the ratings that `kept` (ratings,) marks carry."""
    identities = Encoder(Vocabulary(np.zeros(0, dtype=np.int64))).names_of(wines_of(log.wines, log.events["row"][kept]))
    return Vocabulary.of(identities.ravel(), fewest)
