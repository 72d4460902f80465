"""Laws: a fitting request is always answered with honest numbers, and nothing that is sent is a fault of the service."""

from __future__ import annotations

import copy
import json
from datetime import datetime, timedelta, timezone
from typing import Any, get_args

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellar_shared.service.problems import PROBLEMS, Code

TRIES = settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

# Lone surrogates are no text that JSON in UTF-8 can carry.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ids = st.sampled_from([f"w{place:03}" for place in range(1, 121)]) | texts.filter(bool)
vintages = st.integers(1500, 2200) | st.sampled_from(["NV", None])
offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def instants(earliest: int, latest: int) -> st.SearchStrategy[str]:
    times = st.datetimes(datetime(earliest, 1, 2), datetime(latest, 12, 30), timezones=offsets)
    return times.map(datetime.isoformat)


abouts = st.fixed_dictionaries(
    {},
    optional={
        **{name: texts | st.none() for name in ("producer", "type", "country", "region")},
        "grapes": st.lists(texts, max_size=6) | st.none(),
        "price": st.floats(0, 10_000_000) | st.none(),
        "abv": st.floats(0, 80) | st.none(),
    },
)
wines = st.fixed_dictionaries({"wine_id": ids}, optional={"vintage": vintages, "about": abouts | st.none()})
rated = st.fixed_dictionaries(
    {"wine_id": ids, "rating": st.floats(1, 5)},
    optional={"vintage": vintages, "about": abouts | st.none(), "rated_at": instants(1, 9999) | st.none()},
)
whose = st.fixed_dictionaries({"history": st.lists(rated, max_size=4)}) | st.fixed_dictionaries(
    {"member_id": texts.filter(bool) | st.sampled_from([f"m{place}" for place in range(1, 401)])}
)
fitting = st.builds(
    lambda member, asked: member | asked,
    whose,
    st.fixed_dictionaries(
        {"wines": st.lists(wines, min_size=1, max_size=4)},
        optional={"as_of": instants(2013, 2024) | st.none(), "explain": st.booleans(), "scale": st.sampled_from(["1-5", "0-100", None])},
    ),
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6)
edges = st.sampled_from(["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "", "NV", -1, 2**63, 2**64, 1e308, 5e-324, [], {}, [[]]])
anything = edges | st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))


def paths_in(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [at, *(path for key, child in children for path in paths_in(child, (*at, key)))]


def spoil(document: Any, data: st.DataObject) -> Any:
    """The document with one place changed, one left out or one added."""
    spoilt = copy.deepcopy(document)
    path = data.draw(st.sampled_from([path for path in paths_in(spoilt) if path]))
    parent = spoilt
    for token in path[:-1]:
        parent = parent[token]
    match data.draw(st.sampled_from(["change", "leave out", "add"])):
        case "change":
            parent[path[-1]] = data.draw(anything)
        case "leave out":
            del parent[path[-1]]
        case "add" if isinstance(parent, dict):
            parent[data.draw(texts)] = data.draw(anything)
    return spoilt


def check(response: Any, wines: int | None = None) -> None:
    """An honest answer, or a problem of the closed list."""
    body = response.json()
    if response.status_code == 200:
        assert wines is None or len(body["results"]) == wines
        assert all(0 < result["probability"] < 1 for result in body["results"])
        assert all(result["evidence"]["own_tastings"] >= 0 <= result["evidence"]["wine_ratings"] for result in body["results"])
        return
    code = body["type"].removeprefix("urn:cellar:problem:")
    assert code in get_args(Code), body
    assert response.status_code == body["status"] == PROBLEMS[code].status < 500


@TRIES
@given(fitting)
def test_a_fitting_request_is_always_answered(client, document):
    response = client.post(document)
    assert response.status_code == 200, response.text
    check(response, wines=len(document["wines"]))


@TRIES
@given(fitting, st.data())
def test_a_spoilt_request_is_answered_or_refused_and_never_a_fault(client, document, data):
    for _ in range(data.draw(st.integers(1, 3))):
        if len(paths_in(document)) > 1:
            document = spoil(document, data)
    check(client.post(json.dumps(document).encode()))


@TRIES
@given(anything | st.dictionaries(st.sampled_from(["wines", "history", "member_id", "as_of", "scale"]), anything))
def test_any_json_is_answered_or_refused_and_never_a_fault(client, document):
    check(client.post(json.dumps(document).encode()))
