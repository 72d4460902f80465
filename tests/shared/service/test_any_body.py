"""Laws: whatever is sent gets a score, or a problem of the closed list whose pointers lead into the document."""

from __future__ import annotations

import copy
import json
from typing import Any, get_args

import httpx
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellar_shared.service.problems import PROBLEMS, Code, ProblemDocument

TRIES = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
abouts = st.fixed_dictionaries({}, optional={"grapes": st.lists(st.text(max_size=3), max_size=3), "abv": st.floats(0, 100)})
wines = st.fixed_dictionaries(
    {"wine_id": st.text(max_size=5)},
    optional={"vintage": st.integers(1900, 2030) | st.just("NV") | st.none(), "about": abouts | st.none()},
)
names = st.text(max_size=4)
fitting = st.fixed_dictionaries(
    {"wines": st.lists(wines, max_size=3)},
    optional={
        "grid": st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=3),
        "weights": st.dictionaries(names, st.floats(-1, 1), max_size=4),
        "deep": st.dictionaries(names, st.dictionaries(names, wines, max_size=3), max_size=3),
        "order": st.sampled_from(["up", "down"]),
    },
)


def node_at(document: Any, pointer: str) -> Any:
    """RFC 6901; raises where the pointer leads nowhere."""
    if pointer and not pointer.startswith("/"):
        raise ValueError(pointer)
    for escaped in pointer.split("/")[1:]:
        token = escaped.replace("~1", "/").replace("~0", "~")
        document = document[int(token)] if isinstance(document, list) else document[token]
    return document


def problem_or_none(response: httpx.Response) -> ProblemDocument | None:
    assert response.status_code < 500
    if response.status_code == 200:
        return None
    document = msgspec.json.decode(response.content, type=ProblemDocument)
    code = document.type.removeprefix("urn:cellar:problem:")
    assert code in get_args(Code)
    assert document.status == response.status_code == PROBLEMS[code].status
    return document


def paths_in(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [at, *(path for key, child in children for path in paths_in(child, (*at, key)))]


@TRIES
@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_get_a_score_or_a_problem(client, body):
    problem_or_none(client.score(body))


def test_no_depth_of_nesting_is_a_fault_of_the_service(client):
    for depth in range(600, 1001):
        problem = problem_or_none(client.score(b'{"weights": {"a": ""}, "x": %s1%s}' % (b"[" * depth, b"]" * depth)))
        assert problem is not None


@TRIES
@given(anything | st.dictionaries(st.sampled_from(["wines", "grid", "weights", "deep", "order"]), anything))
def test_any_document_gets_a_score_or_a_problem_that_points_into_it(client, document):
    problem = problem_or_none(client.score(json.dumps(document).encode()))
    if problem is None or problem.type.endswith("invalid-json"):
        return
    (error,) = problem.errors
    is_required = error.detail == "is required"
    node_at(document, error.pointer.rpartition("/")[0] if is_required else error.pointer)


@TRIES
@given(fitting)
def test_a_fitting_document_is_scored(client, document):
    assert client.score(json.dumps(document).encode()).json()["wines"] is not None


@TRIES
@given(fitting, st.data())
def test_the_pointer_leads_to_the_one_place_that_was_spoilt(client, document, data):
    spoilt = copy.deepcopy(document)
    path = data.draw(st.sampled_from([path for path in paths_in(document) if path]))
    parent = spoilt
    for token in path[:-1]:
        parent = parent[token]
    parent[path[-1]] = True  # no field of the echo is a boolean
    problem = problem_or_none(client.score(json.dumps(spoilt).encode()))
    assert problem is not None
    expected = "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in path)
    assert [(error.code, error.pointer) for error in problem.errors] == [("wrong-type", expected)]


@TRIES
@given(fitting, names, st.data())
def test_the_pointer_leads_to_the_one_unknown_field(client, document, name, data):
    spoilt = copy.deepcopy(document)
    places = [(), *(("wines", n) for n in range(len(spoilt["wines"])))]
    places += [("deep", a, b) for a, inner in spoilt.get("deep", {}).items() for b in inner]
    path = data.draw(st.sampled_from(places))
    parent = spoilt
    for token in path:
        parent = parent[token]
    parent["~" + name] = 0
    problem = problem_or_none(client.score(json.dumps(spoilt).encode()))
    assert problem is not None
    assert [error.code for error in problem.errors] == ["unknown-field"]
    assert node_at(spoilt, problem.errors[0].pointer) == 0
    assert node_at(spoilt, problem.errors[0].pointer.rpartition("/")[0]) is parent
