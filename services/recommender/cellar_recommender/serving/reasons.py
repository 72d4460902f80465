"""Why a wine stands where it stands: what the score was made of, told in the few things a person understands; only when asked for.

A ranked score is the towers' plus the forest's, so effects of both compare. Pure: the service core calls `explain` with the values
that it ranked with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.contract import BottleTold, RecommendationReason
from cellar_recommender.serving.contributions import Trees, contributions
from cellar_recommender.serving.evidence import SHARED, Evidence, Float32s, Float64s, Names, Said
from cellar_recommender.serving.item_item import ItemItem
from cellar_recommender.serving.ranking import FEATURES, IS_RATED, Pool
from cellar_recommender.serving.towers import WINDOWS

MOST: Final = 3  # reasons of an item
# Smaller ones move a wine by no place: the first 20 of an answer lie .02 to .12 apart (medians of 25 answers, X-Wines).
LEAST_EFFECT: Final = 0.01
DECIMALS: Final = 4

# Every code there is, and what it says. `_liked` and `_disliked` are of wines that the member rated.
CODES: Final = {
    "close_to_taste": "the member's vector lies nearer to it than to the candidates on average",
    "far_from_taste": "it lies further than they do",
    "goes_with_liked": "what it goes with best among the wines the member liked",
    "goes_with_disliked": "what it goes with best among the wines the member rated and did not like",
    **{f"{what}_liked": f"the member liked most rated wines of its {what}, and more than others do" for what in SHARED},
    **{f"{what}_disliked": f"the member liked few rated wines of its {what}, and fewer than others do" for what in SHARED},
    "price_near": "its price is within a quarter of what the liked wines cost",
    "price_higher": "it costs at least half as much again",
    "price_lower": "they cost at least half as much again",
    "alcohol_near": "its strength is within half a percent of the liked wines'",
    "alcohol_higher": "at least 1.5 percent above it",
    "alcohol_lower": "at least 1.5 percent below it",
    "popular": "among the most liked candidates of the last 90 days",
    "few_likes": "not among them",
    "rising": "its share of all likes is higher in the last 30 days than over the year",
    "fading": "its share is lower",
    "well_rated": "those who rated it liked it more often than wines are liked",
    "poorly_rated": "they liked it less often",
    "producer_praised": "its producer's other wines are liked more often than most",
    "producer_faulted": "they are liked less often",
    "kind_praised": "other wines of its region, grape and country are liked more often than most",
    "kind_faulted": "they are liked less often",
    "well_known": "at least 100 ratings, which speak for it",
    "little_known": "fewer than 10 ratings, which speak for it or against it as the effect says",
    "in_window": "a bottle of the member's is within its window and not past its peak; effect 0",
    "drink_soon": "a bottle of the member's is past its peak, or none is ready and one past its window; effect 0",
    "owned": "the member has bottles of it, not yet ready or of unknown phase; effect 0",
}

_TASTE: Final = "taste"
_POPULAR: Final = "popular"


def _matches(*names: str) -> tuple[str, ...]:
    return tuple(f"{view}_{name}" for name in names for view in ("tasted", "taste", "lately"))


# What a person understands by the features. A thing of SHARED is told by that, any other by the method of Evidence of its name.
THINGS: Final[dict[str, tuple[str, ...]]] = {
    _TASTE: ("tower", "tower_below_best", "tower_rank"),
    "goes_with": ("item_item", "item_item_latest", "item_item_best", "item_item_lately", "item_item_below_best", "item_item_rank"),
    "goes_with_disliked": ("item_item_disliked",),
    _POPULAR: (*(f"likes_{window}" for window in WINDOWS), *(f"like_share_{window}" for window in WINDOWS), "popular_rank"),
    "rising": ("rising",),
    "rated": (
        *("wine_chance", "wine_vintage_chance", "wine_likes", "wine_strengths", "wine_year_likes", "wine_year_strengths"),
        *("wine_vintage_likes", "wine_vintage_strengths", "wine_poor", "wine_great"),
    ),
    "producer_rated": ("wine_producer_likes", "wine_producer_strengths"),
    "kind_rated": tuple(f"wine_{kind}_{what}" for kind in ("country_type", "region_type", "grape_type") for what in ("likes", "strengths")),
    "known": ("wine_ratings", "wine_year_ratings", "wine_vintage_ratings", "wine_is_rated"),
    "producer": _matches("same_producer"),
    "region": _matches("same_region", "same_region_and_type"),
    "grape": _matches("shared_grapes", "same_grape_and_type"),
    "country": _matches("same_country", "same_country_and_type"),
    "type": _matches("same_type"),
    "body": ("body", *_matches("same_body")),
    "acidity": ("acidity",),
    "price": ("log_price", "price_distance"),
    "alcohol": ("wine_abv", "abv_distance"),
}
# The day, the member and how much is known of wider groups say nothing of one wine.
UNTOLD: Final = (
    *("wine_everyone_likes", "wine_everyone_strength", "wine_everyone_unexplained", "wine_age", "wine_is_ageless"),
    *(f"wine_{level}_ratings" for level in ("country_type", "region_type", "grape_type", "producer")),
    *(name for name in FEATURES if name.startswith("member_")),
    *("days_since_newest", "season_cos", "season_sin"),
)

Say = Callable[[int, bool], Said | None]


def explain(
    forest: Trees,
    features: Float32s,
    tower: Float32s,
    tower_mean: Float32s,
    pool: Pool,
    item_item: ItemItem,
    names: Names,
    bottles: Sequence[Sequence[BottleTold]],
) -> list[list[RecommendationReason]]:
    """At most MOST reasons of each of n items for M members who ask together, by falling size of effect; codes are of CODES.

    `features` (M, n, FEATURES) float32 as the forest was given them, ranks among all candidates; `tower` (M, n) the towers' scores and
    `tower_mean` (M,) their mean over all candidates; `pool` of the n items; `names` of identities, None where nobody knows; `bottles`
    of each item, that must be drunk soonest first. Effects are means over the members, in units of the ranked score. An item with
    bottles has one reason of theirs, last, with effect 0.
    """
    members, items = tower.shape
    flat = features.reshape(members * items, features.shape[-1])
    _, added = contributions(forest, flat)
    # Where nobody has rated a wine its score owes nothing to the forest (`recommending.corrections`).
    added = added * (flat[:, FEATURES.index(IS_RATED)] > 0)[:, None]
    above = np.asarray(tower, dtype=np.float64) - np.asarray(tower_mean, dtype=np.float64)[:, None]
    effects = _of_things(added.reshape(features.shape), above, pool.member.mask.sum(axis=1) > 0)
    evidence = Evidence(features, above, pool, item_item, names)
    say: list[Say] = [partial(evidence.shared, thing) if thing in SHARED else getattr(evidence, thing) for thing in THINGS]
    return [_of_item(item, effects[item], say, bottles[item]) for item in range(items)]


def of_bottles(bottles: Sequence[BottleTold]) -> RecommendationReason | None:
    """What an item's bottles, soonest to be drunk first, say for opening it; None where there are none."""
    if not bottles:
        return None
    by_phase = {bottle.phase: bottle for bottle in reversed(bottles)}
    ready = by_phase.get("peak") or by_phase.get("early")
    found: dict[str, str | float] = {"bottles": len(bottles)}
    if late := by_phase.get("late"):
        until = "" if late.drink_by is None else f": drink it by {late.drink_by}"
        return _of_bottle("drink_soon", found, late, f"A bottle of yours is past its peak{until}.")
    if ready:
        return _of_bottle(
            "in_window", found, ready, f"A bottle of yours is {'at its peak' if ready.phase == 'peak' else 'ready to drink'}."
        )
    if "hold" not in by_phase and (past := by_phase.get("past")):
        return _of_bottle("drink_soon", found, past, "A bottle of yours is past its window: drink it soon.")
    return _of_bottle(
        "owned", found, bottles[0], "You have a bottle of it." if len(bottles) == 1 else f"You have {len(bottles)} bottles of it."
    )


def _of_bottle(code: str, found: dict[str, str | float], bottle: BottleTold, text: str) -> RecommendationReason:
    told = {name: value for name in ("bottle_id", "phase", "drink_by") if (value := getattr(bottle, name)) is not None}
    return RecommendationReason(code=code, effect=0.0, params={**found, **told}, text=text)


def _of_things(added: Float64s, above: Float64s, has_ratings: npt.NDArray[np.bool_]) -> Float64s:
    """What each of THINGS adds to an item's score, the mean over the members; (items, things)."""
    order = list(THINGS)
    of_thing = np.zeros((len(FEATURES), len(order)))
    for column, held in enumerate(THINGS.values()):
        of_thing[[FEATURES.index(name) for name in held], column] = 1.0
    effects = added @ of_thing
    taste, popular = order.index(_TASTE), order.index(_POPULAR)
    effects[..., taste] += above
    # Of somebody without a rating the towers know no taste: what they then score is what people like.
    effects[~has_ratings, :, popular] += effects[~has_ratings, :, taste]
    effects[~has_ratings, :, taste] = 0.0
    return np.asarray(effects.mean(axis=0))


def _of_item(item: int, effects: Float64s, say: Sequence[Say], bottles: Sequence[BottleTold]) -> list[RecommendationReason]:
    owned = of_bottles(bottles)
    reasons: list[RecommendationReason] = []
    for thing in np.argsort(-np.abs(effects), kind="stable").tolist():
        effect = float(effects[thing])
        if abs(effect) < LEAST_EFFECT or len(reasons) == MOST - (owned is not None):
            break
        if said := say[thing](item, effect > 0):
            reasons.append(RecommendationReason(code=said.code, effect=round(effect, DECIMALS), params=said.params, text=said.text))
    return [*reasons, owned] if owned else reasons
