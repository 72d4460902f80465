"""What each of many members is to be offered to buy, by the functions that serve: their list is the service's own answer, to the bit.

Members are taken together whose histories are as long, so that no row is padded and every sum is rounded as for one request; the
member tower alone runs for one at a time, whose products a runtime sums otherwise for many (and which takes .08 of 1.5 ms).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.catalogue import Catalogue, Catalogues
from cellar_recommender.serving.contract import RecommenderRequest
from cellar_recommender.serving.filters import NO_FILTERS, Excluded
from cellar_recommender.serving.ownership import allow
from cellar_recommender.serving.recommender import Recommender
from cellar_recommender.serving.recommending import rank_each
from cellar_recommender.serving.retrieving import Retrieved, retrieve_allowed
from cellar_recommender.serving.sources import SOURCES, Asked, Shelf
from cellar_recommender.serving.towers import Float32s, Int64s, everyones_likes
from cellar_recommender.serving.understanding import Understood, understand
from cellar_shared.events.moments import counted_before
from cellar_shared.features.histories import Questions, joined
from cellar_shared.store.generation import Generation, Known

LIST_WINES: Final = 50
AT_ONCE: Final = 128  # members that are ranked together: some 100 MB on the way

_NOTHING_EXCLUDED: Final = Excluded.of(None)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A member's list, best first: `wines` (items,) int64 identities, `scores` (items,) float32, `sources` (items,) uint8 into SOURCES."""

    wines: Int64s
    scores: Float32s
    sources: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Scorer:
    """A bundle on a generation, as of one moment.

    `today` finds candidates. `catalogue` has their facts as of the moment: None where only those of the generation's own day are
    kept, and the moment's own day has begun before the last event.
    """

    recommender: Recommender
    generation: Generation
    item_rows: Int64s
    moment: int
    day: int
    today: Catalogue
    catalogue: Catalogue | None
    totals: Float32s

    @classmethod
    def of(cls, recommender: Recommender, generation: Generation, catalogues: Catalogues, moment: int) -> Self:
        """The scorer as of `moment` (microseconds since 1970 UTC)."""
        day = int(counted_before(np.array([generation.clamp(moment)]))[0])
        catalogue = catalogues.at(day)
        return cls(
            recommender,
            generation,
            generation.index.rows_of(recommender.sources.item_item.identities).astype(np.int64),
            moment,
            day,
            catalogues.own if catalogue is None else catalogue,
            catalogue,
            everyones_likes(generation.counts, day) if catalogue is None else catalogue.total_likes,
        )

    def lists(self, members: Sequence[tuple[str, Known]]) -> list[Ranked]:
        """The list of each of the members: ids, and what is known of each."""
        limit = self.recommender.history_limit
        understood = [
            understand(RecommenderRequest(member_id=member_id), [known], self.moment, self.generation, limit, limit)
            for member_id, known in members
        ]
        found: dict[int, Ranked] = {}
        for places in _alike([int(one.histories.lengths[0]) for one in understood]):
            found.update(zip(places, self._ranked([understood[place] for place in places]), strict=True))
        return [found[place] for place in range(len(members))]

    def _ranked(self, members: Sequence[Understood]) -> list[Ranked]:
        """The lists of members whose histories are equally long."""
        sources = self.recommender.sources
        asked = self.recommender.asked(_questions(members), self.generation.counts)
        alone = [asked.some(slice(place, place + 1)) for place in range(len(members))]
        vectors = np.concatenate([sources.towers.members(one.member) for one in alone])
        retrieved = [
            self._retrieved(one, asked_alone, vectors[place : place + 1])
            for place, (one, asked_alone) in enumerate(zip(members, alone, strict=True))
        ]
        found: dict[int, Ranked] = {}
        for places in _alike([len(one.rows) for one in retrieved]):
            chosen = np.array(places, dtype=np.int64)
            rows = np.stack([retrieved[place].rows for place in places])
            scores = self._scores(asked.some(chosen), vectors[chosen], rows)
            found.update((place, self._listed(retrieved[place], ranked)) for place, ranked in zip(places, scores, strict=True))
        return [found[place] for place in range(len(members))]

    def _retrieved(self, member: Understood, asked: Asked, vectors: Float32s) -> Retrieved:
        columns, sources = self.today.columns, self.recommender.sources
        allowed = allow(columns, "buy", NO_FILTERS, _NOTHING_EXCLUDED, member.standings, member.bottles, member.day)
        return retrieve_allowed(sources, self.today, self.generation.index, self.item_rows, asked, vectors, allowed.wines)

    def _scores(self, asked: Asked, vectors: Float32s, rows: Int64s) -> Float32s:
        """The scores (M, C) of the catalogue's `rows` (M, C)."""
        if not rows.size:
            return np.zeros(rows.shape, dtype=np.float32)
        shelf, places = self._shelf(rows)
        return rank_each(self.recommender.forest, self.recommender.sources, asked, vectors, shelf, places, self.totals)

    def _shelf(self, rows: Int64s) -> tuple[Shelf, Int64s]:
        """Where the wines at `rows` stand as of the moment."""
        if self.catalogue is not None:
            return self.catalogue.shelf, rows
        some, places = np.unique(rows, return_inverse=True)
        shelf = self.recommender.sources.shelf(self.today.shelf.wines[some], self.generation.counts, self.day)
        return shelf, places.reshape(rows.shape)

    def _listed(self, retrieved: Retrieved, scores: Float32s) -> Ranked:
        # As `choose` orders without rules, diversity and lot.
        best = np.argsort(-scores, kind="stable")[:LIST_WINES]
        sources = [SOURCES.index(retrieved.owed[place]) for place in best.tolist()]
        return Ranked(self.today.shelf.wines["wine"][retrieved.rows[best]], scores[best], np.array(sources, dtype=np.uint8))


def _questions(members: Sequence[Understood]) -> Questions:
    """The members as questions about no wine."""
    none = np.zeros(0, dtype=np.int64)
    histories = joined([member.histories for member in members])
    as_of, features_as_of = (
        np.array([getattr(member, name) for member in members], dtype=np.int64) for name in ("moment", "features_as_of")
    )
    return Questions(histories, as_of, none, histories.wines[:0], none.astype(np.int16), features_as_of)


def _alike(numbers: Sequence[int]) -> Iterator[list[int]]:
    """The places of equal numbers together, at most AT_ONCE at a time."""
    by_number: dict[int, list[int]] = defaultdict(list)
    for place, number in enumerate(numbers):
        by_number[number].append(place)
    for places in by_number.values():
        for start in range(0, len(places), AT_ONCE):
            yield places[start : start + AT_ONCE]
