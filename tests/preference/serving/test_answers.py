"""What an answer holds: the contract's shape, one result a wine in order, the basis it stands on, and plain laws."""

from __future__ import annotations

import random

import jsonschema
import pytest

AS_OF = "2021-06-15T12:00:00Z"  # inside the world's ten years, so that nothing is stale
UNKNOWN_MEMBER = "nobody has this id"
# Two orders of the same float32 sums, then rounding to six decimals.
SAME = 2e-6

BAROLO = {"type": "Red", "country": "Italy", "region": "Barolo", "grapes": ["Nebbiolo"], "producer": "Nobody", "price": 45.0, "abv": 14.0}


def test_an_answer_has_the_contracts_shape(client, line, wine_ids, busiest):
    answer = client.ask(wine_ids[0], {"wine_id": wine_ids[1], "vintage": 2015}, member_id=busiest[0], as_of=AS_OF)
    assert list(answer) == ["request_id", "model", "as_of", "features_as_of", "history_ignored", "degraded", "results"]
    assert answer["model"] == {
        "name": "preference",
        "version": line.manifest.version,
        "deployment": "local",
        "generation": (line.store / "CURRENT").read_text().strip(),
        "trained_through": line.manifest.trained_through,
    }
    assert (answer["as_of"], answer["features_as_of"]) == (AS_OF, "2021-06-15T00:00:00Z")
    assert (answer["history_ignored"], answer["degraded"]) == (0, [])
    for result in answer["results"]:
        assert list(result) == ["index", "wine_id", "vintage", "basis", "probability", "interval", "verdict", "evidence", "reasons"]
        assert list(result["evidence"]) == ["own_tastings", "wine_ratings", "similar"]
        assert (result["interval"], result["verdict"], result["reasons"]) == (None, "not_enough_evidence", [])
        assert result["evidence"]["similar"] is None
        assert result["evidence"]["own_tastings"] > 0
        assert result["evidence"]["wine_ratings"] > 0
    assert [result["vintage"] for result in answer["results"]] == [None, 2015]


def test_answers_keep_to_the_schema_that_docs_publish(client, wine_ids, busiest):
    document = client("GET", "/openapi.json").json()
    schema = document["paths"]["/score"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    answer = client.ask(wine_ids[0], {"wine_id": "w", "vintage": "NV", "about": BAROLO}, member_id=busiest[0], as_of=AS_OF)
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(answer)


@pytest.mark.parametrize("count", [1, 50, 500])
def test_every_wine_gets_a_chance_in_the_order_asked(client, wine_ids, count):
    asked = [wine_ids[place % len(wine_ids)] if place % 3 else f"unheard of {place}" for place in range(count)]
    results = client.ask(*asked, history=[])["results"]
    assert [(result["index"], result["wine_id"]) for result in results] == list(enumerate(asked))
    assert all(0 < result["probability"] < 1 for result in results)


def test_the_model_tells_wines_and_members_apart(client, wine_ids, busiest):
    chances = {member: client.chances(*wine_ids, member_id=member, as_of=AS_OF) for member in busiest[:5]}
    assert len({tuple(each) for each in chances.values()}) == 5
    assert all(len(set(each)) > len(wine_ids) / 2 for each in chances.values())


def test_a_batch_is_answered_as_its_wines_are_one_by_one(client, wine_ids, busiest):
    asked = [{"wine_id": wine, "vintage": vintage} for wine, vintage in zip(wine_ids[:12], [None, "NV", 2016] * 4, strict=True)]
    batch = client.chances(*asked, member_id=busiest[0], as_of=AS_OF)
    alone = [client.chances(wine, member_id=busiest[0], as_of=AS_OF)[0] for wine in asked]
    assert batch == pytest.approx(alone, abs=SAME)


def test_neither_order_nor_duplicates_of_wines_matter(client, wine_ids, busiest):
    asked = wine_ids[:20] + wine_ids[:5]
    shuffled = random.Random(4).sample(asked, len(asked))
    straight = client.chances(*asked, member_id=busiest[1], as_of=AS_OF)
    assert straight[:5] == pytest.approx(straight[20:], abs=SAME)
    of_wine = dict(zip(asked, straight, strict=True))
    assert client.chances(*shuffled, member_id=busiest[1], as_of=AS_OF) == pytest.approx([of_wine[wine] for wine in shuffled], abs=SAME)


def test_an_unknown_member_is_answered_as_an_empty_history_is(client, wine_ids):
    unknown = client.ask(*wine_ids, member_id=UNKNOWN_MEMBER, as_of=AS_OF)
    empty = client.ask(*wine_ids, history=[], as_of=AS_OF)
    assert unknown["results"] == empty["results"]
    assert {result["evidence"]["own_tastings"] for result in empty["results"]} == {0}


def test_a_wine_is_known_described_or_neither(client, wine_ids):
    known, described, bare = client.ask(wine_ids[0], {"wine_id": "x", "about": BAROLO}, "x", history=[])["results"]
    assert [known["basis"], described["basis"], bare["basis"]] == ["catalogue", "about", "prior"]
    assert known["evidence"]["wine_ratings"] > 0
    assert described["evidence"]["wine_ratings"] == bare["evidence"]["wine_ratings"] == 0
    assert len({known["probability"], described["probability"], bare["probability"]}) == 3


@pytest.mark.parametrize(
    "about", [{}, {"grapes": []}, {"producer": "", "type": " "}, {"price": 0}], ids=["none", "no-grapes", "blank", "no-price"]
)
def test_a_description_that_says_nothing_is_none(client, about):
    described, bare = client.ask({"wine_id": "x", "about": about}, "x", history=[])["results"]
    assert (described["basis"], described["probability"]) == ("prior", bare["probability"])


@pytest.mark.parametrize("changed", [{"type": "White"}, {"country": None, "region": None}, {"grapes": ["Riesling"]}, {"abv": 9.0}])
def test_a_described_wine_is_judged_by_its_facts(client, line, changed, facts_known):
    first, second = client.chances(
        {"wine_id": "x", "about": facts_known}, {"wine_id": "x", "about": facts_known | changed}, history=[], as_of=AS_OF
    )
    assert first != second


def test_a_wine_of_the_catalogue_is_never_judged_by_a_description(client, wine_ids):
    described, plain = client.ask({"wine_id": wine_ids[3], "about": BAROLO}, wine_ids[3], history=[])["results"]
    assert (described["basis"], described["probability"]) == ("catalogue", plain["probability"])


@pytest.mark.parametrize("kind", ["a year", "NV"])
def test_a_vintage_that_people_rated_is_told_from_an_unknown_one(client, rated_vintage, kind):
    wine, vintage = rated_vintage[kind]
    results = client.ask({"wine_id": wine, "vintage": vintage}, {"wine_id": wine, "vintage": None}, wine, history=[], as_of=AS_OF)[
        "results"
    ]
    assert [result["vintage"] for result in results] == [vintage, None, None]
    assert results[0]["probability"] != results[1]["probability"] == results[2]["probability"]


def test_a_vintage_written_as_a_table_with_gaps_writes_it_is_the_same_vintage(client, rated_vintage):
    wine, vintage = rated_vintage["a year"]
    rated = [{"wine_id": wine, "rating": 4.5, "vintage": float(vintage)}]
    with_point = client.ask({"wine_id": wine, "vintage": float(vintage)}, history=rated, as_of=AS_OF)["results"]
    without = client.ask({"wine_id": wine, "vintage": vintage}, history=[rated[0] | {"vintage": vintage}], as_of=AS_OF)["results"]
    assert with_point == without
    assert isinstance(with_point[0]["vintage"], int)


def test_a_rating_on_the_other_scale_counts_as_its_equal_on_this_one(client, wine_ids):
    # One star of 1-5 and five points of 0-100 are the units of taste; liked from 4 stars and from 90 points.
    stars = [5, 4.5, 4, 3, 2, 1]
    histories = [
        [{"wine_id": wine, "rating": rating, "rated_at": f"2020-01-0{day + 1}T12:00:00Z"} for day, (wine, rating) in enumerate(rows)]
        for rows in (zip(wine_ids, stars, strict=False), zip(wine_ids, [90 + 5 * (star - 4) for star in stars], strict=False))
    ]
    on_stars, on_points = (
        client.chances(*wine_ids[:20], history=history, scale=scale, as_of=AS_OF)
        for history, scale in zip(histories, ("1-5", "0-100"), strict=True)
    )
    assert on_stars == on_points
    assert client.chances(*wine_ids[:20], history=histories[0], as_of=AS_OF) == on_stars  # the catalogue's scale is the default


def test_a_rating_given_now_changes_the_next_answer(client, wine_ids):
    loved, hated = (
        client.chances(wine_ids[7], history=[{"wine_id": wine_ids[7], "rating": rating, "rated_at": "2021-06-15T11:59:59Z"}], as_of=AS_OF)
        for rating in (5, 1)
    )
    assert loved != hated != client.chances(wine_ids[7], history=[], as_of=AS_OF)


def test_the_request_id_is_echoed_and_every_stage_is_timed(client, wine_ids):
    response = client.post({"wines": [{"wine_id": wine_ids[0]}], "history": []}, x_ms_client_request_id="order-66")
    assert (response.json()["request_id"], response.headers["x-ms-client-request-id"]) == ("order-66", "order-66")
    assert response.headers["cellar-contract"] == "1"
    stages = [stage.partition(";dur=") for stage in response.headers["server-timing"].split(", ")]
    assert [name for name, _, _ in stages] == ["read", "decode", "store", "features", "model", "score", "encode"]
    assert all(float(milliseconds) >= 0 for _, _, milliseconds in stages)


def test_the_example_of_the_docs_is_answered(client):
    example = client("GET", "/openapi.json").json()["paths"]["/score"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert len(client.post(example).json()["results"]) == len(example["wines"])


def test_metadata_says_what_is_served(client, line, own, connect):
    metadata = client("GET", "/v2/models/preference").json()
    assert (metadata["name"], metadata["versions"], metadata["platform"]) == ("preference", [line.manifest.version], "onnx")
    assert metadata["properties"] == {
        "generation": (line.store / "CURRENT").read_text().strip(),
        "events_through": "2021-12-31T12:10:10.000001Z",  # just past the last event
        "earliest_as_of": "2012-01-03T00:00:00Z",  # ten times 365 days before, at midnight
        "trained_through": line.manifest.trained_through,
        "feature_fingerprint": line.manifest.feature_fingerprint,
        "deployment": "local",
        "scale": "1-5",
    }
    assert client("GET", "/v2/models/preference/ready").json() == {"name": "preference", "ready": True}
    green = connect(own.bundle, own.store).start()
    assert green("GET", "/v2/models/preference").json()["properties"]["deployment"] == "green"
    assert green.ask("w", history=[])["model"]["deployment"] == "green"
