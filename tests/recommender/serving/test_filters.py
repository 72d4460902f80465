"""What may be offered: every filter, wish, exclude and intent against one wine at a time, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_recommender.serving.bottles import Bottles
from cellar_recommender.serving.columns import WineColumns, first_of_each
from cellar_recommender.serving.contract import BottleGiven, Filters, WineNamed
from cellar_recommender.serving.filters import Excluded, Hidden
from cellar_recommender.serving.ownership import Standing, allow, shortfall
from cellar_shared.features.identity import identity
from cellar_shared.features.wines import WINE, WineFacts, no_wines, wine_record
from cellar_shared.store.cellars import UNKNOWN, Cellar
from cellar_shared.store.wine_index import WineIndex

TODAY = date(2024, 6, 1)
DAY = (TODAY - date(1970, 1, 1)).days
TYPES, COUNTRIES = ("Red", "White", None), ("France", "Italy", None)
REGIONS, PRODUCERS = ("Pauillac", "Bordeaux", "Barolo", None), ("Alpha", "Beta", "Gamma", None)
GRAPES, PRICES = ("Nebbiolo", "Merlot"), (None, 10.0, 19.99, 20.0, 55.5)
WITHIN = {"Bordeaux": {"Pauillac", "Bordeaux"}, "Pauillac": {"Pauillac"}, "Barolo": {"Barolo"}}
SIZES, PLACES = (375, 750, None), ("rack", "Cave", None)
INTENTS = ("buy", "open", "gift", "restock")


@dataclass(frozen=True)
class World:
    """Wines w0, w1, ... with their facts, what each of some members rated and hid, and everybody's bottles."""

    wines: list[WineFacts]
    rated: list[list[tuple[int, bool]]]
    hidden: list[tuple[list[int], list[str], list[str]]]
    bottles: list[BottleGiven]

    def columns(self) -> WineColumns:
        records = np.array([wine_record(f"w{at}", facts) for at, facts in enumerate(self.wines)], dtype=WINE)
        return WineColumns.of(records, WineIndex.of(records))

    def members(self) -> list[Standing]:
        return [
            Standing(
                np.array([identity("wine", f"w{wine}") for wine, _ in rated], dtype=np.int64),
                np.array([liked for _, liked in rated], dtype=bool),
                Hidden.of([f"w{wine}" for wine in wines], producers, regions),
            )
            for rated, (wines, producers, regions) in zip(self.rated, self.hidden, strict=True)
        ]

    def allowed(self, intent, filters, excluded=()):
        return allow(self.columns(), intent, filters, Excluded.of(excluded), self.members(), Bottles.given(self.bottles), DAY)


names = st.none() | st.sampled_from(["Alpha", "beta", ["Alpha", "Gamma"]])
facts = st.builds(
    WineFacts,
    producer=st.sampled_from(PRODUCERS),
    type=st.sampled_from(TYPES),
    country=st.sampled_from(COUNTRIES),
    region=st.sampled_from(REGIONS),
    grapes=st.lists(st.sampled_from(GRAPES), max_size=2, unique=True),
    price=st.sampled_from(PRICES),
)
days = st.sampled_from([None, TODAY - timedelta(1), TODAY, TODAY + timedelta(1)])
filters_asked = st.builds(
    Filters,
    type=st.none() | st.sampled_from(["red", ["Red", "White"]]),
    country=st.none() | st.sampled_from(["france", ["Italy"]]),
    region=st.none() | st.sampled_from(["Bordeaux", ["Barolo", "pauillac"]]),
    grape=st.none() | st.sampled_from(GRAPES),
    producer=names,
    price_min=st.none() | st.sampled_from([0.0, 10.0, 20.0]),
    price_max=st.none() | st.sampled_from([0.0, 19.99, 20.0]),
    in_stock=st.none() | st.booleans(),
    in_window=st.none() | st.booleans(),
    size_ml=st.none() | st.sampled_from([375, [750, 1500]]),
    location=st.none() | st.sampled_from(["RACK", ["cave ", "rack"]]),
)
MOSTLY_NONE = st.builds(
    lambda asked, kept: Filters(**{name: getattr(asked, name) for name in kept}),
    filters_asked,
    st.sets(st.sampled_from(Filters.__struct_fields__), max_size=2),
)


@st.composite
def worlds(draw) -> World:
    wines = draw(st.lists(facts, min_size=1, max_size=12))
    wine = st.integers(0, len(wines) - 1)
    members = draw(st.integers(1, 3))
    hide = st.tuples(
        st.lists(wine, max_size=2),
        st.lists(st.sampled_from(["alpha", "Beta"]), max_size=1),
        st.lists(st.sampled_from(["Bordeaux", "Barolo"]), max_size=1),
    )
    bottles = [
        BottleGiven(
            f"b{at}",
            f"w{draw(wine)}",
            vintage=draw(st.sampled_from([None, 2015, 2016])),
            size_ml=draw(st.sampled_from(SIZES)),
            state=draw(st.sampled_from(["stored", "stored", "pending", "consumed"])),
            location=draw(st.sampled_from(PLACES)),
            ready_from=draw(days),
            drink_by=draw(days),
        )
        for at in range(draw(st.integers(0, 8)))
    ]
    return World(
        wines,
        [draw(st.lists(st.tuples(wine, st.booleans()), max_size=6)) for _ in range(members)],
        [draw(st.just(([], [], [])) | hide) for _ in range(members)],
        bottles,
    )


def listed(asked):
    return asked if isinstance(asked, list) else [asked]


def passes(wine: WineFacts, asked: Filters) -> bool:
    """Do the wine's own facts pass?"""
    for kind in ("type", "country", "producer"):
        if (sought := getattr(asked, kind)) is not None and (getattr(wine, kind) or "").casefold() not in {
            text.casefold() for text in listed(sought)
        }:
            return False
    if asked.region is not None and not any(wine.region in WITHIN[text.capitalize()] for text in listed(asked.region)):
        return False
    if asked.grape is not None and asked.grape not in (wine.grapes or ()):
        return False
    if asked.price_min is not None and (wine.price is None or wine.price < asked.price_min):
        return False
    return asked.price_max is None or (wine.price is not None and wine.price <= asked.price_max)


def offers(bottle: BottleGiven, asked: Filters, intent: str, excluded) -> bool:
    """May this bottle be offered?"""
    if bottle.state != "stored":
        return False
    first, last = bottle.ready_from, bottle.drink_by
    is_known = (first is not None or last is not None) and not (first and last and first > last)
    is_within = is_known and (first or date.min) <= TODAY <= (last or date.max)
    is_past = is_known and last is not None and last < TODAY
    if asked.in_window is True and not is_within:
        return False
    if asked.in_window is None and ((intent == "open" and is_known and not is_within) or (intent == "gift" and is_past)):
        return False
    if asked.size_ml is not None and bottle.size_ml not in listed(asked.size_ml):
        return False
    if asked.location is not None and (bottle.location or "").casefold() not in [
        text.strip().casefold() for text in listed(asked.location)
    ]:
        return False
    return not any(
        bottle.wine_id == name and (vintage is None or bottle.vintage is None or vintage == bottle.vintage) for name, vintage in excluded
    )


def is_hidden(world: World, at: int) -> bool:
    """Did somebody hide wine `at`, its producer or a region around it?"""
    wine = world.wines[at]
    return any(
        at in wines
        or (wine.producer or "").casefold() in {text.casefold() for text in producers}
        or any(wine.region in WITHIN[text] for text in regions)
        for wines, producers, regions in world.hidden
    )


def may_be_offered(world: World, at: int, intent: str, asked: Filters, excluded) -> bool:
    """The whole rule about wine `at`, one thing after the other."""
    name = f"w{at}"
    own = [bottle for bottle in world.bottles if bottle.wine_id == name and bottle.state != "consumed"]
    offered = [bottle for bottle in own if offers(bottle, asked, intent, excluded)]
    verdicts = [dict(rated).get(at) for rated in world.rated]  # the newest of each member
    needs_bottle = asked.in_stock or asked.in_window or asked.size_ml is not None or asked.location is not None
    if not passes(world.wines[at], asked) or is_hidden(world, at) or (needs_bottle and not offered):
        return False
    if asked.in_stock is False and any(bottle.state == "stored" for bottle in own):
        return False
    if intent != "open" and any(name == left_out for left_out, _ in excluded):
        return False
    return {
        "open": bool(offered),
        "buy": not own and all(verdict is None for verdict in verdicts),
        "gift": False not in verdicts,
        "restock": True in verdicts and False not in verdicts and not own,
    }[intent]


@settings(max_examples=300, deadline=None)
@given(
    worlds(),
    st.sampled_from(INTENTS),
    filters_asked | MOSTLY_NONE,
    st.lists(st.tuples(st.sampled_from(["w0", "w1"]), st.sampled_from([None, 2015])), max_size=2),
)
def test_exactly_what_may_be_offered_is_allowed(world, intent, asked, excluded):
    named = [WineNamed(name, vintage) if vintage else name for name, vintage in excluded]
    allowed = world.allowed(intent, asked, named)
    assert allowed.wines.tolist() == [may_be_offered(world, at, intent, asked, excluded) for at in range(len(world.wines))]
    assert allowed.matched == allowed.wines.sum()
    kept = [bottle for bottle in world.bottles if bottle.state != "consumed"]
    assert allowed.bottles.tolist() == [offers(bottle, asked, intent, excluded) for bottle in kept]


@settings(max_examples=60, deadline=None)
@given(worlds(), st.sampled_from(INTENTS), MOSTLY_NONE)
def test_candidates_are_allowed_as_the_same_wines_of_the_catalogue_are(world, intent, asked):
    columns = world.columns()
    records = np.array([wine_record(f"w{at}", wine) for at, wine in enumerate(world.wines)], dtype=WINE)
    candidates = WineColumns.of_candidates(records, columns.wines, np.full(len(records), -1, dtype=np.int64))
    bottles, members = Bottles.given(world.bottles), world.members()
    as_asked = allow(candidates, intent, asked, Excluded.of(None), members, bottles, DAY)
    assert as_asked.wines.tolist() == world.allowed(intent, asked).wines.tolist()


@settings(max_examples=60, deadline=None)
@given(worlds(), st.sampled_from(INTENTS), MOSTLY_NONE, st.randoms(use_true_random=False))
def test_the_order_of_members_and_of_bottles_changes_nothing(world, intent, asked, random):
    members = list(zip(world.rated, world.hidden, strict=True))
    bottles = list(world.bottles)
    random.shuffle(members)
    random.shuffle(bottles)
    other = World(world.wines, [rated for rated, _ in members], [hidden for _, hidden in members], bottles)
    assert other.allowed(intent, asked).wines.tolist() == world.allowed(intent, asked).wines.tolist()


def world_of(*wines: WineFacts, rated=(), bottles=()) -> World:
    return World(list(wines), [list(rated)], [([], [], [])], list(bottles))


def test_a_candidate_of_one_vintage_is_open_only_with_a_bottle_of_it():
    records = np.array([wine_record("w0", WineFacts())] * 3, dtype=WINE)
    vintages = np.array([2015, 2016, -1])
    candidates = WineColumns.of_candidates(records, records["wine"], vintages)
    bottles = Bottles.given([BottleGiven("b", "w0", vintage=2016.0)])
    allowed = allow(candidates, "open", Filters(), Excluded.of(None), [Standing.unknown()], bottles, DAY)
    assert allowed.wines.tolist() == [False, True, True]


def test_leaving_out_a_vintage_leaves_the_bottles_of_others_to_open():
    world = world_of(WineFacts(), WineFacts(), bottles=[BottleGiven("a", "w0", vintage=2015), BottleGiven("b", "w0", vintage=2016)])
    assert world.allowed("open", Filters(), [WineNamed("w0", 2015)]).bottles.tolist() == [False, True]
    assert world.allowed("open", Filters(), [WineNamed("w0", 2015)]).wines.tolist() == [True, False]
    assert world.allowed("open", Filters(), ["w0"]).matched == 0
    assert world.allowed("gift", Filters(), [WineNamed("w0", 2015)]).wines.tolist() == [False, True]


def test_a_window_of_years_lasts_to_the_end_of_its_last_year():
    for last, is_open in ((2023, False), (2024, True)):
        world = world_of(WineFacts(), bottles=[BottleGiven("a", "w0", window_from=2020, window_to=last)])
        assert world.allowed("open", Filters()).matched == is_open


def test_dates_that_contradict_each_other_are_none():
    bottles = Bottles.given([BottleGiven("a", "w0", ready_from=date(2025, 1, 1), drink_by=date(2024, 1, 1))])
    assert (bottles.cellar.dates == UNKNOWN).all()
    assert bottles.cellar.phases(DAY).tolist() == [-1]


def test_of_two_bottles_with_one_id_the_last_counts():
    bottles = Bottles.given([BottleGiven("a", "w0"), BottleGiven("a", "w1", state="pending")])
    assert bottles.cellar.wine_ids == ["w1"]
    assert bottles.is_there.tolist() == [False]


def test_a_price_filter_is_kept_to_the_cent():
    prices = [cents / 100 for cents in range(1, 4000)]
    world = world_of(*(WineFacts(price=price) for price in prices))
    for bound in (0.01, 9.99, 10.0, 19.99, 39.98):
        assert world.allowed("buy", Filters(price_min=bound)).wines.tolist() == [price >= bound for price in prices]
        assert world.allowed("buy", Filters(price_max=bound)).wines.tolist() == [price <= bound for price in prices]


@pytest.mark.parametrize(
    ("intent", "filters", "items", "wanted", "said"),
    [
        ("open", Filters(), 2, 2, None),
        ("open", Filters(), 2, 20, "cellar"),  # two bottles are all there is
        ("open", Filters(type="Red"), 1, 2, "filters"),  # two could be opened, one is red
        ("buy", Filters(type="Red"), 1, 20, "filters"),
        ("buy", Filters(), 20, 20, None),
        ("restock", Filters(), 0, 1, "cellar"),
        ("gift", Filters(in_stock=True), 2, 3, "cellar"),
        ("open", Filters(type="Red"), 1, 3, "cellar"),  # even without the filter two would be all there is
    ],
)
def test_a_short_list_says_why(intent, filters, items, wanted, said):
    bottles = [BottleGiven("a", "w0"), BottleGiven("b", "w1")]
    allowed = world_of(WineFacts(type="Red"), WineFacts(), WineFacts(type="Red"), bottles=bottles).allowed(intent, filters)
    assert shortfall(allowed, items, wanted) == said


def test_any_of_many_names_is_found():
    world = world_of(*(WineFacts(producer=f"P{at % 20}") for at in range(100)))
    asked = Filters(producer=[f"p{at}" for at in range(0, 20, 2)] + ["unheard of"] * 20)
    assert world.allowed("buy", asked).wines.tolist() == [at % 20 % 2 == 0 for at in range(100)]


def test_what_is_unknown_of_a_wine_is_no_name_that_could_be_asked_for():
    column = world_of(WineFacts(), WineFacts(producer="Alpha")).columns().named["producer"]
    assert column.among(np.array([0, identity("producer", "Alpha")])).tolist() == [False, True]
    assert column.among(np.array([0])).tolist() == [False, False]


def test_out_of_stock_is_what_nobody_has_a_bottle_of_at_hand():
    bottles = [BottleGiven("a", "w0"), BottleGiven("b", "w1", state="pending"), BottleGiven("c", "w2", state="consumed")]
    world = world_of(*[WineFacts()] * 4, bottles=bottles)
    assert world.allowed("gift", Filters(in_stock=False)).wines.tolist() == [False, True, True, True]
    assert world.allowed("gift", Filters(in_stock=True)).wines.tolist() == [True, False, False, False]
    assert world.allowed("gift", Filters()).matched == 4
    assert world.allowed("buy", Filters()).wines.tolist() == [False, False, True, True]


def test_what_one_member_dislikes_is_bought_again_for_nobody():
    nothing = ([], [], [])
    world = World([WineFacts()] * 3, [[(0, True), (1, True), (2, False), (2, True)], [(1, False)]], [nothing, nothing], [])
    assert world.allowed("restock", Filters()).wines.tolist() == [True, False, True]
    assert world.allowed("gift", Filters()).wines.tolist() == [True, False, True]


def test_what_is_on_its_way_is_not_bought_again_and_not_opened():
    world = world_of(WineFacts(), rated=[(0, True)], bottles=[BottleGiven("b", "w0", state="pending")])
    assert [world.allowed(intent, Filters()).matched for intent in ("buy", "restock", "open", "gift")] == [0, 0, 0, 1]


def test_bottles_of_wines_that_no_catalogue_knows_are_opened_by_vintage():
    bottles = Bottles.given(
        [
            BottleGiven("a", "unheard of", 2015, window_to=2020),
            BottleGiven("b", "unheard of", 2016),
            BottleGiven("c", "unheard of", 2016),
            BottleGiven("d", "another"),
        ]
    )
    kept = first_of_each(bottles.wines, bottles.vintages)
    assert kept.tolist() == [0, 1, 3]
    columns = WineColumns.of_candidates(no_wines(3), bottles.wines[kept], bottles.vintages[kept])

    def opened(filters, *excluded):
        return allow(columns, "open", filters, Excluded.of(excluded), [Standing.unknown()], bottles, DAY).wines.tolist()

    assert opened(Filters()) == [False, True, True]
    assert opened(Filters(in_window=False)) == [True, True, True]
    assert opened(Filters(), WineNamed("unheard of", 2016)) == [False, False, True]
    assert opened(Filters(type="Red")) == [False, False, False]


def test_a_stored_bottle_that_is_on_its_way_is_owned_and_not_opened():
    given = Bottles.given([BottleGiven("a", "w0"), BottleGiven("b", "w1", state="pending")])
    stored = Bottles.stored(Cellar.unpacked(given.cellar.packed(b"m1"), b"m1"))
    assert stored.is_there.tolist() == given.is_there.tolist() == [True, False]
    assert stored.with_more(given).is_there.tolist() == [True, False, True, False]
