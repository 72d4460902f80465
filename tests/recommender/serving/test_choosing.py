"""From a world to a list: nothing forbidden comes out, whatever rules, diversity and exploration do, and sources add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_recommender.serving.bottles import Bottles
from cellar_recommender.serving.choosing import EXPLORATION, PINNED, Asked, Candidates, choose, pinned_rows
from cellar_recommender.serving.columns import WineColumns
from cellar_recommender.serving.contract import Filters
from cellar_recommender.serving.filters import Excluded, Hidden
from cellar_recommender.serving.ownership import Standing, allow
from cellar_recommender.serving.rules import NO_RULES, Move, Pin, Rules, When
from cellar_shared.features.identity import identity
from cellar_shared.features.wines import WINE, WineFacts, wine_record
from cellar_shared.store.wine_index import WineIndex

INTENTS = ("buy", "open", "gift", "restock")
PRODUCERS = ("Alpha", "Beta", "Gamma", None)


@dataclass(frozen=True)
class Case:
    """A catalogue, what may be offered of it, candidates out of that, rules and wishes."""

    columns: WineColumns
    allowed: np.ndarray
    rows: np.ndarray
    candidates: Candidates
    rules: Rules
    asked: Asked

    def choose(self):
        return choose(self.candidates, self.rules, self.asked)


def some(draw, wines, **sizes) -> tuple[str, ...]:
    return tuple(f"w{at}" for at in draw(st.lists(st.integers(0, wines - 1), unique=True, **sizes)))


@st.composite
def cases(draw) -> Case:
    wines, seed = draw(st.integers(3, 20)), draw(st.integers(0, 2**53 - 1))
    generator = np.random.default_rng(seed)
    facts = [WineFacts(producer=PRODUCERS[generator.integers(4)], type=("Red", "White")[generator.integers(2)]) for _ in range(wines)]
    records = np.array([wine_record(f"w{at}", wine) for at, wine in enumerate(facts)], dtype=WINE)
    index = WineIndex.of(records)
    columns = WineColumns.of(records, index)
    rated = np.array([identity("wine", name) for name in some(draw, wines, max_size=3)], dtype=np.int64)
    member = Standing(rated, np.ones(len(rated), dtype=bool), Hidden.of(some(draw, wines, max_size=1), producers=["Gamma"]))
    filters = draw(st.sampled_from([Filters(), Filters(), Filters(type="red")]))
    intent = draw(st.sampled_from(["buy", "gift", "restock"]))
    excluded = Excluded.of(some(draw, wines, max_size=2))
    allowed = allow(columns, intent, filters, excluded, [member], Bottles.none(), 20_000).wines
    moves = st.builds(
        lambda names, places: Move(When(Filters(), names, INTENTS), places),
        st.just(some(draw, wines, min_size=1, max_size=4)),
        st.none() | st.integers(-5, 5).filter(bool),
    )
    pins = zip(draw(st.lists(st.integers(1, 8), max_size=3, unique=True)), some(draw, wines, min_size=3, max_size=3), strict=False)
    rules = Rules(
        "v",
        tuple(draw(st.lists(moves, max_size=2))),
        tuple(Pin(name, position, INTENTS) for position, name in pins),
        draw(st.none() | st.integers(1, 3)),
    )
    found = generator.permutation(np.flatnonzero(allowed)).tolist()[:12]
    pinned = [row for row in pinned_rows(rules, intent, index, allowed).tolist() if row not in found]
    rows = np.array(found + pinned, dtype=np.int64)
    candidates = Candidates(
        WineColumns.of(records[rows]),
        generator.normal(size=len(rows)).astype(np.float32),
        generator.normal(size=(len(rows), 4)).astype(np.float32),
        [("towers", "popular")[at % 2] for at in range(len(found))] + [PINNED] * len(pinned),
        {"towers": 6, "popular": 6, "item_item": 0},
    )
    shares = st.sampled_from([0.0, 0.3, 1.0])
    return Case(columns, allowed, rows, candidates, rules, Asked(intent, draw(st.integers(1, 12)), draw(shares), draw(shares), seed))


@settings(max_examples=200, deadline=None)
@given(cases())
def test_nothing_that_is_forbidden_comes_out_and_nothing_twice(case):
    shown = case.rows[case.choose().places]
    assert case.allowed[shown].all()
    assert len(set(shown.tolist())) == len(shown)
    producer = case.candidates.columns.named["producer"]
    caps = Counter(producer.names.take(producer.codes[0])[case.choose().places].tolist())
    caps.pop(0, None)
    assert all(times <= (case.rules.per_producer or 99) for times in caps.values())


@settings(max_examples=100, deadline=None)
@given(cases())
def test_without_a_cap_a_list_is_full_when_enough_may_be_offered(case):
    candidates, rules = case.candidates, Rules("v", case.rules.moves, case.rules.pins, None)
    assert len(choose(candidates, rules, case.asked).places) == min(case.asked.limit, len(case.rows))


@settings(max_examples=100, deadline=None)
@given(cases())
def test_sources_add_up(case):
    chosen = case.choose()
    told = chosen.told
    assert sum(source.proposed for source in told.values()) == len(case.rows)
    assert {name: source.returned for name, source in told.items() if source.returned} == Counter(chosen.sources)
    assert all(source.returned <= source.proposed for source in told.values())
    assert list(told)[:3] == ["towers", "popular", "item_item"]
    assert (told["item_item"].quota, told["item_item"].proposed) == (0, 0)


@settings(max_examples=100, deadline=None)
@given(cases())
def test_one_place_at_most_is_given_by_lot_and_it_is_marked(case):
    chosen = case.choose()
    by_lot = [source == EXPLORATION for source in chosen.sources]
    assert sum(by_lot) <= (1 if case.asked.explore else 0)
    assert all(chance == 1 or is_by_lot for chance, is_by_lot in zip(chosen.propensities, by_lot, strict=True))
    assert ((chosen.propensities > 0) & (chosen.propensities <= 1)).all()


@settings(max_examples=100, deadline=None)
@given(cases())
def test_a_score_orders_the_answer_and_the_same_request_gets_the_same_list(case):
    chosen, again = case.choose(), case.choose()
    assert (np.diff(chosen.scores) <= 0).all()
    assert (chosen.places.tolist(), chosen.scores.tolist(), chosen.sources) == (again.places.tolist(), again.scores.tolist(), again.sources)


@settings(max_examples=100, deadline=None)
@given(cases())
def test_without_rules_and_wishes_the_ranking_is_the_answer(case):
    asked = Asked(case.asked.intent, case.asked.limit, 0.0, 0.0, case.asked.seed)
    chosen = choose(case.candidates, NO_RULES, asked)
    best = np.argsort(-case.candidates.scores, kind="stable")[: asked.limit]
    assert chosen.places.tolist() == best.tolist()
    assert chosen.scores.tolist() == case.candidates.scores[best].tolist()


@settings(max_examples=200, deadline=None)
@given(cases())
def test_a_pin_that_may_be_offered_stands_in_its_place(case):
    rules = Rules("v", case.rules.moves, case.rules.pins, None)
    asked = case.asked
    shown = case.rows[choose(case.candidates, rules, asked).places].tolist()
    for pin in rules.pins:
        row = int(pin.wine_id[1:])
        if case.allowed[row] and pin.position <= len(shown):
            assert shown[pin.position - 1] == row
        elif not case.allowed[row]:
            assert row not in shown


def test_rules_come_before_diversity_and_a_pin_after_it():
    records = np.array([wine_record(f"w{at}", WineFacts()) for at in range(5)], dtype=WINE)
    vectors = np.array([[1, 0], [1, 0], [1, 0.01], [-1, 0], [0, 1]], dtype=np.float32)
    candidates = Candidates(WineColumns.of(records), np.array([5.0, 4.9, 4.8, 4.7, 0.0]), vectors, ["towers"] * 5, {"towers": 5})
    boost = Move(When(Filters(), ("w2",)), -2)
    boosted = Rules("v", (boost,))
    assert choose(candidates, boosted, Asked("buy", 5, 0.0, 0.0, 0)).places.tolist() == [2, 0, 1, 3, 4]
    assert choose(candidates, boosted, Asked("buy", 3, 0.5, 0.0, 0)).places.tolist()[:2] == [2, 3]
    pinned = Rules("v", (boost,), (Pin("w1", 2, INTENTS),))
    assert choose(candidates, pinned, Asked("buy", 3, 0.5, 0.0, 0)).places.tolist() == [2, 1, 3]


def test_the_order_of_an_answer_without_candidates_is_empty():
    nothing = Candidates(WineColumns.of(np.zeros(0, dtype=WINE)), np.zeros(0), np.zeros((0, 4), dtype=np.float32), [], {"towers": 5})
    chosen = choose(nothing, NO_RULES, Asked("buy", 5, 0.5, 0.5, 1))
    assert (len(chosen.places), chosen.sources, chosen.told["towers"].proposed) == (0, [], 0)
