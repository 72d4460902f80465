"""Laws: whatever events are sent, each gets one verdict and never a fault; what was accepted is known again."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellar_events.contract import Status
from cellar_shared.service.problems import PROBLEMS

TRIES = settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers() | floats | st.text(max_size=8)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3))
ids = st.sampled_from(["e1", "e2", "e3", "é", "\0", "x" * 512]) | st.text(min_size=1, max_size=5)
moments = st.sampled_from(
    ["2021-06-01T12:00:00Z", "2021-06-01T14:00:00+02:00", "1899-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"]
)
wines = {"wine_id": ids, "vintage": st.sampled_from([None, "NV", 2015, 0])}
OF_KIND: dict[str, dict[str, Any]] = {
    "rating": {**wines, "rating": st.sampled_from([1, 4.5, 6, 1e300]), "scale": st.sampled_from([None, "1-5", "0-100", "stars"])},
    "impression": {
        **wines,
        "request_id": ids,
        "position": st.integers(0, 3),
        "source": st.just("ann"),
        "propensity": st.just(0.5),
        "candidate_hash": st.just("c"),
    },
    "outcome": {**wines, "outcome": st.sampled_from(["bought", "drunk"]), "value": st.none() | floats},
    "bottle": {
        **wines,
        "bottle_id": ids,
        "state": st.sampled_from(["stored", "lost"]),
        "acquired_at": st.none() | st.sampled_from(["2020-01-01", "1066-10-14", "2020-01-01T00:00:00Z"]),
    },
    "preference": {"preference": st.sampled_from(["hide_wine", "hide_country"]), "value": ids},
}


def of_kind(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    common = {"kind": st.just(kind), "event_id": ids, "member_id": ids, "occurred_at": moments}
    return st.fixed_dictionaries(common | OF_KIND[kind])


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """An event with one field that is left out, added or anything."""
    event = draw(st.sampled_from(sorted(OF_KIND)).flatmap(of_kind))
    name = draw(st.sampled_from([*event, "colour"]))
    if name in event and draw(st.booleans()):
        del event[name]
    else:
        event[name] = draw(anything)
    return event


events = st.lists(st.sampled_from(sorted(OF_KIND)).flatmap(of_kind) | spoilt() | anything, min_size=1, max_size=12)


def verdicts(client: Any, sent: list[Any]) -> list[dict[str, Any]]:
    response = client.post(*sent)
    assert response.status_code == 200, response.text
    results: list[dict[str, Any]] = response.json()["results"]
    assert len(results) == len(sent)
    return results


def node_at(document: Any, pointer: str) -> Any:
    for escaped in pointer.split("/")[1:]:
        token = escaped.replace("~1", "/").replace("~0", "~")
        document = document[int(token)] if isinstance(document, list) else document[token]
    return document


@pytest.fixture
def taking(place, client):
    """A client whose store keeps what earlier examples sent: ids are met again."""
    return client


@TRIES
@given(events)
def test_every_event_gets_one_verdict_and_what_was_accepted_is_known_again(taking, sent):
    first = verdicts(taking, sent)
    counts = Counter(each["status"] for each in first)
    assert set(counts) <= set(get_args(Status))
    for place, each in enumerate(first):
        assert (each["problem"] is None) == (each["status"] != "rejected")
        given_id = sent[place].get("event_id") if isinstance(sent[place], dict) else None
        assert each["event_id"] in ((given_id,) if each["status"] != "rejected" else (given_id, None))
        if each["problem"] is not None:
            assert each["problem"]["code"] in PROBLEMS
            pointer = each["problem"]["pointer"]
            assert pointer.split("/")[:3] == ["", "events", str(place)]
            node_at({"events": sent}, pointer.rpartition("/")[0] if each["problem"]["detail"] == "is required" else pointer)
    second = verdicts(taking, sent)
    known_again = {"accepted": "duplicate"}
    assert [known_again.get(each["status"], each["status"]) for each in first] == [each["status"] for each in second]


@TRIES
@given(st.binary() | st.text().map(str.encode) | anything.map(lambda value: json.dumps({"events": value}).encode()))
def test_no_body_is_a_fault_of_the_service(taking, body):
    assert taking.post_body(body).status_code < 500


@TRIES
@given(events, st.data())
def test_no_broken_byte_is_a_fault_of_the_service(taking, sent, data):
    body = bytearray(json.dumps({"events": sent}, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    assert taking.post_body(bytes(body)).status_code < 500
