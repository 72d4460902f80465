"""Reasons: what the score was made of, told truthfully and the way it went; of nobody's taste where nobody has rated."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cellar_recommender
from cellar_recommender.serving.contract import BottleTold
from cellar_recommender.serving.contributions import Trees, contributions
from cellar_recommender.serving.golden import GoldenCases
from cellar_recommender.serving.item_item import ItemItem
from cellar_recommender.serving.merging import QUOTAS
from cellar_recommender.serving.ranking import FEATURES, IS_RATED, Pool, pair_features
from cellar_recommender.serving.reasons import CODES, LEAST_EFFECT, MOST, THINGS, UNTOLD, explain, of_bottles
from cellar_recommender.serving.recommender import GOLDEN_FILE, Recommender
from cellar_recommender.serving.recommending import retrieve
from cellar_recommender.serving.sources import TOWERS, pool_of
from cellar_recommender.serving.towers import WINDOWS, MemberInputs
from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.features.identity import identity
from cellar_shared.features.tastings import ITEM_FEATURES
from cellar_shared.features.wines import WINE, WineFacts, wine_record

BAROLO = WineFacts("Rinaldi", "Red", "Italy", "Piemonte", ["Nebbiolo"], 14.0, 5.0, 4.0, 50.0)
ROERO = WineFacts("Rinaldi", "Red", "Italy", "Piemonte", ["Nebbiolo", "Arneis"], 14.0, 5.0, 4.0, 52.0)
CAVA = WineFacts("Mestres", "Sparkling", "Spain", "Penedes", ["Macabeo"], 11.5, 2.0, 3.0, 15.0)
TEXTS = {
    identity(kind, text): text
    for kind, texts in {
        "wine": ["barolo", "roero", "cava"],
        "producer": ["Rinaldi", "Mestres"],
        "type": ["Red", "Sparkling"],
        "country": ["Italy", "Spain"],
        "region": ["Piemonte", "Penedes"],
        "grape": ["Nebbiolo", "Arneis", "Macabeo"],
    }.items()
    for text in texts
}
NO_ITEM_ITEM = ItemItem.dense(np.zeros(0, dtype=np.int64), np.zeros((0, 0), dtype=np.float32))
GOES_WITH = ItemItem.dense(
    np.sort(np.array([identity("wine", "barolo"), identity("wine", "roero")])), np.array([[0, 0.4], [0.4, 0]], dtype=np.float32)
)
SPEAKS_FOR = re.compile("close_to_taste|.*_(liked|near|praised)|popular|rising|well_rated|well_known")
SPEAKS_AGAINST = re.compile("far_from_taste|.*_(disliked|faulted|higher|lower)|few_likes|fading|poorly_rated")
OF_TASTE = re.compile(".*(_taste|_liked|_disliked|_near|_higher|_lower)")


def names(identities):
    assert identities.dtype == np.int64
    return [TEXTS.get(one) for one in identities.tolist()]


def numbered(identities):
    return [f"<{one}>" for one in identities.tolist()]


def stumps(*splits: tuple[str, float, float]) -> Trees:
    """One tree a split (feature, threshold, effect): less the effect up to the threshold, the effect above it and where it is missing."""
    nodes = len(splits)
    root = 3 * np.arange(nodes)
    here = np.arange(3 * nodes)
    trees = Trees(
        roots=root.astype(np.int32),
        feature=np.zeros(3 * nodes, dtype=np.int32),
        threshold=np.zeros(3 * nodes, dtype=np.float32),
        is_missing_left=np.zeros(3 * nodes, dtype=bool),
        left=here.astype(np.int32),
        right=here.astype(np.int32),
        value=np.zeros(3 * nodes),
    )
    for at, (name, threshold, effect) in zip(root, splits, strict=True):
        trees.feature[at], trees.threshold[at] = FEATURES.index(name), threshold
        trees.left[at], trees.right[at] = at + 1, at + 2
        trees.value[at + 1 : at + 3] = -effect, effect
    return trees


def always(name: str, effect: float) -> Trees:
    """A forest that adds `effect` for whatever the feature is."""
    return stumps((name, -np.inf, effect))


def member(*tasted: tuple[str, WineFacts, bool], expected: float = 0.5) -> tuple[MemberInputs, np.ndarray]:
    """Somebody who rated these wines, each liked or not where everyone would with the chance `expected`, and the wines' records."""
    items = max(1, len(tasted))
    item = np.zeros((1, items, len(ITEM_FEATURES)), dtype=np.float32)
    wines = np.array([wine_record(name, facts) for name, facts, _ in tasted] or [wine_record(None, WineFacts())], dtype=WINE)
    for place, (_, _, liked) in enumerate(tasted):
        item[0, place, list(ITEM_FEATURES).index("liked")] = liked
        item[0, place, list(ITEM_FEATURES).index("like_above")] = liked - expected
    mask = np.zeros((1, items), dtype=np.float32)
    mask[0, : len(tasted)] = 1
    return MemberInputs(item, mask * 0, np.zeros((1, items, 3), dtype=np.int64), mask, np.zeros((1, 2), dtype=np.float32)), wines[None]


def pool(who, *asked: tuple[str, WineFacts], likes=(0, 0, 0, 0), ratings: int = 0, level: float = 0.0, is_rated: bool = True) -> Pool:
    """The candidates `asked`, each with the same likes, and with ratings at `level` above everyone's."""
    inputs, tasted = who
    wines = np.array([wine_record(name, facts) for name, facts in asked], dtype=WINE)[None]
    width = [name for name in FEATURES if name.startswith("wine_")]
    known = np.full((1, len(asked), len(width)), level, dtype=np.float32)
    known[..., [name.endswith("_ratings") for name in width]] = np.log1p(ratings)
    known[..., width.index(IS_RATED)] = is_rated
    shape = (1, len(asked))
    each = np.broadcast_to(np.array(likes, dtype=np.float32), (*shape, len(WINDOWS)))
    total = np.array([[1e3, 3e3, 12e3, 9e4]], dtype=np.float32)
    return Pool(wines, np.ones(shape, dtype=bool), np.zeros(shape, dtype=np.float32), inputs, tasted, known, each, total)


def told(forest: Trees, of: Pool, item_item: ItemItem = NO_ITEM_ITEM, tower: float = 0.0, bottles=(), features=None):
    """The reasons of the first item, its tower's score so much above the candidates' mean."""
    features = pair_features(of, item_item) if features is None else features
    given = np.full(of.asked.shape, tower, dtype=np.float32)
    everyone = [bottles] * of.asked.shape[1]
    return explain(forest, features, given, np.zeros(len(given), dtype=np.float32), of, item_item, names, everyone)[0]


LIKED = member(("barolo", BAROLO, True))
DISLIKED = member(("barolo", BAROLO, False))
NOBODY = member()
GOOD = {"ratings": 9, "level": 0.1}
BAD = {"ratings": 9, "level": -0.1}
PAST = "A bottle of yours is past its window: drink it soon."


def test_every_feature_speaks_of_one_thing_or_is_not_told():
    assert sorted([*(name for held in THINGS.values() for name in held), *UNTOLD]) == sorted(FEATURES)


def test_the_readme_lists_every_code():
    readme = (Path(cellar_recommender.__file__).parents[1] / "README.md").read_text()
    section = readme.split("## Reasons")[1].split("\n## ")[0]
    listed = re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `")))
    assert sorted(listed) == sorted(CODES)


@pytest.mark.parametrize(
    ("feature", "effect", "who", "code", "named", "text"),
    [
        ("taste_same_producer", 0.2, LIKED, "producer_liked", {"producer": "Rinaldi"}, "You liked a wine by Rinaldi."),
        ("lately_same_region_and_type", 0.2, LIKED, "region_liked", {"region": "Piemonte"}, "You liked a wine from Piemonte."),
        ("taste_shared_grapes", 0.2, LIKED, "grape_liked", {"grape": "Nebbiolo"}, "You liked a wine with Nebbiolo."),
        ("taste_same_country", 0.2, LIKED, "country_liked", {"country": "Italy"}, "You liked a wine from Italy."),
        ("taste_same_type", 0.2, LIKED, "type_liked", {"type": "Red"}, "You liked a wine of type Red."),
        ("body", 0.2, LIKED, "body_liked", {}, "You liked a wine of its body."),
        ("acidity", -0.2, DISLIKED, "acidity_disliked", {}, "You did not like the one wine of its acidity that you rated."),
    ],
)  # fmt: skip
def test_what_a_member_made_of_such_wines_is_told(feature, effect, who, code, named, text):
    (reason,) = told(always(feature, effect), pool(who, ("roero", ROERO)))
    assert (reason.code, reason.params, reason.text) == (code, {**named, "tasted": 1, "liked": int(effect > 0)}, text)
    assert reason.effect == pytest.approx(effect)


@pytest.mark.parametrize(
    ("feature", "effect", "asked", "liked", "code", "text"),
    [
        ("price_distance", 0.2, ROERO, BAROLO, "price_near", "Its price is near that of the wines you like."),
        ("log_price", -0.2, ROERO, CAVA, "price_higher", "Its price is higher than that of the wines you like."),
        ("log_price", -0.2, CAVA, BAROLO, "price_lower", "Its price is lower than that of the wines you like."),
        ("wine_abv", 0.2, ROERO, BAROLO, "alcohol_near", "Its alcohol is near that of the wines you like."),
        ("abv_distance", -0.2, ROERO, CAVA, "alcohol_higher", "Its alcohol is higher than that of the wines you like."),
        ("abv_distance", -0.2, CAVA, ROERO, "alcohol_lower", "Its alcohol is lower than that of the wines you like."),
    ],
)
def test_a_distance_from_the_liked_wines_is_told(feature, effect, asked, liked, code, text):
    of = pool(member(("a", liked, True), ("b", asked, False)), ("roero", asked))
    (reason,) = told(always(feature, effect), of)
    assert (reason.code, reason.params, reason.text) == (code, {}, text)
    assert told(always(feature, -effect), of) == []


@pytest.mark.parametrize(
    ("tasted", "expected", "effect", "text"),
    [
        ([True, True, True], 0.5, 0.2, "You liked all 3 wines by Rinaldi."),
        ([True, True, False], 0.5, 0.2, "You liked 2 of 3 wines by Rinaldi."),
        ([True, False, False], 0.5, -0.2, "You liked only 1 of 3 wines by Rinaldi."),
        ([False, False], 0.5, -0.2, "You liked none of 2 wines by Rinaldi."),
        ([True, True, False], 0.5, -0.2, None),
        ([True, False, False], 0.5, 0.2, None),
        # More than others would and yet seldom, less than others would and yet mostly.
        ([True, False, False], 0.1, 0.2, None),
        ([True, False, False], 0.1, -0.2, None),
        ([True, True, False], 0.9, 0.2, None),
        ([True, True, False], 0.9, -0.2, None),
        ([], 0.5, 0.2, None),
        ([], 0.5, -0.2, None),
    ],
)
def test_a_sentence_goes_the_way_of_effect_and_facts_or_is_not_said(tasted, expected, effect, text):
    who = member(*(("barolo", BAROLO, liked) for liked in tasted), expected=expected)
    assert [reason.text for reason in told(always("taste_same_producer", effect), pool(who, ("roero", ROERO)))] == ([text] if text else [])


@pytest.mark.parametrize("grapes", [["Arneis", "Nebbiolo"], ["Nebbiolo", "Arneis"]])
def test_of_several_grapes_the_one_that_says_most_is_named(grapes):
    arneis = replace(ROERO, grapes=["Arneis"])
    who = member(("cava", arneis, True), ("barolo", BAROLO, True), ("barolo", BAROLO, True))
    (reason,) = told(always("taste_shared_grapes", 0.2), pool(who, ("roero", replace(ROERO, grapes=grapes))))
    assert reason.params == {"grape": "Nebbiolo", "tasted": 2, "liked": 2}


def test_the_liked_wine_that_it_goes_with_is_named():
    who = member(("cava", CAVA, True), ("barolo", BAROLO, True))
    (reason,) = told(always("item_item_best", 0.2), pool(who, ("roero", ROERO)), GOES_WITH)
    assert (reason.code, reason.params) == ("goes_with_liked", {"wine": "barolo", "producer": "Rinaldi"})
    assert reason.text == "Goes with barolo by Rinaldi, which you liked."
    unnamed = member(("barolo", WineFacts(), True))
    assert told(always("item_item_best", 0.2), pool(unnamed, ("roero", ROERO)), GOES_WITH)[0].text == "Goes with barolo, which you liked."
    assert told(always("item_item_best", -0.2), pool(who, ("roero", ROERO)), GOES_WITH) == []
    assert told(always("item_item_best", 0.2), pool(DISLIKED, ("roero", ROERO)), GOES_WITH) == []
    (reason,) = told(always("item_item_disliked", -0.2), pool(DISLIKED, ("roero", ROERO)), GOES_WITH)
    assert (reason.code, reason.text) == ("goes_with_disliked", "Goes with barolo by Rinaldi, which you did not like.")
    assert told(always("item_item_disliked", -0.2), pool(who, ("roero", ROERO)), GOES_WITH) == []


def test_what_has_no_name_is_not_told():
    unheard = replace(ROERO, producer="Nobody's")
    who = member(("barolo", replace(BAROLO, producer="Nobody's"), True))
    assert told(always("taste_same_producer", 0.2), pool(who, ("roero", unheard))) == []
    nothing = member(("barolo", WineFacts(), True))
    for thing in ("producer", "type", "country", "region"):
        assert told(always(f"taste_same_{thing}", 0.2), pool(nothing, ("roero", WineFacts()))) == []
    for feature in ("taste_shared_grapes", "body", "acidity", "price_distance", "abv_distance", "log_price"):
        assert told(always(feature, 0.2), pool(nothing, ("roero", WineFacts()))) == []


@pytest.mark.parametrize(
    ("feature", "effect", "facts", "code", "text"),
    [
        ("likes_90d", 0.2, {"likes": (1, 7, 20, 50)}, "popular", "Popular now: 7 likes in the last 90 days."),
        ("like_share_365d", 0.2, {"likes": (1, 1, 20, 50)}, "popular", "Popular now: 1 like in the last 90 days."),
        ("likes_90d", -0.2, {}, "few_likes", "Fewer likes than others lately: 0 in the last 90 days."),
        ("likes_90d", -0.2, {"likes": (1, 7, 20, 50)}, None, None),
        ("likes_90d", 0.2, {}, None, None),
        ("rising", 0.2, {"likes": (5, 7, 20, 50)}, "rising", "Liked more often in the last 30 days than over the year."),
        ("rising", 0.2, {"likes": (2, 2, 2, 2)}, None, None),
        ("rising", -0.2, {"likes": (0, 7, 40, 50)}, "fading", "Liked less often in the last 30 days than over the year."),
        ("wine_chance", 0.2, {"ratings": 4, "level": 0.1}, "well_rated", "People like it more often than most wines."),
        ("wine_poor", -0.2, {"ratings": 4, "level": -0.1}, "poorly_rated", "People like it less often than most wines."),
        ("wine_chance", 0.2, {"ratings": 0, "level": 0.1}, None, None),
        ("wine_chance", -0.2, {"ratings": 4, "level": 0.1}, None, None),
        ("wine_producer_likes", 0.2, GOOD, "producer_praised", "Other wines by Rinaldi are liked more often than most."),
        ("wine_producer_strengths", -0.2, BAD, "producer_faulted", "Other wines by Rinaldi are liked less often than most."),
        ("wine_region_type_likes", 0.2, GOOD, "kind_praised", "Wines of its kind are liked more often than most."),
        ("wine_grape_type_likes", -0.2, BAD, "kind_faulted", "Wines of its kind are liked less often than most."),
        ("wine_ratings", 0.2, {"ratings": 1}, "little_known", "A discovery: only 1 rating so far."),
        ("wine_ratings", -0.2, {"ratings": 3}, "little_known", "Only 3 ratings so far."),
        ("wine_ratings", -0.2, {"is_rated": False}, None, None),
        ("wine_ratings", 0.2, {"ratings": 50}, None, None),
        ("wine_ratings", 0.2, {"ratings": 400}, "well_known", "Well known: 400 ratings."),
        ("wine_ratings", -0.2, {"ratings": 400}, None, None),
        ("member_ratings", 0.2, {"ratings": 400, "likes": (5, 7, 20, 50), "level": 0.1}, None, None),
    ],
)  # fmt: skip
def test_what_everyone_made_of_it_is_told(feature, effect, facts, code, text):
    of = pool(NOBODY, ("roero", ROERO), **facts)
    features = pair_features(of, NO_ITEM_ITEM)
    if code == "few_likes":
        features[..., FEATURES.index("popular_rank")] = np.log1p(60)
    assert [(reason.code, reason.text) for reason in told(always(feature, effect), of, features=features)] == (
        [(code, text)] if code else []
    )


@pytest.mark.parametrize(("ahead", "codes"), [(0, ["popular"]), (QUOTAS["popular"] - 1, ["popular"]), (QUOTAS["popular"], []), (299, [])])
def test_popular_are_as_many_candidates_as_that_source_gives(ahead, codes):
    of = pool(NOBODY, ("roero", ROERO), likes=(5, 7, 20, 50))
    features = pair_features(of, NO_ITEM_ITEM)
    features[..., FEATURES.index("popular_rank")] = np.log1p(np.float32(ahead))
    assert [reason.code for reason in told(always("likes_90d", 0.2), of, features=features)] == codes


def test_the_towers_effect_is_how_far_they_place_it_above_the_candidates():
    of = pool(LIKED, ("cava", CAVA))
    (reason,) = told(always("tower_rank", 0.25), of, tower=1.5)
    assert (reason.code, reason.effect, reason.text) == ("close_to_taste", 1.75, "Closer to your taste than most.")
    (reason,) = told(always("member_ratings", 0.0), of, tower=-0.5)
    assert (reason.code, reason.effect) == ("far_from_taste", -0.5)
    assert told(always("tower", -2.0), of, tower=1.5) == []


def test_of_somebody_without_a_rating_popularity_is_told_and_no_taste():
    of = pool(NOBODY, ("roero", ROERO), likes=(5, 7, 20, 50))
    (reason,) = told(always("likes_90d", 0.25), of, tower=1.5)
    assert (reason.code, reason.effect) == ("popular", 1.75)


def test_at_most_three_are_told_by_falling_effect_and_small_ones_are_not():
    of = pool(LIKED, ("roero", ROERO), likes=(5, 7, 20, 50), ratings=400, level=0.1)
    added = {
        "taste_same_producer": 0.1,
        "likes_90d": 0.5,
        "wine_chance": 0.3,
        "wine_ratings": 0.2,
        "taste_same_country": 0.7,
        "rising": 0.6,
    }
    forest = stumps(*((name, -np.inf, effect) for name, effect in added.items()))
    assert [(reason.code, reason.effect) for reason in told(forest, of)] == [("country_liked", 0.7), ("rising", 0.6), ("popular", 0.5)]
    assert told(always("likes_90d", LEAST_EFFECT * 0.99), of) == []
    bottle = BottleTold("b", None, None, None, "peak", None)
    assert [reason.code for reason in told(forest, of, bottles=[bottle])] == ["country_liked", "rising", "in_window"]


def together(one: Pool, other: Pool) -> Pool:
    """Two who ask about the same wines."""
    inputs = {name: np.concatenate([of, other.member.inputs()[name]]) for name, of in one.member.inputs().items()}
    others = {name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in Pool.__slots__ if name != "member"}
    return Pool(member=MemberInputs(**inputs), **others)


def test_several_members_share_the_mean_of_their_effects():
    several = together(pool(LIKED, ("roero", ROERO)), pool(DISLIKED, ("roero", ROERO)))
    forest = stumps(("taste_same_producer", 0.0, 0.4), ("taste_same_type", -np.inf, 0.3))
    features = pair_features(several, NO_ITEM_ITEM)
    given, mean = np.array([[2.0], [1.0]], dtype=np.float32), np.array([1.0, 1.5], dtype=np.float32)
    (reasons,) = explain(forest, features, given, mean, several, NO_ITEM_ITEM, names, [[]])
    # One likes the producer, the other does not: nothing is said of it. The towers' effects are 1 and -.5.
    assert [(reason.code, reason.effect) for reason in reasons] == [("close_to_taste", 0.25)]


def test_one_with_ratings_and_one_without_share_taste_and_popularity():
    several = together(*(pool(who, ("roero", ROERO), likes=(2, 7, 20, 50)) for who in (LIKED, NOBODY)))
    given, mean = np.array([[2.0], [3.0]], dtype=np.float32), np.array([1.0, 0.0], dtype=np.float32)
    (reasons,) = explain(
        always("member_ratings", 0.0), pair_features(several, NO_ITEM_ITEM), given, mean, several, NO_ITEM_ITEM, names, [[]]
    )
    assert [(reason.code, reason.effect) for reason in reasons] == [("popular", 1.5), ("close_to_taste", 0.5)]


@pytest.mark.parametrize(
    ("phases", "code", "params", "text"),
    [
        ([], None, None, None),
        (["peak"], "in_window", {"bottles": 1, "bottle_id": "0", "phase": "peak"}, "A bottle of yours is at its peak."),
        (["past", "early"], "in_window", {"bottles": 2, "bottle_id": "1", "phase": "early"}, "A bottle of yours is ready to drink."),
        (["late", "peak"], "drink_soon", {"bottles": 2, "bottle_id": "0", "phase": "late"}, "A bottle of yours is past its peak."),
        (["past"], "drink_soon", {"bottles": 1, "bottle_id": "0", "phase": "past"}, PAST),
        (["hold"], "owned", {"bottles": 1, "bottle_id": "0", "phase": "hold"}, "You have a bottle of it."),
        ([None, "past"], "drink_soon", {"bottles": 2, "bottle_id": "1", "phase": "past"}, PAST),
        (["past", "hold"], "owned", {"bottles": 2, "bottle_id": "0", "phase": "past"}, "You have 2 bottles of it."),
        ([None], "owned", {"bottles": 1, "bottle_id": "0"}, "You have a bottle of it."),
    ],
)  # fmt: skip
def test_bottles_have_a_reason_of_their_own(phases, code, params, text):
    reason = of_bottles([BottleTold(str(place), None, None, None, phase, None) for place, phase in enumerate(phases)])
    assert reason is None if code is None else (reason.code, reason.params, reason.text, reason.effect) == (code, params, text, 0.0)


def test_a_bottle_to_drink_soon_says_by_when():
    reason = of_bottles([BottleTold("a", None, None, 750, "late", "2027-05-01"), BottleTold("b", None, None, 750, "late", "2029-05-01")])
    assert reason.params == {"bottles": 2, "bottle_id": "a", "phase": "late", "drink_by": "2027-05-01"}
    assert reason.text == "A bottle of yours is past its peak: drink it by 2027-05-01."


@pytest.fixture(scope="module")
def ranked(line):
    """A real bundle's golden questions as they are ranked: the recommender, the pool, its features."""
    recommender = Recommender.open(line.bundle)
    golden = GoldenCases.from_bytes((line.bundle / GOLDEN_FILE).read_bytes())
    asked = recommender.asked(golden.questions, golden.counts)
    shelf = recommender.sources.shelf(golden.wines, golden.counts, golden.as_of // MICROSECONDS_PER_DAY)
    retrieved = retrieve(recommender.sources, asked, shelf, np.zeros((len(asked.tasted), len(golden.wines)), dtype=bool), limit=60)
    pool = pool_of(asked, shelf, retrieved.scores[TOWERS], retrieved.proposed)
    return recommender, pool, pair_features(pool, recommender.sources.item_item)


def some(of: Pool, question: int, items: list[int]) -> Pool:
    """Some candidates of one question."""
    one = of.some(slice(question, question + 1))
    return replace(one, **{name: getattr(one, name)[:, items] for name in ("asked", "is_there", "tower", "features", "likes")})


def reasons_of(ranked, question: int, items: list[int], forest: Trees | None = None):
    recommender, of, features = ranked
    mean = of.tower[[question]].mean(axis=1)
    part = some(of, question, items)
    given = features[[question]][:, items]
    item_item, bottles = recommender.sources.item_item, [[] for _ in items]
    return explain(forest or recommender.trees, given, part.tower, mean, part, item_item, numbered, bottles)


def test_reasons_of_a_real_bundle_are_true(ranked):
    _, of, _ = ranked
    seen = set()
    for question in range(len(of.asked)):
        has_ratings = of.member.mask[question].any()
        for item, reasons in enumerate(reasons_of(ranked, question, list(range(60)))):
            effects = [abs(reason.effect) for reason in reasons]
            assert len(reasons) <= MOST
            assert effects == sorted(effects, reverse=True)
            assert len({reason.code for reason in reasons}) == len(reasons)
            for reason in reasons:
                assert reason.code in CODES
                assert reason.text.endswith(".")
                assert reason.text[0].isupper()
                assert reason.effect > 0 or not SPEAKS_FOR.fullmatch(reason.code)
                assert reason.effect < 0 or not SPEAKS_AGAINST.fullmatch(reason.code)
                assert has_ratings or not OF_TASTE.fullmatch(reason.code)
                if reason.code in ("producer_liked", "producer_disliked"):
                    assert reason.params["producer"] == f"<{of.asked['producer'][question, item]}>"
                if reason.code == "goes_with_liked":
                    assert reason.params["wine"] in [f"<{one}>" for one in of.tasted["wine"][question]]
                seen.add(reason.code)
    assert {"close_to_taste", "popular"} <= seen
    assert len(seen) >= 8


@settings(max_examples=30)
@given(st.integers(0, 11), st.lists(st.integers(0, 59), min_size=1, max_size=6, unique=True))
def test_an_item_alone_has_the_reasons_that_it_has_among_others(ranked, question, items):
    assert reasons_of(ranked, question, items) == [reasons_of(ranked, question, [item])[0] for item in items]


def test_no_items_have_no_reasons(ranked):
    assert reasons_of(ranked, 0, []) == []


def test_an_effect_is_what_the_forest_would_lose_without_it(ranked):
    """Of a forest that asks one feature only, the one effect is the whole score above its base."""
    _, _, features = ranked
    forest = stumps(("taste_same_country", 0.05, 0.3))
    question = 8
    base, added = contributions(forest, features[question])
    found = reasons_of(ranked, question, list(range(60)), forest)
    effects = [[reason.effect for reason in reasons if reason.code.startswith("country")] for reasons in found]
    assert any(effects)
    for score, effect in zip(base + added.sum(axis=1), effects, strict=True):
        assert effect in ([], [pytest.approx(score, abs=1e-4)])
