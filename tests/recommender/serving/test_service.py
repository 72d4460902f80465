"""What an answer holds: the contract's shape, the laws of intents, filters, seeds and sources, and what offline evaluation gives."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from datetime import UTC, datetime

import jsonschema
import numpy as np
import polars as pl
import pytest

from cellar_preference.serving.service import PreferenceService
from cellar_recommender.serving.ladder import Ladder
from cellar_recommender.serving.recommender import Recommender
from cellar_recommender.serving.recommending import order_of_candidates, rank, retrieve
from cellar_recommender.serving.rules import read_rules
from cellar_recommender.serving.service import RecommenderService
from cellar_shared.events.moments import counted_before, moment_of
from cellar_shared.features.histories import Questions
from cellar_shared.service.asking import stored_history
from cellar_shared.store.generation import Generation
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.materialize import materialize
from cellar_shared.store.opening import open_store
from cellar_shared.store.pushing import push

AS_OF = "2021-12-30T12:00:00Z"  # inside the world's ten years, so that nothing is stale
ALL = 100
SAME_SCORE = 1e-5  # two orders of the same float32 sums: wines as alike as that may change places
WITHIN_S = 60.0  # whatever is waited for ends the wait
SAME_CHANCE = 1e-6  # six decimals, and two orders of the same float32 sums


def ids(answer):
    return [item["wine_id"] for item in answer["items"]]


def adds_up(answer):
    told = answer["sources"]
    assert sum(source["returned"] for source in told.values()) == len(answer["items"])
    assert {name: source["returned"] for name, source in told.items() if source["returned"]} == Counter(
        item["source"] for item in answer["items"]
    )
    assert sum(source["proposed"] for source in told.values()) >= len(answer["items"])


def rated_before(served, member, as_of=AS_OF):
    return served.ratings.filter(pl.col("member_id") == member, pl.col("rated_at") < datetime.fromisoformat(as_of))


def test_an_answer_keeps_to_the_schema_that_docs_publish(client, busiest):
    document = client("GET", "/openapi.json").json()
    schema = document["paths"]["/score"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    answer = client.ask(member_id=busiest[0], as_of=AS_OF, explain=True, explore=0.5, seed=3)
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(answer)
    assert (answer["degraded"], answer["seed"], answer["features_as_of"]) == ([], 3, "2021-12-30T00:00:00Z")
    assert [item["position"] for item in answer["items"]] == list(range(1, 21))
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("as_of", [AS_OF, "2018-05-17T09:30:00Z"])
def test_what_to_buy_is_what_evaluation_ranks_first(client, served, busiest, place, as_of):
    member = busiest[place * 7]
    recommender = Recommender.open(served.bundle)
    generation = Generation.open(LmdbStore(served.store), recommender.manifest.feature_fingerprint)
    moment = moment_of(datetime.fromisoformat(as_of))
    features_as_of = generation.clamp(moment)
    events = client._runner.run(generation.members.events_of(member))
    histories, _, _ = stored_history(events, moment, generation, recommender.history_limit)
    none = np.zeros(0, dtype=np.int64)
    questions = Questions(histories, np.array([moment]), none, histories.wines[:0], none.astype(np.int16), np.array([features_as_of]))
    asked = recommender.asked(questions, generation.counts)
    shelf = recommender.sources.shelf(generation.wines, generation.counts, int(counted_before(np.array([features_as_of]))[0]))
    rated = np.isin(generation.wines["wine"], generation.wines["wine"][events["row"][events["moment"] < moment]])
    retrieved = retrieve(recommender.sources, asked, shelf, rated[None])
    scores = order_of_candidates(retrieved, rank(recommender.forest, recommender.sources, asked, shelf, retrieved))[0]
    order = np.argsort(-scores, kind="stable")
    of_wine = dict(zip(generation.wine_ids(order), scores[order].tolist(), strict=True))
    answer = client.ask(member_id=member, as_of=as_of, limit=ALL)
    wanted = scores[order][np.isfinite(scores[order])][:ALL].tolist()
    assert [of_wine[wine] for wine in ids(answer)] == pytest.approx(wanted, abs=SAME_SCORE)
    assert [item["score"] for item in answer["items"]] == pytest.approx(wanted, abs=SAME_SCORE)
    adds_up(answer)


def test_each_percentage_is_the_preference_services(client, served, busiest, connect):
    preference = connect(PreferenceService(served.preference, LmdbStore(served.store)))
    for request in (
        {"member_id": busiest[3], "as_of": AS_OF},
        {"member_id": busiest[5], "as_of": "2019-02-03T04:05:06Z"},
        {"member_id": busiest[9]},
        {"history": []},
    ):
        answer = client.ask(**request, limit=50)
        wines = [{"wine_id": item["wine_id"], "vintage": item["vintage"]} for item in answer["items"]]
        told = preference.post({**request, "wines": wines}).json()["results"]
        for item, result in zip(answer["items"], told, strict=True):
            assert item["probability"] == pytest.approx(result["probability"], abs=SAME_CHANCE)


def test_buying_leaves_out_what_was_rated_and_what_is_owned(client, served, busiest):
    member = busiest[0]
    rated = set(rated_before(served, member)["wine_id"])
    assert rated
    assert not rated & set(ids(client.ask(member_id=member, as_of=AS_OF, limit=ALL)))
    history = [{"wine_id": wine, "rating": 4.5} for wine in sorted(rated)[:3]]
    free = ids(client.ask(history=history, as_of=AS_OF, limit=ALL))
    owned = free[0]
    answer = client.ask(history=history, as_of=AS_OF, limit=ALL, cellar=[{"bottle_id": "b", "wine_id": owned, "state": "pending"}])
    assert owned not in ids(answer)


def test_opening_offers_the_bottles_that_are_there_and_in_their_window(client, served):
    wines = served.wines["wine_id"].to_list()
    cellar = [
        {"bottle_id": "young", "wine_id": wines[0], "vintage": 2019, "window_from": 2030, "window_to": 2040},
        {
            "bottle_id": "ready",
            "wine_id": wines[1],
            "vintage": 2012,
            "window_from": 2018,
            "window_to": 2026,
            "location": "Home",
            "bin": "A",
        },
        {"bottle_id": "past", "wine_id": wines[2], "vintage": 2001, "window_from": 2004, "window_to": 2010},
        {"bottle_id": "due", "wine_id": "unheard of", "vintage": "NV", "about": {"type": "Sparkling", "country": "France"}},
        {"bottle_id": "away", "wine_id": wines[3], "state": "pending"},
        {"bottle_id": "gone", "wine_id": wines[4], "state": "consumed"},
    ]
    answer = client.ask(history=[], cellar=cellar, intent="open", as_of=AS_OF, explain=True)
    assert {(item["wine_id"], item["vintage"]) for item in answer["items"]} == {(wines[1], 2012), ("unheard of", "NV")}
    assert {bottle["bottle_id"] for item in answer["items"] for bottle in item["bottles"]} == {"ready", "due"}
    ready = next(item["bottles"][0] for item in answer["items"] if item["wine_id"] == wines[1])
    assert (ready["location"], ready["phase"], ready["drink_by"]) == ("Home", "peak", "2026-12-31")
    assert (answer["matched"], answer["shortfall"]) == (2, "cellar")
    assert answer["sources"]["cellar"]["returned"] == 2
    adds_up(answer)


def test_restocking_offers_what_was_liked_and_is_not_there(client, served):
    wines = served.wines["wine_id"].to_list()
    history = [{"wine_id": wine, "rating": rating} for wine, rating in zip(wines[:4], (5, 4.5, 1, 4), strict=True)]
    answer = client.ask(history=history, intent="restock", as_of=AS_OF, cellar=[{"bottle_id": "b", "wine_id": wines[3]}])
    assert set(ids(answer)) == set(wines[:2])
    assert answer["shortfall"] == "cellar"


def test_nothing_excluded_or_filtered_appears_and_the_list_is_full_while_wines_are_there(client, served, busiest):
    wines = served.wines
    draw = np.random.default_rng(5)
    for _ in range(60):
        row = wines.row(int(draw.integers(len(wines))), named=True)
        filters = {name: row[name] for name in ("type", "country", "region", "producer") if row[name] and draw.random() < 0.3}
        if draw.random() < 0.3:
            filters["price_max"] = float(wines["price"].drop_nulls().quantile(draw.random()))
        excluded = wines["wine_id"].sample(30, seed=int(draw.integers(1 << 30))).to_list()
        member = busiest[int(draw.integers(len(busiest)))]
        answer = client.ask(
            member_id=member, as_of=AS_OF, limit=int(draw.integers(1, ALL + 1)), filters=filters, exclude=excluded,
            diversity=float(draw.random()), explore=float(draw.random()), seed=int(draw.integers(1 << 40)),
        )  # fmt: skip
        found = ids(answer)
        assert not set(found) & set(excluded)
        assert not set(found) & set(rated_before(served, member)["wine_id"])
        facts = wines.filter(pl.col("wine_id").is_in(found))
        for name, value in filters.items():
            if name == "price_max":
                assert facts["price"].null_count() == 0 and (facts["price"] <= value * (1 + 1e-6)).all()
            else:
                assert set(facts[name].str.to_lowercase()) <= {value.lower()}
        assert len(found) == len(set(found)) <= answer["matched"]
        if answer["shortfall"] is None:
            assert found
        else:
            assert len(found) == answer["matched"]
        adds_up(answer)


def test_the_same_request_and_seed_give_the_same_list(client, busiest):
    request = {"member_id": busiest[4], "as_of": AS_OF, "explore": 0.8, "seed": 11, "diversity": 0.4}
    assert client.ask(**request)["items"] == client.ask(**request)["items"]
    drawn = {client.ask(**request | {"seed": seed})["items"][-1]["wine_id"] for seed in range(40)}
    assert len(drawn) > 1
    unseeded = client.ask(**{**request, "seed": None})
    assert client.ask(**request | {"seed": unseeded["seed"]})["items"] == unseeded["items"]
    explored = [item for item in unseeded["items"] if item["source"] == "exploration"]
    assert len(explored) == 1 and 0 < explored[0]["propensity"] <= 1


def test_given_candidates_are_ranked_and_nothing_else(client, served):
    wines = served.wines["wine_id"].to_list()[:20]
    answer = client.ask(history=[], candidates=[{"wine_id": wine} for wine in [*wines, "unheard of", wines[0]]], as_of=AS_OF, limit=ALL)
    assert sorted(ids(answer)) == sorted([*wines, "unheard of"])
    assert (answer["matched"], answer["shortfall"], answer["sources"]["candidates"]["returned"]) == (21, None, 21)


def test_several_members_get_what_suits_all(client, served, busiest):
    pair = [{"member_id": busiest[0]}, {"member_id": busiest[1]}, {"history": []}]
    answer = client.ask(members=pair, as_of=AS_OF, limit=ALL)
    rated = set(rated_before(served, busiest[0])["wine_id"]) | set(rated_before(served, busiest[1])["wine_id"])
    assert not rated & set(ids(answer))
    for item in answer["items"]:
        chances = [member["probability"] for member in item["members"]]
        assert [member["index"] for member in item["members"]] == [0, 1, 2]
        assert item["probability"] == pytest.approx(np.mean(chances), abs=2e-6)
    worth = [0.5 * min(member["probability"] for member in item["members"]) + 0.5 * item["probability"] for item in answer["items"]]
    assert worth == pytest.approx(sorted(worth, reverse=True), abs=4e-6)
    turned = client.ask(members=pair[::-1], as_of=AS_OF, limit=ALL)
    assert [item["score"] for item in turned["items"]] == pytest.approx([item["score"] for item in answer["items"]], abs=1e-5)


def test_a_pushed_rating_and_a_hidden_producer_change_the_next_answer(served, tmp_path, connect, busiest):
    data, store = shutil.copytree(served.data, tmp_path / "data"), shutil.copytree(served.store, tmp_path / "store")
    client = connect(RecommenderService(served.bundle, LmdbStore(store)))
    member = busiest[2]
    before = ids(client.ask(member_id=member, limit=ALL))
    producers = dict(zip(served.wines["wine_id"], served.wines["producer"], strict=True))
    first, hidden = before[0], producers[before[1]]
    now = datetime.now(UTC).isoformat()
    events = [
        {"event_id": "r1", "kind": "rating", "member_id": member, "occurred_at": now, "wine_id": first, "rating": 5.0},
        {"event_id": "p1", "kind": "preference", "member_id": member, "occurred_at": now, "preference": "hide_producer", "value": hidden},
    ]
    lines = [json.dumps(event).encode() + b"\n" for event in events]
    pushed = push(lines, data, LmdbStore(store), tell=lambda _, count: None)
    assert not pushed.refused
    after = ids(client.ask(member_id=member, limit=ALL))
    assert first not in after
    assert after and not {wine for wine in after if producers[wine] == hidden}
    assert hidden in {producers[wine] for wine in before}
    materialize(data, LmdbStore(store), say=lambda _: None)
    later = connect(RecommenderService(served.bundle, LmdbStore(store)))
    assert first not in ids(later.ask(member_id=member, limit=ALL))
    assert not {wine for wine in ids(later.ask(member_id=member, limit=ALL)) if producers[wine] == hidden}


def test_rules_are_followed_and_cited(served, tmp_path, connect, client, busiest):
    before = client.ask(member_id=busiest[0], as_of=AS_OF, limit=ALL)
    last = before["items"][-1]["wine_id"]
    file = tmp_path / "rules.yml"
    file.write_text(f"format: 1\npin: [{{wine_id: {last}, position: 2}}]\ncap: {{per_producer: 2}}\n")
    ruled = connect(RecommenderService(served.bundle, LmdbStore(served.store), rules=read_rules(file)))
    answer = ruled.ask(member_id=busiest[0], as_of=AS_OF, limit=20)
    assert answer["items"][1]["wine_id"] == last
    assert answer["rules_version"] == read_rules(file).version
    producers = dict(zip(served.wines["wine_id"], served.wines["producer"], strict=True))
    assert max(Counter(producers[wine] for wine in ids(answer)).values()) <= 2
    assert before["rules_version"] is None


def test_a_deadline_that_is_near_gives_what_is_popular_and_says_so(served, connect, busiest):
    hurried = connect(RecommenderService(served.bundle, LmdbStore(served.store), ladder=Ladder(1e9)))
    request = {"member_id": busiest[0], "as_of": AS_OF, "limit": 10, "explain": True}
    answer = hurried.post(request, x_deadline_ms="60000").json()
    assert answer["degraded"] == ["popular_order"]
    assert answer["sources"]["popular"]["returned"] == 10
    assert not set(ids(answer)) & set(rated_before(served, busiest[0])["wine_id"])
    assert all(0 < item["probability"] < 1 and item["reasons"] == [] for item in answer["items"])
    assert hurried.post(request).json()["degraded"] == []


def test_reasons_come_when_asked_for(client, busiest):
    asked = client.ask(member_id=busiest[0], as_of=AS_OF, explain=True)
    reasons = [reason for item in asked["items"] for reason in item["reasons"]]
    assert reasons
    assert all(reason["text"].endswith(".") for reason in reasons)
    plain = client.ask(member_id=busiest[0], as_of=AS_OF)
    assert ids(plain) == ids(asked)
    assert not any(item["reasons"] for item in plain["items"])


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({}, 422, "member-ambiguous"),
        ({"member_id": "a", "history": []}, 422, "member-ambiguous"),
        ({"member_id": "a", "cellar": []}, 422, "member-ambiguous"),
        ({"members": [{"member_id": "a"}, {}]}, 422, "member-ambiguous"),
        ({"history": [{"wine_id": "w", "rating": 9}], "scale": "1-5"}, 422, "out-of-range"),
        ({"members": [{"history": []}, {"history": [{"wine_id": "w", "rating": 9}]}], "scale": "1-5"}, 422, "out-of-range"),
        ({"history": [], "as_of": "2200-01-01T00:00:00Z"}, 422, "as-of-in-future"),
        ({"history": [], "limit": 101}, 422, "out-of-range"),
        ({"history": [], "filters": {"colour": "red"}}, 422, "unknown-field"),
    ],
)
def test_what_cannot_be_answered_is_refused_and_names_the_place(client, request_, status, code):
    response = client.post(request_)
    problem = response.json()
    assert (response.status_code, problem["type"]) == (status, f"urn:cellar:problem:{code}")
    assert problem["detail"]
    if "members" in request_ and code == "out-of-range":
        assert problem["errors"][0]["pointer"] == "/members/1/history/0/rating"


def test_without_its_store_members_are_answered_as_ones_nobody_knows_and_the_answer_says_so(served, own_redis, tmp_path, connect, busiest):
    url = own_redis.url(tmp_path / "generations", timeout_ms=30_000)
    materialize(served.data, open_store(url), say=lambda _: None)
    client = connect(RecommenderService(served.bundle, open_store(url)))
    request = {"member_id": busiest[0], "as_of": AS_OF, "limit": ALL}
    known = client.ask(**request)
    own_redis.kill()
    unknown = client.ask(**request)
    assert (known["degraded"], unknown["degraded"]) == ([], ["store_unavailable"])
    assert ids(unknown) == ids(client.ask(history=[], as_of=AS_OF, limit=ALL)) != ids(known)
    own_redis.start()
    end = time.monotonic() + WITHIN_S
    while client.ask(**request)["degraded"]:
        assert time.monotonic() < end, "the store was not found again"
        time.sleep(0.05)
