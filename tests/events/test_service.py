"""What becomes of each event of a request: every verdict, in order, and what the next answer knows."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from cellar_events.api import document
from cellar_events.service import EventsService
from cellar_shared.errors import BadInput, CellarError
from cellar_shared.store.opening import open_store
from cellar_shared.telemetry import names
from cellar_shared.telemetry.recorder import RECORDER

COMMON = {"member_id": "m9", "occurred_at": "2021-06-01T12:00:00+02:00"}
WINE = {"wine_id": "w1", "vintage": "NV"}


def rating(event_id: str, member_id: str = "m0", **fields: Any) -> dict[str, Any]:
    event = {"kind": "rating", "event_id": event_id, "member_id": member_id, "occurred_at": "2021-06-01T12:00:00Z"}
    return event | {"wine_id": "w1", "rating": 5} | fields


EVERY_KIND = [
    rating("k1", like=False, time_precision="date", vintage=2015),
    {"kind": "impression", "event_id": "k2", "request_id": "r1", "position": 1, "source": "ann", "propensity": 0.5, "candidate_hash": "c"}
    | COMMON
    | WINE,
    {"kind": "outcome", "event_id": "k3", "outcome": "bought", "request_id": "r1", "value": 2.0} | COMMON | WINE,
    {"kind": "bottle", "event_id": "k4", "bottle_id": "b1", "state": "stored", "size_ml": 750} | COMMON | WINE,
    {"kind": "preference", "event_id": "k5", "preference": "hide_producer", "value": "P"} | COMMON,
]


def test_each_kind_of_event_is_accepted_once_and_known_again(place, client):
    assert client.statuses(*EVERY_KIND) == ["accepted"] * 5
    assert client.statuses(*EVERY_KIND) == ["duplicate"] * 5
    place.settle()
    assert place.journaled() == ["k1", "k2", "k3", "k4", "k5"]


def test_a_rating_is_seen_by_readers_when_it_is_acknowledged(place, client):
    assert place.ratings_seen(["m0", "new"]) == {"m0": 2, "new": 0}
    client.post(rating("p1"), rating("p2", "new"))
    assert place.ratings_seen(["m0", "new"]) == {"m0": 3, "new": 1}


def test_every_event_is_judged_on_its_own_and_named_by_its_place(client):
    answer = client.post(
        rating("a"),
        rating("b", rating=6),
        rating("c", colour="red"),
        rating("d", occurred_at="2921-01-01T00:00:00Z"),
        rating("a", rating=1),
        rating("a"),
        {"event_id": "e", "kind": "tasting"},
        7,
        {"kind": "rating", "event_id": "f"},
        rating("g", scale="stars"),
        {"event_id": "h", "kind": "bottle", "bottle_id": "b", "state": "stored", "acquired_at": "0001-01-01"} | COMMON | WINE,
        {"event_id": 5, "kind": "rating"},
    ).json()
    verdicts = [(each["event_id"], each["status"], each["problem"] and (each["problem"]["code"], each["problem"]["pointer"]))
                for each in answer["results"]]  # fmt: skip
    assert verdicts == [
        ("a", "accepted", None),
        ("b", "rejected", ("out-of-range", "/events/1/rating")),
        ("c", "rejected", ("unknown-field", "/events/2/colour")),
        ("d", "rejected", ("out-of-range", "/events/3/occurred_at")),
        ("a", "conflict", None),
        ("a", "duplicate", None),
        ("e", "rejected", ("out-of-range", "/events/6/kind")),
        (None, "rejected", ("wrong-type", "/events/7")),
        ("f", "rejected", ("wrong-type", "/events/8/member_id")),
        ("g", "rejected", ("out-of-range", "/events/9/scale")),
        ("h", "rejected", ("out-of-range", "/events/10/acquired_at")),
        (None, "rejected", ("wrong-type", "/events/11/event_id")),
    ]


def test_what_is_sent_comes_back_as_a_pointer_and_a_short_text_only(client):
    secret = "s3cret" * 10_000
    bad = [rating("a", scale=secret[:512]), rating("b", **{secret: 1}), {"kind": secret}, rating("c", wine_id=secret), {"event_id": secret}]
    answer = client.post(*bad)
    assert [each["status"] for each in answer.json()["results"]] == ["rejected"] * len(bad)
    assert len(answer.content) < 300 * len(bad)


def test_a_text_that_is_no_utf_8_spoils_its_own_event_alone_or_the_whole_request_by_name(client):
    good = json.dumps(rating("good")).encode()
    answer = client.post_body(b'{"events": [' + good.replace(b"good", b"\xff") + b"," + good + b"]}")
    assert [each["status"] for each in answer.json()["results"]] == ["rejected", "accepted"]
    assert answer.json()["results"][0]["problem"]["code"] == "invalid-json"


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        (b"", 400, "invalid-json", None),
        (b'{"events": [{"a": 1,}]}', 400, "invalid-json", None),
        (b"[]", 422, "wrong-type", ""),
        (b"{}", 422, "wrong-type", "/events"),
        (b'{"events": {}}', 422, "wrong-type", "/events"),
        (b'{"events": []}', 422, "out-of-range", "/events"),
        (b'{"events": [%s1]}' % (b"1," * 500), 422, "out-of-range", "/events"),
        (b'{"events": [1], "member_id": "m"}', 422, "unknown-field", "/member_id"),
        (b'{"events": [%s%s]}' % (b"[" * 10_000, b"]" * 10_000), 400, "invalid-json", None),
    ],
)
def test_an_envelope_that_is_none_is_refused_whole(client, body, status, code, pointer):
    response = client.post_body(body)
    problem = response.json()
    assert (response.status_code, problem["type"]) == (status, f"urn:cellar:problem:{code}")
    assert [error["pointer"] for error in problem["errors"]] == ([] if pointer is None else [pointer])


def test_five_hundred_events_are_taken_at_once(place, client):
    events = [rating(f"p{number}", f"n{number % 7}", occurred_at=f"2021-06-01T12:00:{number % 60:02}Z") for number in range(500)]
    assert client.statuses(*events) == ["accepted"] * 500
    assert sum(place.ratings_seen([f"n{number}" for number in range(7)]).values()) == 500


def test_the_same_moment_written_in_another_zone_is_the_same_event(client):
    bottle = {"kind": "bottle", "event_id": "z", "bottle_id": "b", "state": "stored"} | COMMON | WINE
    assert client.statuses(bottle | {"acquired_at": "2020-01-01"}) == ["accepted"]
    same = {"acquired_at": "2020-01-01", "occurred_at": "2021-06-01T10:00:00Z"}
    assert client.statuses(bottle | same, bottle | {"acquired_at": "2020-01-02"}) == ["duplicate", "conflict"]


def test_a_rating_without_a_scale_is_on_the_catalogues(client):
    assert client.statuses(rating("p1"), rating("p1", scale="1-5"), rating("p1", scale="0-100")) == ["accepted", "duplicate", "conflict"]


def test_many_requests_at_once_each_get_their_own_answers(place, client):
    requests = [[rating(f"p{request}-{number}", f"n{request}") for number in range(request % 5 + 1)] for request in range(40)]
    for request, response in zip(requests, client.post_together(*requests), strict=True):
        assert [(each["event_id"], each["status"]) for each in response.json()["results"]] == [
            (event["event_id"], "accepted") for event in request
        ]
    # The same event twice in one group is one.
    statuses = [response.json()["results"][0]["status"] for response in client.post_together(*[[rating("once")]] * 20)]
    assert sorted(statuses) == ["accepted"] + ["duplicate"] * 19
    place.settle()
    assert sorted(place.journaled()) == sorted({event["event_id"] for request in requests for event in request} | {"once"})


def test_the_health_and_model_routes_are_every_services(place, client):
    assert client("GET", "/v2/health/ready").status_code == 200
    model = client("GET", "/v2/models/events").json()
    durability = "aof" if place.is_redis else "journal"
    assert model["properties"] == {"scale": "1-5", "namespace": model["properties"]["namespace"], "durability": durability}
    assert client("POST", "/score", content=b"{}").status_code == 404
    assert "server-timing" in client.post(rating("p1")).headers
    assert client.post(rating("p1"), x_ms_client_request_id="mine").headers["x-ms-client-request-id"] == "mine"


def test_the_document_shows_every_kind_of_event_and_the_services_own_is_the_same(client):
    described = json.loads(json.dumps(document()))
    assert described == client("GET", "/openapi.json").json()
    schemas = described["components"]["schemas"]
    kinds = schemas["EventsRequest"]["properties"]["events"]["items"]["discriminator"]["mapping"]
    assert sorted(kinds) == ["bottle", "impression", "outcome", "preference", "rating"]
    assert all(reference.rpartition("/")[2] in schemas for reference in kinds.values())
    operation = described["paths"]["/events"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/EventsRequest"}
    assert [*client.statuses(*operation["requestBody"]["content"]["application/json"]["example"]["events"])] == ["accepted"] * 2
    assert schemas["EventResult"]["properties"]["status"]["enum"] == sorted(["accepted", "duplicate", "conflict", "rejected"])


def test_the_documents_schema_takes_what_the_service_takes(client):
    jsonschema = pytest.importorskip("jsonschema")
    described = document()
    schema = {"$ref": "#/components/schemas/EventsRequest", "components": described["components"]}
    check = jsonschema.Draft202012Validator(schema)
    check.validate({"events": EVERY_KIND})
    assert not check.is_valid({"events": [rating("p1", colour="red")]})
    answer = {"$ref": "#/components/schemas/EventsAnswer", "components": described["components"]}
    jsonschema.Draft202012Validator(answer).validate(client.post(*EVERY_KIND, 7, rating("p1", rating=9)).json())


# What it needs to start


def test_behind_a_store_of_one_machine_the_data_must_be_named(lmdb_place):
    with pytest.raises(BadInput, match="--data DATA"):
        EventsService(open_store(lmdb_place.url))
    with pytest.raises(BadInput, match="is for a Redis store"):
        EventsService(open_store(lmdb_place.url), lmdb_place.data, "replica")


def test_a_durability_that_is_none_is_refused(tmp_path):
    with pytest.raises(BadInput, match="use aof or replica"):
        EventsService(open_store(f"redis://127.0.0.1:1/0?generations={tmp_path}"), None, "memory")


def test_a_store_without_a_generation_is_not_ready_and_says_so(connect, lmdb_place, tmp_path):
    client = connect(EventsService(open_store(f"lmdb://{tmp_path / 'empty'}"), lmdb_place.data))
    response = client.post(rating("p1"))
    assert response.status_code == 503
    assert "holds no generation" in response.json()["detail"]


def test_data_that_the_store_was_not_made_of_is_not_taken_for_it(connect, lmdb_place, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(lmdb_place.data, other)
    manifest = json.loads((other / "data.json").read_text())
    (other / "data.json").write_text(json.dumps(manifest | {"scale": "0-100"}))
    client = connect(EventsService(open_store(lmdb_place.url), other))
    assert "name the data that the store was materialized from" in client("GET", "/v2/health/ready").json()["detail"]
    with pytest.raises(CellarError):
        EventsService(open_store(lmdb_place.url), tmp_path / "nowhere").load()


def test_events_are_taken_in_though_what_serving_maps_is_damaged(connect, lmdb_place):
    store = open_store(lmdb_place.url)
    (store.generations / store.current_id() / "wines.npy").write_bytes(b"")
    client = connect(EventsService(store, lmdb_place.data))
    assert client.statuses(rating("p1")) == ["accepted"]


def test_every_event_is_counted_by_kind_and_outcome(client):
    def counted() -> dict[tuple[str, str], float]:
        return next((dict(family.numbers) for family in RECORDER.families() if family.metric is names.EVENTS), {})

    before = counted()
    client.statuses(rating("p1"), rating("p1"), rating("p1", rating=1), rating("p2", rating=9), 7)
    after = counted()
    assert {key: number - before.get(key, 0) for key, number in after.items() if number != before.get(key, 0)} == {
        ("rating", "accepted"): 1,
        ("rating", "duplicate"): 1,
        ("rating", "conflict"): 1,
        ("unknown", "rejected"): 2,
    }
