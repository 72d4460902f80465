"""Rated rows as questions: the histories that training and evaluation look at, cut out of one log without copying it.

A batch made here is what the encoder makes of the same questions (tested); here the features of an event are made once
and gathered many times, which is what makes training fast.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cellar_shared.events.moments import NEVER, midnight_before
from cellar_shared.features.counts import RunningCounts
from cellar_shared.features.encoder import Encoded, Encoder, ItemFeatures, match_wines
from cellar_shared.features.histories import Histories, Questions, wines_of
from cellar_shared.features.tastings import years_between
from cellar_shared.features.wines import no_wines
from cellar_shared.store.looking_back import Span, span_before
from cellar_shared.store.rating_log import RatingLog

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

HISTORY_LIMIT: Final = 100  # latest ratings that a network looks at


class RatedRows:
    """Rows of a log as questions, with everything that does not depend on the history's cut made once."""

    def __init__(self, log: RatingLog, visible: Bools, counts: RunningCounts, encoder: Encoder, asked: Bools) -> None:
        """Ask about the ratings that `asked` marks; histories come from those that `visible` marks (both (ratings,))."""
        self.encoder = encoder
        self.counts = counts
        self.index = np.flatnonzero(asked)
        events, self._visible = log.events, np.flatnonzero(visible & (log.events["moment"] != NEVER))
        rows = events[self.index]
        self.labels = rows["liked"].astype(np.float64)
        self.strengths = rows["strength"].astype(np.float64)
        self.members = log.members[self.index]
        self.wine_rows = rows["row"]
        self.as_of = rows["moment"]
        self._wines = wines_of(log.wines, rows["row"])
        self._vintages = rows["vintage"]
        self.full = span_before(log, self._visible, self.index)
        past = events[self._visible]
        owner = np.arange(len(past) + 1, dtype=np.int64)
        self._past = Histories.of_events(owner, past, log.wines)
        self.items: ItemFeatures = encoder.encode_items(self._past, counts)
        self.wine_features, self.wine_codes = encoder.encode_wines(self._pairs(), counts)

    def __len__(self) -> int:
        return len(self.index)

    def hidden_wine_features(self) -> tuple[npt.NDArray[np.float32], Int64s]:
        """Features and codes of every row's wine as if nobody had rated it and no vocabulary knew it."""
        return self.encoder.encode_wines(self._pairs(), self.counts, np.ones(len(self), dtype=bool))

    def first(self, most: int) -> Span:
        """Each row's oldest `most` ratings."""
        return self.full.first(most)

    def latest(self, most: int = HISTORY_LIMIT) -> Span:
        """Each row's newest `most` ratings."""
        return self.full.latest(most)

    def batch(
        self, places: npt.NDArray[np.integer], span: Span, hidden: tuple[npt.NDArray[np.float32], Int64s, Bools] | None = None
    ) -> Encoded:
        """The network's inputs for the rows at `places`, looking back at `span` (one entry a place).

        With `hidden` (features, codes, which of the places), those places show the wine as hidden.
        """
        lengths = span.lengths
        longest = max(1, int(lengths.max(initial=0)))
        place = np.maximum(span.end[:, None] - 1 - np.arange(longest), 0)
        mask = np.arange(longest) < lengths[:, None]
        features, codes = self.wine_features[places], self.wine_codes[places]
        if hidden is not None:
            features = np.where(hidden[2][:, None], hidden[0][places], features)
            codes = np.where(hidden[2][:, None], hidden[1][places], codes)
        tasted = no_wines(mask.size).reshape(mask.shape)
        tasted[mask] = self._past.wines[place[mask]]
        members = np.arange(len(places))
        years = np.zeros(mask.shape)
        years[mask] = years_between(self._past.moments[place[mask]], np.repeat(self.as_of[places], lengths))
        return Encoded(
            wine=features,
            wine_codes=codes,
            item=_gather(self.items.values, place, mask),
            years_ago=years.astype(np.float32),
            item_codes=_gather(self.items.codes, place, mask),
            mask=mask.astype(np.float32),
            match=match_wines(self._wines[places], tasted, members),
            member=members,
        )

    def questions(self, places: npt.NDArray[np.integer], span: Span) -> Questions:
        """The same rows as questions for the encoder: what a service would be asked."""
        offsets, flat = np.concatenate([[0], np.cumsum(span.lengths)]), span.flat()
        past = self._past
        histories = Histories(offsets, past.wines[flat], past.moments[flat], past.vintages[flat], past.liked[flat], past.strengths[flat])
        as_of = self.as_of[places]
        return Questions(histories, as_of, np.arange(len(places)), self._wines[places], self._vintages[places], midnight_before(as_of))

    def _pairs(self) -> Questions:
        rows = len(self.index)
        nobody = np.zeros(rows + 1, dtype=np.int64)
        empty = self._wines[:0]
        nothing = Histories(nobody, empty, self.as_of[:0], self._vintages[:0], np.zeros(0, dtype=bool), np.zeros(0, dtype=np.float32))
        return Questions(nothing, self.as_of, np.arange(rows), self._wines, self._vintages, midnight_before(self.as_of))


def _gather(values: npt.NDArray[Any], place: Int64s, mask: Bools) -> npt.NDArray[Any]:
    gathered = np.zeros((*mask.shape, values.shape[1]), dtype=values.dtype)
    gathered[mask] = values[place[mask]]
    return gathered
