"""A shop's rules: read strictly, moved by places, cited by their digest."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_recommender.serving.columns import WineColumns
from cellar_recommender.serving.contract import Filters
from cellar_recommender.serving.rules import NO_RULES, Move, Rules, When, read_rules
from cellar_shared.errors import BadInput
from cellar_shared.features.identity import identity
from cellar_shared.features.wines import WINE, WineFacts, wine_record

GOOD = """\
format: 1
boost:
  - when: {producer: Alpha, intent: [buy, gift]}
    places: 5
  - when: {wine_id: [w1, w2]}
    places: 1
bury:
  - when: {type: Red, price_max: 9.99}
pin:
  - {wine_id: w7, position: 3}
  - {wine_id: w8, position: 1, intent: open}
  - {wine_id: w9, position: 1, intent: buy}
cap: {per_producer: 2}
"""


def columns_of(producers) -> WineColumns:
    records = np.array([wine_record(f"w{at}", WineFacts(producer=producer)) for at, producer in enumerate(producers)], dtype=WINE)
    return WineColumns.of(records)


def written(tmp_path, text: str, name: str = "rules.yml"):
    file = tmp_path / name
    file.write_text(text)
    return file


def test_rules_are_read_as_they_are_written(tmp_path):
    rules = read_rules(written(tmp_path, GOOD))
    assert [(move.places, move.when.intents) for move in rules.moves] == [
        (-5, ("buy", "gift")),
        (-1, ("buy", "open", "gift", "restock")),
        (None, ("buy", "open", "gift", "restock")),
    ]
    assert rules.moves[2].when.filters == Filters(type=["Red"], price_max=9.99)
    assert rules.pinned("buy") == [(1, identity("wine", "w9")), (3, identity("wine", "w7"))]
    assert rules.pinned("restock") == [(3, identity("wine", "w7"))]
    assert rules.per_producer == 2


def test_json_says_the_same(tmp_path):
    said = {"format": 1, "boost": [{"when": {"producer": "Alpha", "price_min": 5}, "places": 2}], "cap": {"per_producer": 1}}
    rules = read_rules(written(tmp_path, json.dumps(said, indent=1), "rules.json"))
    assert (rules.moves[0].when.filters.producer, rules.moves[0].places, rules.per_producer) == (["Alpha"], -2, 1)


def test_the_version_is_that_of_the_content(tmp_path):
    one, other = written(tmp_path, GOOD, "one.yml"), written(tmp_path, GOOD, "other.yml")
    assert read_rules(one).version == read_rules(other).version
    assert read_rules(written(tmp_path, GOOD.replace("places: 5", "places: 6"))).version != read_rules(one).version
    assert NO_RULES.version is None


@pytest.mark.parametrize(
    ("said", "instead", "line", "words"),
    [
        ("format: 1", "format: 2", 1, ["format", "'2'", "expected 1"]),
        ("format: 1\n", "", 1, ["no format"]),
        ("bury:", "burry:", 7, ["burry", "nobody knows", "bury"]),
        ("{type: Red, price_max: 9.99}", "{colour: Red}", 8, ["bury[0].when.colour", "nobody knows"]),
        ("{type: Red, price_max: 9.99}", "{intent: buy}", 8, ["nothing that tells wines apart"]),
        ("{type: Red, price_max: 9.99}", "{type: [], price_max: 9.99}", 8, ["an empty list"]),
        ("price_max: 9.99", "price_max: cheap", 8, ["'cheap'", "a number"]),
        ("price_max: 9.99", "price_max: -1", 8, ["-1", "0 or more"]),
        ("price_max: 9.99", "price_max: nan", 8, ["nan", "0 or more"]),
        ("places: 5", "places: 0", 4, ["boost[0].places", "from 1 to 500"]),
        ("places: 5", "places: 1.5", 4, ["1.5", "whole number"]),
        ("places: 5", "places: inf", 4, ["inf", "whole number"]),
        ("    places: 5\n", "", 3, ["no places"]),
        ("[buy, gift]", "[buy, drink]", 3, ["'drink'", "buy, open, gift, restock"]),
        ("position: 3", "position: 101", 10, ["101", "from 1 to 100"]),
        ("position: 1, intent: buy", "position: 3, intent: buy", 12, ["position 3 a second time"]),
        ("{wine_id: w9, position: 1, intent: buy}", "{wine_id: w7, position: 9, intent: buy}", 12, ["wine w7 a second time"]),
        ("{wine_id: w9, position: 1, intent: buy}", "{position: 2}", 12, ["no wine_id"]),
        ("{per_producer: 2}", "{}", 13, ["no per_producer"]),
        ("{per_producer: 2}", "{per_producer: 2, per_region: 1}", 13, ["per_region", "nobody knows"]),
        ("pin:", "pin: x\nbury2:", 9, ["no list"]),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused_with_its_place(tmp_path, said, instead, line, words):
    assert said in GOOD
    text = GOOD.replace(said, instead).partition("\nbury2:")[0]
    file = written(tmp_path, text)
    with pytest.raises(BadInput) as refused:
        read_rules(file)
    assert f"{file}, line {line}" in str(refused.value)
    for word in words:
        assert word in str(refused.value)


def wine_by_wine(places: dict[int, float], count: int) -> list[int]:
    """The order by the plain rule: by where each comes to stand, the boosted first, then as ranked."""
    return sorted(range(count), key=lambda at: (at + places.get(at, 0), (places.get(at, 0) > 0) - (places.get(at, 0) < 0), at))


moves = st.lists(st.tuples(st.sets(st.integers(0, 9), min_size=1), st.none() | st.integers(-8, 8).filter(bool)), max_size=4)


@settings(max_examples=200, deadline=None)
@given(moves, st.integers(1, 10))
def test_a_wine_moves_by_the_sum_of_its_rules(said, count):
    columns = columns_of(["Alpha"] * count)
    rules = Rules("v", tuple(Move(When(Filters(), tuple(f"w{at}" for at in wines)), places) for wines, places in said))
    moved: dict[int, float] = {}
    for wines, places in said:
        for at in wines:
            moved[at] = moved.get(at, 0) + (float("inf") if places is None else places)
    assert rules.order(columns, np.arange(count), "buy").tolist() == wine_by_wine(moved, count)


@settings(max_examples=100, deadline=None)
@given(st.permutations(range(9)), st.integers(0, 8), st.integers(1, 12))
def test_one_boosted_wine_goes_up_exactly_its_places_and_one_buried_down(ranked, wine, places):
    columns, order = columns_of([None] * 9), np.array(ranked)
    at = ranked.index(wine)
    for sign, lands in ((-1, max(0, at - places)), (1, min(8, at + places))):
        moved = Rules("v", (Move(When(Filters(), (f"w{wine}",)), sign * places),)).order(columns, order, "open").tolist()
        assert moved.index(wine) == lands
        assert [other for other in moved if other != wine] == [other for other in ranked if other != wine]


@given(st.permutations(range(6)))
def test_without_rules_the_order_is_unchanged(ranked):
    columns = columns_of([None] * 6)
    assert NO_RULES.order(columns, np.array(ranked), "buy").tolist() == ranked
    elsewhere = Rules("v", (Move(When(Filters(), ("w3",), ("gift",)), -3),))
    assert elsewhere.order(columns, np.array(ranked), "buy").tolist() == ranked


def test_what_is_buried_without_places_comes_last_and_nothing_is_lost():
    columns = columns_of(["Alpha", "Beta", "alpha", None])
    rules = Rules("v", (Move(When(Filters(producer="ALPHA")), None),))
    assert rules.order(columns, np.array([2, 0, 3, 1]), "buy").tolist() == [3, 1, 2, 0]
