"""What the facts bear out of a wine, for it or against it: a sentence where they do, nothing where they do not; reasons.py calls it.

A forest may use a feature for whatever it learnt. What is said must be true of the wine and the member, and speak the way the effect goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.item_item import ItemItem
from cellar_recommender.serving.merging import QUOTAS
from cellar_recommender.serving.ranking import FEATURES, MATCH_BELIEF, Pool
from cellar_recommender.serving.towers import WINDOWS
from cellar_shared.features.identity import UNKNOWN
from cellar_shared.features.tastings import ITEM_FEATURES

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Names = Callable[[Int64s], list[str | None]]

POPULAR_PLACES: Final = QUOTAS["popular"]  # so many places among the candidates are what the source of popular wines gives
MOVING_LIKES: Final = 3  # fewer say nothing of where a wine's popularity goes (judgement)
FEW_RATINGS: Final = 10  # below, a wine is little known; judgement, as the next ones
MANY_RATINGS: Final = 100
PRICES: Final = (float(np.log(1.25)), float(np.log(1.5)))  # prices within a quarter are near, beyond half as much again far
PERCENTS: Final = (0.5, 1.5)  # of alcohol, likewise
KINDS: Final = ("region_type", "grape_type", "country_type")
# What two wines can share, and how a sentence puts it.
SHARED: Final = {
    "producer": " by {}",
    "region": " from {}",
    "grape": " with {}",
    "country": " from {}",
    "type": " of type {}",
    "body": " of its body",
    "acidity": " of its acidity",
}
UNNAMED: Final = ("body", "acidity")

_PLACE: Final = {name: place for place, name in enumerate(FEATURES)}
_LIKED, _LIKE_ABOVE = (list(ITEM_FEATURES).index(name) for name in ("liked", "like_above"))


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence, its code, and what it says in numbers and names."""

    code: str
    params: dict[str, str | float]
    text: str


class Evidence:
    """The facts about n items and M members who ask together; each question is of one item, `is_for` or against it."""

    def __init__(self, features: Float32s, above: Float64s, pool: Pool, item_item: ItemItem, names: Names) -> None:
        """`features` (M, n, FEATURES) as ranked with, `above` (M, n) how far the towers' scores lie above the candidates' mean."""
        self._features, self._above, self._pool, self._item_item, self._names = features, above, pool, item_item, names
        self._liked = pool.member.item[..., _LIKED] * pool.member.mask
        self._ratings = pool.member.mask.sum(axis=1)

    def taste(self, item: int, is_for: bool) -> Said | None:
        """Where the towers place it among the candidates."""
        if not self._ratings.any() or (self._above[self._ratings > 0, item].mean() > 0) != is_for:
            return None
        params: dict[str, str | float] = {"ratings": int(self._ratings.sum())}
        if is_for:
            return Said("close_to_taste", params, "Closer to your taste than most.")
        return Said("far_from_taste", params, "Further from what you like than most wines considered.")

    def goes_with(self, item: int, is_for: bool) -> Said | None:
        """The liked wine that it goes with best."""
        return self._beside(item, self._liked, "goes_with_liked", "liked") if is_for else None

    def goes_with_disliked(self, item: int, is_for: bool) -> Said | None:
        """The wine it goes with best among those that were rated and not liked."""
        others = self._pool.member.mask - self._liked
        return None if is_for else self._beside(item, others, "goes_with_disliked", "did not like")

    def popular(self, item: int, is_for: bool) -> Said | None:
        """Likes of the last 90 days."""
        likes = self._likes(item, "90d")
        is_popular = likes > 0 and np.expm1(self._features[:, item, _PLACE["popular_rank"]].min()) < POPULAR_PLACES - 0.5
        if is_popular != is_for:
            return None
        if is_for:
            return Said("popular", {"likes": likes}, f"Popular now: {_count(likes, 'like')} in the last 90 days.")
        return Said("few_likes", {"likes": likes}, f"Fewer likes than others lately: {likes} in the last 90 days.")

    def rising(self, item: int, is_for: bool) -> Said | None:
        """Its share of the last 30 days' likes beside its share of the year's."""
        likes = self._likes(item, "30d" if is_for else "365d")
        if likes < MOVING_LIKES or (self._mean("rising", item) > 0) != is_for:
            return None
        code, more = ("rising", "more") if is_for else ("fading", "less")
        return Said(code, {"likes": self._likes(item, "30d")}, f"Liked {more} often in the last 30 days than over the year.")

    def rated(self, item: int, is_for: bool) -> Said | None:
        """What its ratings make of it."""
        ratings = self._count("wine_ratings", item)
        if not ratings or (self._mean("wine_likes", item) > 0) != is_for:
            return None
        code, more = ("well_rated", "more") if is_for else ("poorly_rated", "less")
        return Said(code, {"ratings": ratings}, f"People like it {more} often than most wines.")

    def producer_rated(self, item: int, is_for: bool) -> Said | None:
        """What is made of its producer's other wines."""
        name = self._named(self._pool.asked["producer"][0, item])
        ratings = self._count("wine_producer_ratings", item)
        if name is None or not ratings or (self._mean("wine_producer_likes", item) > 0) != is_for:
            return None
        code, more = ("producer_praised", "more") if is_for else ("producer_faulted", "less")
        return Said(code, {"producer": name, "ratings": ratings}, f"Other wines by {name} are liked {more} often than most.")

    def kind_rated(self, item: int, is_for: bool) -> Said | None:
        """What is made of other wines of its region, grape and country."""
        found = [self._mean(f"wine_{kind}_likes", item) for kind in KINDS if self._count(f"wine_{kind}_ratings", item)]
        if not found or (float(np.mean(found)) > 0) != is_for:
            return None
        code, more = ("kind_praised", "more") if is_for else ("kind_faulted", "less")
        return Said(code, {}, f"Wines of its kind are liked {more} often than most.")

    def known(self, item: int, is_for: bool) -> Said | None:
        """How many have rated it."""
        ratings = self._count("wine_ratings", item)
        if ratings < FEW_RATINGS:
            few = f"only {_count(ratings, 'rating')} so far."
            return Said("little_known", {"ratings": ratings}, f"A discovery: {few}" if is_for else few.capitalize())
        if ratings >= MANY_RATINGS and is_for:
            return Said("well_known", {"ratings": ratings}, f"Well known: {ratings} ratings.")
        return None

    def price(self, item: int, is_for: bool) -> Said | None:
        """Its price beside that of the liked wines."""
        return self._distance("price", "price_distance", PRICES, item, is_for)

    def alcohol(self, item: int, is_for: bool) -> Said | None:
        """Its strength beside that of the liked wines."""
        return self._distance("alcohol", "abv_distance", PERCENTS, item, is_for)

    def shared(self, what: str, item: int, is_for: bool) -> Said | None:
        """What the members made of wines that have `what` of SHARED in common with it; of several grapes the one that says most."""
        asked = self._pool.asked["grapes" if what == "grape" else what][0, item]
        best, said = 0.0, None
        for value in np.atleast_1d(asked):
            same = self._same(what, value)
            tasted, liked = int(same.sum()), int((same * self._liked).sum())
            above = float((same * self._pool.member.item[..., _LIKE_ABOVE]).sum()) / (tasted + MATCH_BELIEF)
            speaks = above > best and 2 * liked >= tasted if is_for else -above > best and 2 * liked < tasted
            name = "" if what in UNNAMED else self._named(value) if speaks else None
            if not speaks or name is None:
                continue
            named: dict[str, str | float] = {} if what in UNNAMED else {what: name}
            params = {**named, "tasted": tasted, "liked": liked}
            code = f"{what}_{'liked' if is_for else 'disliked'}"
            best, said = abs(above), Said(code, params, _told(tasted, liked, SHARED[what].format(name)))
        return said

    def _same(self, what: str, value: np.generic) -> Float32s:
        """Which of the rated wines have it too; (M, L)."""
        tasted = self._pool.tasted["grapes" if what == "grape" else what]
        same = tasted == value  # NaN equals nothing
        same = same.any(axis=-1) if what == "grape" else same
        return np.asarray(same * self._pool.member.mask, dtype=np.float32)

    @cached_property
    def _between(self) -> Float32s:
        """Weights from each rated wine to each item; (M, L, n)."""
        place = self._item_item.places
        return self._item_item.between(place(self._pool.tasted["wine"])[:, :, None], place(self._pool.asked["wine"])[:, None, :])

    def _beside(self, item: int, counted: Float32s, code: str, did: str) -> Said | None:
        weights = self._between[..., item] * counted
        best = np.unravel_index(int(weights.argmax()), weights.shape)
        name = self._named(self._pool.tasted["wine"][best]) if weights[best] > 0 else None
        if name is None:
            return None
        # Half a region's wines go by the region's name: the producer tells them apart.
        producer = self._named(self._pool.tasted["producer"][best])
        params: dict[str, str | float] = {"wine": name} if producer is None else {"wine": name, "producer": producer}
        return Said(code, params, f"Goes with {' by '.join(map(str, params.values()))}, which you {did}.")

    def _distance(self, what: str, feature: str, bounds: tuple[float, float], item: int, is_for: bool) -> Said | None:
        given = self._features[:, item, _PLACE[feature]]
        if np.isnan(given).all():
            return None
        distance = float(np.nanmean(given))
        near, far = bounds
        if is_for:
            return Said(f"{what}_near", {}, f"Its {what} is near that of the wines you like.") if abs(distance) <= near else None
        if abs(distance) < far:
            return None
        side = "higher" if distance > 0 else "lower"
        return Said(f"{what}_{side}", {}, f"Its {what} is {side} than that of the wines you like.")

    def _likes(self, item: int, window: str) -> int:
        return round(float(self._pool.likes[0, item, WINDOWS.index(window)]))

    def _mean(self, feature: str, item: int) -> float:
        return float(self._features[:, item, _PLACE[feature]].mean())

    def _count(self, feature: str, item: int) -> int:
        """A feature that is log(1 + n) of something counted."""
        return round(float(np.expm1(self._features[0, item, _PLACE[feature]])))

    def _named(self, identity: np.generic) -> str | None:
        return self._names(np.array([identity], dtype=np.int64))[0] if identity != UNKNOWN else None


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _told(tasted: int, liked: int, whose: str) -> str:
    """How many of the wines that share something were liked."""
    if tasted == 1:
        return f"You liked a wine{whose}." if liked else f"You did not like the one wine{whose} that you rated."
    if liked == tasted:
        return f"You liked all {tasted} wines{whose}."
    if not liked:
        return f"You liked none of {tasted} wines{whose}."
    return f"You liked {'only ' if 2 * liked < tasted else ''}{liked} of {tasted} wines{whose}."
