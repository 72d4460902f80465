"""What the ranker knows of a member and a candidate, as of the moment: definitions of its features; and the forest that orders by them.

Training, evaluation and serving make the features here, from the same values, for many questions at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.item_item import ItemItem
from cellar_recommender.serving.towers import WINDOWS, WINDOWS_DAYS, MemberInputs
from cellar_shared.features.candidates import WINE_FEATURES
from cellar_shared.features.matches import MATCHES
from cellar_shared.features.tastings import ITEM_FEATURES
from cellar_shared.features.wines import Wines

Float32s = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]

MATCH_BELIEF: Final = 1.5  # tastings' worth of belief that a member likes such wines as much as everyone
RECENT_TASTINGS: Final = 4.0  # how fast "lately" forgets
LATEST: Final = 3
PAIRS_AT_ONCE: Final = 40_000

_ITEM: Final = {name: place for place, name in enumerate(ITEM_FEATURES)}
_MEANS: Final = ("like_above", "strength_above", "liked", "strength", "expected_like", "wine_ratings")
IS_RATED: Final = "wine_is_rated"  # of FEATURES: 0 for a wine that nobody has rated
ITEM_ITEM: Final = ("item_item", "item_item_latest", "item_item_best", "item_item_disliked", "item_item_lately")

# Shared pairings cost more than all other matches together.
MATCHED: Final = tuple(name for name in MATCHES if name != "shared_pairings")

FEATURES: Final = (
    "tower", "tower_below_best", "tower_rank",
    *ITEM_ITEM, "item_item_below_best", "item_item_rank",
    *(f"likes_{window}" for window in WINDOWS), *(f"like_share_{window}" for window in WINDOWS), "popular_rank", "rising",
    *(f"wine_{name}" if not name.startswith("wine") else name for name in WINE_FEATURES),
    "log_price", "body", "acidity",
    "member_ratings", *(f"member_{name}" for name in _MEANS), "days_since_newest", "season_cos", "season_sin",
    "price_distance", "abv_distance",
    *(f"tasted_{name}" for name in MATCHED), *(f"taste_{name}" for name in MATCHED), *(f"lately_{name}" for name in MATCHED),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pool:
    """Questions and their candidates, each with everything that the features are made of.

    For M members with C candidates: `asked` (M, C) WINE records, `is_there` (M, C) where there is a candidate at all, `tower`
    (M, C) scores; `member` inputs with `tasted` (M, L) WINE records; of every candidate on the question's day: `features`
    (M, C, wine features) and `likes` (M, C, windows + 1), which all wines together have `total_likes` (M, windows + 1) of.
    """

    asked: Wines
    is_there: npt.NDArray[np.bool_]
    tower: Float32s
    member: MemberInputs
    tasted: Wines
    features: Float32s
    likes: npt.NDArray[np.float32]
    total_likes: npt.NDArray[np.float32]

    def some(self, rows: slice) -> Pool:
        """Some of the questions."""
        others = {name: getattr(self, name)[rows] for name in self.__slots__ if name != "member"}
        return Pool(member=self.member.some(rows), **others)


def of_wines(pool: Pool, places: Int64s) -> Pool:
    """The same questions with only the candidates at `places`."""
    columns = ("asked", "is_there", "tower", "features", "likes")
    return replace(pool, **{name: getattr(pool, name)[:, places] for name in columns})


def pair_features(pool: Pool, item_item: ItemItem) -> Float32s:
    """FEATURES of every candidate of every question; (M, C, features) float32."""
    members, candidates = pool.asked.shape
    longest = pool.member.mask.shape[1]
    values = np.empty((members, candidates, len(FEATURES)), dtype=np.float32)
    at_once = max(1, PAIRS_AT_ONCE // max(1, candidates * longest // 16))
    for begin in range(0, members, at_once):
        rows = slice(begin, begin + at_once)
        for place, column in enumerate(_columns(pool.some(rows), item_item)):
            values[rows, :, place] = column
    return values


def _columns(pool: Pool, item_item: ItemItem) -> Iterator[npt.NDArray[np.floating]]:
    yield from _source(pool.tower, pool.is_there, pool.tower)
    item, mask, years = pool.member.item, pool.member.mask, pool.member.years_ago
    liked = item[..., _ITEM["liked"]] * mask
    # The newest item comes first.
    order = np.cumsum(liked, axis=1)
    latest = liked * (order <= LATEST)
    lately = liked * np.exp(-np.arange(mask.shape[1]) / RECENT_TASTINGS).astype(np.float32)
    # "item_item" is the source's own score, over all that was tasted; the others part the liked from the rest.
    between = item_item.between(item_item.places(pool.tasted["wine"])[:, None, :], item_item.places(pool.asked["wine"])[:, :, None])
    goes_with = np.matmul(between, np.stack([mask, latest, (1 - liked) * mask, lately], axis=2))
    best = (between * liked[:, None]).max(axis=2)
    yield from (goes_with[..., 0], goes_with[..., 1], best, goes_with[..., 2], goes_with[..., 3])
    yield from list(_source(goes_with[..., 0], pool.is_there, goes_with[..., 0]))[1:]
    likes = pool.likes
    for window in range(len(WINDOWS)):
        yield np.log1p(likes[..., window])
    total = np.maximum(pool.total_likes, 1.0)
    for window in range(len(WINDOWS)):
        yield np.log((likes[..., window] + 0.5) / total[:, None, window])
    yield _rank(likes[..., WINDOWS_DAYS.index(90)], pool.is_there)
    yield np.log((likes[..., 0] + 0.5) / total[:, None, 0]) - np.log((likes[..., 2] + 0.5) / total[:, None, 2])
    yield from np.moveaxis(pool.features, -1, 0)
    asked = pool.asked
    for name in ("log_price", "body", "acidity"):
        yield asked[name]
    yield from _member(pool, mask, item, years)
    for name in ("log_price", "abv"):
        yield _distance(asked[name], pool.tasted[name], liked)
    yield from _matches(pool, item, mask, lately)


def _member(pool: Pool, mask: Float32s, item: Float32s, years: Float32s) -> Iterator[Float32s]:
    shape = pool.asked.shape
    count = mask.sum(axis=1)
    columns = [np.log1p(count)]
    columns += [(item[..., _ITEM[name]] * mask).sum(axis=1) / (count + 2.0) for name in _MEANS]
    columns += [np.where(count > 0, np.log1p(years[:, 0] * 365.25), np.nan), *pool.member.season.T]
    yield from (np.broadcast_to(column[:, None], shape) for column in columns)


def _distance(asked: Float32s, tasted: Float32s, liked: Float32s) -> Float32s:
    """How far a number lies from the mean of those that the member liked; NaN where either is not known."""
    known = np.where(np.isnan(tasted), 0.0, liked)
    count = known.sum(axis=1)
    mean = (np.nan_to_num(tasted) * known).sum(axis=1) / np.maximum(count, 1.0)
    return np.asarray(asked - np.where(count > 0, mean, np.nan)[:, None], dtype=np.float32)


def _matches(pool: Pool, item: Float32s, mask: Float32s, lately: Float32s) -> Iterator[Float32s]:
    """How many tasted wines are like the candidate, what their member made of them, and how many were liked lately."""
    given = np.stack([mask, item[..., _ITEM["like_above"]] * mask, lately], axis=2)  # (M, L, 3)
    asked, tasted = pool.asked[:, :, None], pool.tasted[:, None, :]
    sums = np.stack([np.matmul(MATCHES[name](asked, tasted), given) for name in MATCHED])  # (matches, M, C, 3)
    yield from np.log1p(sums[..., 0])
    yield from sums[..., 1] / (sums[..., 0] + MATCH_BELIEF)
    yield from sums[..., 2]


def _source(scores: Float32s, is_there: npt.NDArray[np.bool_], ranked: Float32s) -> Iterator[Float32s]:
    """A source's score, how far it lies below the question's best, and its rank among the candidates."""
    yield scores
    yield scores - np.where(is_there, scores, -np.inf).max(axis=1, keepdims=True)
    yield _rank(ranked, is_there)


def _rank(scores: npt.NDArray[np.floating], is_there: npt.NDArray[np.bool_]) -> Float32s:
    """log(1 + place) among the question's candidates, by descending score; equal scores share the first place."""
    ranked = np.sort(np.where(is_there, -scores, np.inf), axis=1)
    places = np.stack([np.searchsorted(row, -given) for row, given in zip(ranked, scores, strict=True)])
    return np.asarray(np.log1p(places), dtype=np.float32)
