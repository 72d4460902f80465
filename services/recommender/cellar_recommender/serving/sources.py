"""Where candidates come from: each source scores every wine for a question; the best of each, merged, are what is ranked.

Training, evaluation and serving call these functions, so what is judged offline is what is served.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.item_item import ItemItem
from cellar_recommender.serving.merging import NONE, best, merge
from cellar_recommender.serving.ranking import Pool
from cellar_recommender.serving.towers import WINDOWS, MemberInputs, Towers, wine_inputs
from cellar_shared.features.candidates import WINE_FEATURES
from cellar_shared.features.counts import RunningCounts
from cellar_shared.features.encoder import Encoder
from cellar_shared.features.wines import Wines

Float32s = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

TOWERS: Final = "towers"
ITEM_ITEM: Final = "item_item"
POPULAR: Final = "popular"
SOURCES: Final = (TOWERS, ITEM_ITEM, POPULAR)
PRECOMPUTED: Final = "precomputed"  # what a night put on a member's list: served only, since it comes from these very sources
YEAR_SHARE: Final = 1e-3  # of a like of the year before: it only orders wines that the season likes equally
WINES_AT_ONCE: Final = 8_192  # encoding one takes about 8 KB on the way


@dataclass(frozen=True, slots=True)
class Shelf:
    """The catalogue as of a day: `wines` (W,) WINE, their WINE_FEATURES as `features`, recent `likes` (W, windows), `vectors` (W, d)."""

    wines: Wines
    features: Float32s
    likes: Float32s
    vectors: Float32s


@dataclass(frozen=True, slots=True)
class Asked:
    """Members who ask: what the tower reads of them, and their `tasted` (M, L) WINE records, newest first as the inputs."""

    member: MemberInputs
    tasted: Wines

    def some(self, rows: slice | Int64s) -> Asked:
        """Some of the members, with room for as long a history as before."""
        return Asked(self.member.some(rows), self.tasted[rows])


@dataclass(frozen=True, slots=True)
class Proposed:
    """Candidates of M questions: `rows` (M, C) of the catalogue and the number of the source each is owed to, NONE past the end."""

    rows: Int64s
    owed: Int64s


@dataclass(frozen=True, slots=True)
class Sources:
    """What a bundle retrieves with; `with_notes`: its towers read what tasting notes say of a wine."""

    encoder: Encoder
    towers: Towers
    item_item: ItemItem
    with_notes: bool = False

    def shelf(self, wines: Wines, counts: RunningCounts, day: int) -> Shelf:
        """The catalogue as of 00:00 UTC of `day`."""
        parts = [self._part_of_shelf(wines[rows], counts, day) for rows in slices_of(len(wines))]
        return Shelf(wines, *(np.concatenate([getattr(part, name) for part in parts]) for name in ("features", "likes", "vectors")))

    def _part_of_shelf(self, wines: Wines, counts: RunningCounts, day: int) -> Shelf:
        inputs, likes = wine_inputs(self.encoder, wines, counts, day, with_notes=self.with_notes)
        return Shelf(wines, inputs.wine[:, : len(WINE_FEATURES)], likes, self.towers.wines(inputs))

    def scores(self, asked: Asked, shelf: Shelf) -> dict[str, Float32s]:
        """Each source's scores of every wine for every question; (M, W) float32, -inf where a source has nothing to say."""
        return {
            TOWERS: np.asarray(self.towers.members(asked.member) @ shelf.vectors.T, dtype=np.float32),
            ITEM_ITEM: self._item_item(asked, shelf.wines),
            POPULAR: np.broadcast_to(popular(shelf.likes), (len(asked.tasted), len(shelf.wines))),
        }

    def _item_item(self, asked: Asked, wines: Wines) -> Float32s:
        found = self.item_item_scores(asked)
        place = self.item_item.places(wines["wine"])
        if not found.shape[1]:
            return np.full((len(found), len(wines)), -np.inf, dtype=np.float32)
        return np.where(place >= 0, found[:, np.maximum(place, 0)], np.float32(-np.inf))

    def item_item_scores(self, asked: Asked) -> Float32s:
        """Scores of the wines that weights were learnt for, (M, wines of item_item); -inf for members who tasted nothing yet.

        Where only some weights are kept a wine without one to what was tasted has nothing to say either.
        """
        tasted = asked.member.mask  # liked or not: what people come across goes together too
        scores = self.item_item.scores(self.item_item.places(asked.tasted["wine"]), tasted)
        if not self.item_item.is_dense:
            scores[scores == 0] = -np.inf
        scores[~(tasted > 0).any(axis=1)] = -np.inf
        return scores


def slices_of(wines: int) -> list[slice]:
    """All of `wines` rows, WINES_AT_ONCE at a time; one empty slice where there are none."""
    return [slice(start, min(start + WINES_AT_ONCE, wines)) for start in range(0, max(1, wines), WINES_AT_ONCE)]


def popular(likes: Float32s) -> Float32s:
    """Likes of the last 90 days, then of the year; (wines,)."""
    return np.asarray(likes[:, WINDOWS.index("90d")] + YEAR_SHARE * likes[:, WINDOWS.index("365d")], dtype=np.float32)


def total_likes(likes: Float32s) -> Float32s:
    """Likes of all wines together in each window; (windows,)."""
    return np.asarray(likes.sum(axis=0, dtype=np.float64), dtype=np.float32)


def propose(scores: Mapping[str, Float32s], excluded: Bools, quotas: Mapping[str, int], limit: int) -> Proposed:
    """The candidates of every question out of the sources' scores; `excluded` (M, W) never come."""
    lists = {name: best(np.where(excluded, -np.inf, given), limit) for name, given in scores.items()}
    return Proposed(*merge(lists, quotas, limit))


def pool_of(asked: Asked, shelf: Shelf, tower: Float32s, proposed: Proposed, totals: Float32s | None = None) -> Pool:
    """What the ranker's features are made of, for the candidates of every question; `tower` (M, W) scores.

    `totals` (windows,) are the likes of the whole catalogue, where the shelf holds only some of it.
    """
    rows = np.maximum(proposed.rows, 0)
    return pool_at(asked, shelf, np.take_along_axis(tower, rows, axis=1), proposed.rows, totals)


def pool_at(asked: Asked, shelf: Shelf, tower: Float32s, places: Int64s, totals: Float32s | None = None) -> Pool:
    """As `pool_of`, for the candidates at `places` (M, C) of the shelf, NONE past the end; `tower` (M, C) are their scores."""
    rows = np.maximum(places, 0)
    return Pool(
        asked=shelf.wines[rows],
        is_there=places != NONE,
        tower=tower,
        member=asked.member,
        tasted=asked.tasted,
        features=shelf.features[rows],
        likes=shelf.likes[rows],
        total_likes=np.broadcast_to(total_likes(shelf.likes) if totals is None else totals, (len(rows), len(WINDOWS))),
    )
