"""Laws of answers to generated requests: what may be offered is told anew here, plainly, wine by wine, and nothing else appears."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cellar_recommender.serving import catalogue
from cellar_recommender.serving.ladder import Ladder
from cellar_recommender.serving.retrieving import taking_turns
from cellar_recommender.serving.rules import read_rules
from cellar_recommender.serving.service import RecommenderService
from cellar_shared.events.moments import moment_of
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.materialize import materialize
from cellar_shared.store.pushing import push

AS_OF = ("2021-12-30T12:00:00Z", "2018-05-17T09:30:00Z")
SAME_SCORE = 1e-5  # two orders of the same float32 sums
LIKED_FROM = 4.0  # of scale 1-5
CAP = 2
CASES = int(os.environ.get("CELLAR_FUZZ_CASES", "150"))
VINTAGES = (None, "NV", 2009, 2015)
WINDOWS = ((None, None), (2000, 2010), (2010, 2040), (2030, 2040), (None, 2012), (2016, None), (2019, 2015))


@dataclass
class Person:
    """One who asks: the wines rated before the moment, each with whether it was liked when last rated, and what they hid."""

    rated: dict[str, bool]
    wines: frozenset[str] = frozenset()
    producers: frozenset[str] = frozenset()


class World:
    """Services over a store in which some members hid something, and what is known of its wines and members."""

    def __init__(self, served: Any, clients: dict[str, Any], hidden: dict[str, tuple[str, str]]) -> None:
        self.clients = clients
        self.facts = {row["wine_id"]: row for row in served.wines.iter_rows(named=True)}
        self.wines = sorted(self.facts)
        self.hidden = hidden
        counts = served.ratings.group_by("member_id").len().sort("len", "member_id", descending=[True, False])
        self.members = counts["member_id"].to_list()

    def person(self, asked: dict[str, Any], as_of: str) -> Person:
        if "history" in asked:
            return Person({row["wine_id"]: row["rating"] >= LIKED_FROM for row in asked["history"]})
        client = self.clients["plain"]
        generation = client.service._following.pinned.generation
        events = client._runner.run(generation.members.events_of(asked["member_id"]))
        events = [] if events is None else events[events["moment"] < moment_of(datetime.fromisoformat(as_of))]
        wines = generation.wine_ids(np.array([event["row"] for event in events], dtype=np.int64))
        wine, producer = self.hidden.get(asked["member_id"], ("", ""))
        return Person(dict(zip(wines, [bool(event["liked"]) for event in events], strict=True)), frozenset([wine]), frozenset([producer]))


def push_all(events: list[dict[str, Any]], data: Path, store: Path) -> None:
    lines = [json.dumps(event).encode() + b"\n" for event in events]
    assert not push(lines, data, LmdbStore(store), tell=lambda _, count: None).refused


@pytest.fixture(scope="module")
def world(served, connect_for_all, tmp_path_factory):
    """Every second of the busiest members hid the wine and the producer that they would be shown first."""
    place = tmp_path_factory.mktemp("hiding")
    data, store = shutil.copytree(served.data, place / "data"), shutil.copytree(served.store, place / "store")
    plain = connect_for_all(RecommenderService(served.bundle, LmdbStore(store)))
    made = World(served, {"plain": plain}, {})
    events = []
    for member in made.members[:20:2]:
        first, second = (item["wine_id"] for item in plain.ask(member_id=member, as_of=AS_OF[0], limit=2)["items"])
        made.hidden[member] = (first, made.facts[second]["producer"])
        for kind, value in zip(("hide_wine", "hide_producer"), made.hidden[member], strict=True):
            event = {
                "event_id": f"{member} {kind}",
                "kind": "preference",
                "member_id": member,
                "occurred_at": datetime.now(UTC).isoformat(),
            }
            events.append(event | {"preference": kind, "value": value})
    push_all(events, data, store)
    pins = ", ".join(f"{{wine_id: {wine}, position: {at}}}" for at, wine in enumerate(sorted({w for w, _ in made.hidden.values()}), 1))
    rules = place / "rules.yml"
    rules.write_text(f"format: 1\npin: [{pins}]\ncap: {{per_producer: {CAP}}}\n")
    made.clients["hurried"] = connect_for_all(RecommenderService(served.bundle, LmdbStore(store), ladder=Ladder(1e300)))
    made.clients["ruled"] = connect_for_all(RecommenderService(served.bundle, LmdbStore(store), rules=read_rules(rules)))
    return made


def fits(one: Any, other: Any) -> bool:
    return one is None or other is None or one == other


@dataclass
class Bottle:
    """A bottle of a request's cellar, and whether it may be offered."""

    id: str
    wine: str
    vintage: Any
    is_there: bool
    passes: bool = field(default=False)


def bottles_of(request: dict[str, Any]) -> list[Bottle]:
    filters, intent = request["filters"], request["intent"]
    today = int(request["as_of"][:4])
    found = []
    for told in {told["bottle_id"]: told for told in request.get("cellar", [])}.values():
        if told.get("state") == "consumed":
            continue
        first, last = told.get("window_from"), told.get("window_to")
        has_window = not (first is None and last is None) and (first or 0) <= (last or 9999)
        is_early, is_late = has_window and (first or 0) > today, has_window and (last or 9999) < today
        bottle = Bottle(told["bottle_id"], told["wine_id"], told.get("vintage"), told.get("state", "stored") == "stored")
        bottle.passes = bottle.is_there and not is_excluded(request, bottle.wine, bottle.vintage)
        if filters.get("in_window"):
            bottle.passes &= has_window and not is_early and not is_late
        elif "in_window" not in filters:
            bottle.passes &= not (intent == "open" and is_early) and not (intent in ("open", "gift") and is_late)
        if "size_ml" in filters:
            bottle.passes &= told.get("size_ml") == filters["size_ml"]
        found.append(bottle)
    return found


def is_excluded(request: dict[str, Any], wine: str, vintage: Any) -> bool:
    named = [each if isinstance(each, dict) else {"wine_id": each} for each in request["exclude"]]
    return any(each["wine_id"] == wine and fits(each.get("vintage"), vintage) for each in named)


def of_item(request: dict[str, Any], bottles: list[Bottle], wine: str, vintage: Any) -> list[Bottle]:
    """The bottles of an item. Where bottles are offered each has its own vintage, and nobody's knowledge is one."""
    is_own = request["intent"] == "open" and "candidates" not in request
    return [each for each in bottles if each.wine == wine and (each.vintage == vintage if is_own else fits(each.vintage, vintage))]


def allowed(world: World, request: dict[str, Any], people: list[Person], bottles: list[Bottle]) -> set[tuple[str, Any]]:
    """All that may be offered, wine and vintage."""
    if "candidates" in request:
        offered = {(each["wine_id"], each.get("vintage")) for each in request["candidates"]}
    elif request["intent"] == "open":
        offered = {(each.wine, each.vintage) for each in bottles}
    else:
        offered = {(wine, None) for wine in world.wines}
    return {each for each in offered if may_come(world, request, people, bottles, *each)}


def may_come(world: World, request: dict[str, Any], people: list[Person], bottles: list[Bottle], wine: str, vintage: Any) -> bool:
    filters, intent, facts = request["filters"], request["intent"], world.facts.get(wine, {})
    price = facts.get("price")
    held, owned = of_item(request, bottles, wine, vintage), any(each.wine == wine for each in bottles)
    verdicts = [person.rated[wine] for person in people if wine in person.rated]
    suits = {
        "open": True,
        "buy": not owned and not verdicts,
        "gift": all(verdicts),
        "restock": bool(verdicts) and all(verdicts) and not owned,
    }
    needs_bottle = intent == "open" or any(filters.get(name) for name in ("in_stock", "in_window", "size_ml"))
    return (
        suits[intent]
        and all(facts.get(name) == filters[name] for name in ("type", "country", "producer") if name in filters)
        and ("price_max" not in filters or (price is not None and price <= filters["price_max"]))
        and (not needs_bottle or any(each.passes for each in held))
        and (filters.get("in_stock") is not False or not any(each.is_there for each in held))
        and (intent == "open" or not is_excluded(request, wine, vintage))
        and not any(wine in person.wines or facts.get("producer") in person.producers for person in people)
    )


def drawn_request(data: st.DataObject, world: World) -> dict[str, Any]:
    """A request: its shape is drawn, its long lists come out of a drawn seed."""
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def wine() -> str:
        return str(rng.choice(world.wines)) if rng.random() < 0.93 else f"unheard{rng.integers(9)}"

    def named(size: int) -> list[dict[str, Any]]:
        return [{"wine_id": wine(), "vintage": VINTAGES[rng.integers(len(VINTAGES))]} for _ in range(size)]

    def history() -> list[dict[str, Any]]:
        return [{"wine_id": wine(), "rating": float(rng.integers(2, 11)) / 2} for _ in range(rng.integers(0, 130))]

    def member() -> dict[str, Any]:
        # The busiest hid something; the last rated a wine or two.
        known = (world.members[int(rng.integers(24))], world.members[-1 - int(rng.integers(9))], "nobody")
        return {"history": history()} if rng.random() < 0.4 else {"member_id": known[int(rng.choice(3, p=(0.7, 0.2, 0.1)))]}

    people = [member() for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3, 5))))]
    request: dict[str, Any] = {**people[0]} if len(people) == 1 else {"members": people}
    request |= {"as_of": draw(st.sampled_from(AS_OF)), "intent": draw(st.sampled_from(("buy", "open", "gift", "restock"))), "scale": "1-5"}
    request |= {"limit": draw(st.sampled_from((1, 2, 7, 20, 100))), "seed": draw(st.integers(0, 2**53 - 1))}
    request |= {"diversity": draw(st.sampled_from((0, 0.3, 1))), "explore": draw(st.sampled_from((0, 5e-324, 0.2, 1)))}
    if "member_id" not in request:
        size = draw(st.sampled_from((0, 1, 40, 600)))
        request["cellar"] = [
            {"bottle_id": f"b{rng.integers(size)}", **given, "state": str(rng.choice(("stored", "stored", "pending", "consumed")))}
            | dict(zip(("window_from", "window_to"), WINDOWS[rng.integers(len(WINDOWS))], strict=True))
            | {"size_ml": int(rng.choice((375, 750)))}
            for given in named(size)
        ]
    if draw(st.booleans()):
        request["candidates"] = named(draw(st.sampled_from((1, 30, 500))))
    wines = [each if rng.random() < 0.5 else each["wine_id"] for each in named(draw(st.sampled_from((0, 3, 60))))]
    facts = world.facts[str(rng.choice(world.wines))]
    filters = {name: facts[name] for name in ("type", "country", "producer") if facts[name] and rng.random() < 0.15}
    if rng.random() < 0.15 and facts["price"] is not None:
        filters["price_max"] = facts["price"]
    for name, values in (("in_stock", (True, False)), ("in_window", (True, False)), ("size_ml", (375,))):
        if rng.random() < 0.12:
            filters[name] = values[rng.integers(len(values))]
    return request | {"exclude": wines, "filters": filters}


@settings(max_examples=CASES, phases=[Phase.generate])  # most of a request comes out of one seed: there is little to shrink
@given(data=st.data())
def test_exactly_what_may_be_offered_is_offered(world, generated, data):
    request = drawn_request(data, world)
    kind = data.draw(st.sampled_from(sorted(world.clients)))
    client = world.clients[kind]
    response = client.post(request, **({"x_deadline_ms": "600000"} if kind == "hurried" else {}))
    assert response.status_code == 200, response.text
    answer = response.json()
    generated["requests to the recommender, judged wine by wine"] += 1
    people = [world.person(asked, request["as_of"]) for asked in request.get("members", [request])]
    bottles = bottles_of(request)
    expected = allowed(world, request, people, bottles)
    items = [(item["wine_id"], item["vintage"]) for item in answer["items"]]
    assert len(set(items)) == len(items)
    assert set(items) <= expected
    assert answer["matched"] == len(expected)
    if kind == "ruled":
        producers = Counter(world.facts[wine]["producer"] for wine, _ in items if wine in world.facts)
        assert max(producers.values(), default=0) <= CAP
    else:
        assert len(items) == min(request["limit"], len(expected))
    assert answer["degraded"] == (["popular_order"] if kind == "hurried" else []) or "history_truncated" in answer["degraded"]
    for item in answer["items"]:
        held = of_item(request, bottles, item["wine_id"], item["vintage"])
        assert Counter(told["bottle_id"] for told in item["bottles"]) == Counter(each.id for each in held if each.passes)
    told = answer["sources"]
    assert {name: source["returned"] for name, source in told.items() if source["returned"]} == Counter(
        item["source"] for item in answer["items"]
    )
    assert len(items) <= sum(source["proposed"] for source in told.values()) <= max(len(expected), 0)
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    lots = [item["propensity"] for item in answer["items"] if item["source"] == "exploration"]
    assert len(lots) <= bool(request["explore"]) and all(0 < chance <= 1 for chance in lots)
    wanted = request["limit"]
    if "candidates" in request:
        wanted = min(wanted, len({(each["wine_id"], each["vintage"]) for each in request["candidates"]}))
    elif request["intent"] != "open":
        wanted = min(wanted, len(world.wines))
    assert (answer["shortfall"] is None) == (len(items) >= wanted)
    if kind == "plain":
        assert client.post(request).json()["items"] == answer["items"]
        assert_any_order_of_members_is_the_same(client, request, answer)


def assert_any_order_of_members_is_the_same(client: Any, request: dict[str, Any], answer: dict[str, Any]) -> None:
    if len(request.get("members", [])) < 2 or request["explore"]:
        return
    turned = client.ask(**request | {"members": request["members"][::-1]})
    assert {name: told["proposed"] for name, told in turned["sources"].items()} == {
        name: told["proposed"] for name, told in answer["sources"].items()
    }
    assert [item["score"] for item in turned["items"]] == pytest.approx([item["score"] for item in answer["items"]], abs=SAME_SCORE)


def test_nothing_that_happened_later_changes_an_answer(served, client, busiest, connect, tmp_path):
    data, store = shutil.copytree(served.data, tmp_path / "data"), shutil.copytree(served.store, tmp_path / "store")
    wines = sorted(served.wines["wine_id"])
    vintages = (2005, 2009, 2012, 2015)
    named = [{"wine_id": wine, "vintage": vintage} for vintage in vintages for wine in wines]  # more than are ranked
    asked: list[dict[str, Any]] = [
        *({"member_id": member, "as_of": as_of, "limit": 100} for member in busiest[:3] for as_of in AS_OF),
        {"member_id": busiest[0], "intent": "gift", "candidates": named, "as_of": AS_OF[1], "limit": 100},
        {"members": [{"member_id": busiest[0]}, {"member_id": busiest[1]}], "as_of": AS_OF[1], "intent": "restock"},
        {"history": [], "intent": "open", "as_of": AS_OF[1], "limit": 100}
        | {"cellar": [{"bottle_id": str(at), **each} for at, each in enumerate(named)]},
    ]
    before = [client.ask(**request) for request in asked]
    later = [
        {"event_id": f"later {at}", "kind": "rating", "member_id": busiest[at % 40], "occurred_at": "2022-03-04T05:06:07Z"}
        | {"wine_id": wines[at * 7 % len(wines)], "rating": float(1 + at * at % 5)}
        for at in range(600)
    ]
    push_all(later, data, store)
    materialize(data, LmdbStore(store), say=lambda _: None)
    after = connect(RecommenderService(served.bundle, LmdbStore(store)))
    for request, answer in zip(asked, before, strict=True):
        told = after.ask(**request)
        assert (told["matched"], told["shortfall"], told["features_as_of"]) == tuple(
            answer[name] for name in ("matched", "shortfall", "features_as_of")
        )
        assert [(item["wine_id"], item["vintage"]) for item in told["items"]] == [
            (item["wine_id"], item["vintage"]) for item in answer["items"]
        ]
        for name in ("score", "probability"):
            assert [item[name] for item in told["items"]] == pytest.approx([item[name] for item in answer["items"]], abs=SAME_SCORE)


def test_whose_list_comes_first_decides_nothing():
    lists = [np.array([5, 1, 2]), np.array([3, 5, 7]), np.array([0, 9, 4])]
    for turned in (lists[::-1], lists[1:] + lists[:1]):
        for limit in range(1, 9):
            np.testing.assert_array_equal(taking_turns(turned, limit), taking_turns(lists, limit))


def test_of_one_request_every_wine_is_drawn_with_the_one_chance_that_its_answer_tells(client, busiest):
    request = {"members": [{"member_id": busiest[0]}, {"history": []}], "as_of": AS_OF[0], "limit": 5, "explore": 0.5}
    chances: dict[str, set[float]] = {}
    lists = set()
    for seed in range(150):
        items = client.ask(**request, seed=seed)["items"]
        assert [item["source"] == "exploration" for item in items] == [False] * 4 + [True]
        lists.add(tuple(item["wine_id"] for item in items[:4]))
        chances.setdefault(items[4]["wine_id"], set()).add(items[4]["propensity"])
    assert len(lists) == 1
    assert all(len(told) == 1 for told in chances.values())
    assert 0.5 < sum(chance for (chance,) in chances.values()) <= 1 + 1e-9
    assert len(chances) > 5


def test_a_share_as_small_as_a_number_can_be_draws_the_best(client, busiest):
    # Chances of a like lie so near to each other that their spread times this share is none.
    request = {"members": [{"member_id": busiest[0]}, {"history": []}], "as_of": AS_OF[0], "seed": 7}
    answer = client.ask(**request, explore=5e-324)
    assert [item["wine_id"] for item in answer["items"]] == [item["wine_id"] for item in client.ask(**request)["items"]]
    assert answer["items"][-1]["propensity"] == 1


def test_what_is_ordered_by_popularity_is_so_among_named_wines_too(served, client, connect):
    hurried = connect(RecommenderService(served.bundle, LmdbStore(served.store), ladder=Ladder(1e300)))
    popular = hurried.post({"history": [], "as_of": AS_OF[0], "limit": 100}, x_deadline_ms="600000").json()
    best = [item["wine_id"] for item in popular["items"]]
    shuffled = np.random.default_rng(3).permutation(sorted(best)).tolist()
    for more in (
        {"candidates": [{"wine_id": wine} for wine in shuffled]},
        {"intent": "open", "cellar": [{"bottle_id": wine, "wine_id": wine} for wine in shuffled]},
    ):
        answer = hurried.post({"history": [], "as_of": AS_OF[0], "limit": 100, **more}, x_deadline_ms="600000").json()
        assert answer["degraded"] == ["popular_order"]
        likes = {wine: place for place, wine in enumerate(best)}
        liked = [item["wine_id"] for item in answer["items"]]
        assert liked == sorted(liked, key=likes.__getitem__)


def test_a_wine_rated_at_the_epoch_was_rated_then(served, client):
    first, *_ = served.wines["wine_id"]
    row = {"wine_id": first, "rating": 5.0, "rated_at": "1970-01-01T00:00:00Z"}
    earlier = {"wine_id": first, "rating": 1.0, "rated_at": "1960-01-01T00:00:00Z"}
    undated = {"wine_id": first, "rating": 1.0}
    for history in ([row, earlier], [earlier, row], [row, undated], [undated, row]):
        answer = client.ask(history=history, intent="restock", scale="1-5", as_of=AS_OF[0])
        assert [item["wine_id"] for item in answer["items"]] == [first]


def test_days_that_are_asked_about_at_once_are_made_beside_the_loop_alone(served, connect, busiest, monkeypatch):
    client = connect(RecommenderService(served.bundle, LmdbStore(served.store)))
    makers: list[int] = []
    make = catalogue._of_day

    def watched(*asked: Any) -> Any:
        makers.append(threading.get_ident())
        return make(*asked)

    monkeypatch.setattr(catalogue, "_of_day", watched)
    days = [f"2021-0{month}-01T00:00:00Z" for month in range(1, 10)]  # more than are kept
    requests = [{"member_id": busiest[0], "as_of": day, "limit": 3} for day in days]
    alone = [client.ask(**request)["items"] for request in requests]
    makers.clear()

    async def together() -> list[Any]:
        posts = [client._http.post("/score", json=request) for request in requests * 3]
        return [response.json()["items"] for response in await asyncio.gather(*posts)]

    assert client._runner.run(together()) == alone * 3
    assert makers and threading.get_ident() not in makers
