"""Liked ratings as questions, "what will this member like next?", with the histories that each may look back at.

A batch made here is what the encoder makes of the same histories (tested); the features of an event are made once and
gathered many times, which is what makes training fast.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.towers import MemberInputs, seasons
from cellar_shared.events.moments import NEVER, day_of, midnight_before
from cellar_shared.features.counts import RunningCounts
from cellar_shared.features.encoder import Encoder, ItemFeatures
from cellar_shared.features.histories import Histories, Questions
from cellar_shared.features.tastings import years_between
from cellar_shared.store.looking_back import Span, span_before
from cellar_shared.store.rating_log import RatingLog

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

HISTORY_LIMIT: Final = 100  # latest ratings that the towers look at


class LikedRows:
    """Rows of a log that were liked, each a question as of its own moment whose right answer is its wine."""

    def __init__(self, log: RatingLog, visible: Bools, counts: RunningCounts, encoder: Encoder, asked: Bools) -> None:
        """Ask about the liked, dated ratings among `asked`; histories come from those that `visible` marks (both (ratings,)).

        A wine that its member had rated before is none that would be recommended: such likes are left out.
        """
        dated = log.events["moment"] != NEVER
        self.log, self.counts, self.encoder = log, counts, encoder
        self.index = np.flatnonzero(asked & dated & log.events["liked"].astype(bool) & (log.events["row"] >= 0) & _is_first(log))
        rows = log.events[self.index]
        self.members, self.wine_rows, self.as_of = log.members[self.index], rows["row"].astype(np.int64), rows["moment"]
        self.days = day_of(self.as_of)
        seen = np.flatnonzero(visible & dated)
        self.full = span_before(log, seen, self.index)
        self.past = log.events[seen]
        self._histories = Histories.of_events(np.arange(len(seen) + 1, dtype=np.int64), self.past, log.wines)
        self.past_wines = self._histories.wines
        self.items: ItemFeatures = encoder.encode_items(self._histories, counts)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def with_notes(self) -> bool:
        """Do towers that learn from these rows read tasting notes? Where there are any."""
        return self.counts.notes is not None

    def latest(self) -> Span:
        """Each row's newest HISTORY_LIMIT ratings."""
        return self.full.latest(HISTORY_LIMIT)

    def first(self, most: int) -> Span:
        """Each row's oldest `most` ratings."""
        return self.full.first(most)

    @staticmethod
    def items_of(span: Span) -> tuple[Int64s, Bools]:
        """Places among the visible events, newest first, and which of them are there; (rows, longest) both."""
        places = np.arange(max(1, int(span.lengths.max(initial=0))))
        return np.maximum(span.end[:, None] - 1 - places, 0), places < span.lengths[:, None]

    def batch(self, places: npt.NDArray[np.integer], span: Span) -> MemberInputs:
        """The member tower's inputs for the rows at `places`, looking back at `span` (one entry a place)."""
        lengths = span.lengths
        place, mask = self.items_of(span)
        years = np.zeros(mask.shape, dtype=np.float32)
        years[mask] = years_between(self.past["moment"][place[mask]], np.repeat(self.as_of[places], lengths))
        item, codes = _gather(self.items.values, place, mask), _gather(self.items.codes, place, mask)
        return MemberInputs(item, years, codes, mask.astype(np.float32), seasons(self.as_of[places]))

    def tasted(self, places: npt.NDArray[np.integer], span: Span) -> tuple[Int64s, Int64s]:
        """The distinct wines (catalogue rows) that the rows at `places` look back at, and which of them each item is; (wines,), (M, L)."""
        place, mask = self.items_of(span)
        wines = np.zeros(mask.shape, dtype=np.int64)
        wines[mask] = self.past["row"][place[mask]]
        distinct, of_item = np.unique(wines, return_inverse=True)
        return distinct, of_item.reshape(wines.shape)

    def questions(self, places: npt.NDArray[np.integer], span: Span) -> Questions:
        """The same rows as questions for the encoder, about no wine yet: what a service is asked."""
        flat, past = span.flat(), self._histories
        offsets = np.concatenate([[0], np.cumsum(span.lengths)])
        histories = Histories(offsets, past.wines[flat], past.moments[flat], past.vintages[flat], past.liked[flat], past.strengths[flat])
        as_of = self.as_of[places]
        nothing = np.zeros(0, dtype=np.int64)
        return Questions(histories, as_of, nothing, self.log.wines[:0], np.zeros(0, dtype=np.int16), midnight_before(as_of))


def _is_first(log: RatingLog) -> Bools:
    """Whether each rating is its member's first of that wine; (ratings,)."""
    # The log is in order of time within a member, and undated ratings come last.
    of_member_and_wine = log.members.astype(np.int64) * (len(log.wines) + 1) + log.events["row"] + 1
    first = np.zeros(len(log.events), dtype=bool)
    first[np.unique(of_member_and_wine, return_index=True)[1]] = True
    return first


def _gather(values: npt.NDArray[Any], place: Int64s, mask: Bools) -> npt.NDArray[Any]:
    gathered = np.zeros((*mask.shape, values.shape[1]), dtype=values.dtype)
    gathered[mask] = values[place[mask]]
    return gathered
