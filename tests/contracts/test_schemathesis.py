"""Each service keeps to its own document, whatever is sent: generated requests that fit it and that do not.

Each service is sent CELLAR_FUZZ_CASES requests at its own route, half of either kind: 2,000 where it says nothing, always the
same; 20,000 in the long run (`make fuzz`), each time others. The end of pytest's output says how many were sent.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

ROUTES = {"preference": "/score", "recommender": "/score", "events": "/events"}
# What an answer has one result each of, where it has.
ASKED = {"preference": "wines", "events": "events"}
CASES = int(os.environ.get("CELLAR_FUZZ_CASES", "2000"))
PATIENCE_S = 120.0
# A deadline that is too short is a documented refusal; any other 5xx is a fault, 503 too: the service is ready.
NO_FAULTS = ["2xx", "4xx", "504"]
# How what does not fit is refused: too large, too, as a list that is too long may be a body that is.
REFUSALS = ["400", "413", "415", "422", "504"]
# Fits the schema and is refused for what it means: by code, the places that may be at fault.
MEANINGS = {
    "as-of-in-future": r"/as_of",
    "as-of-too-early": r"/as_of",
    "out-of-range": r"/as_of|(/members/\d+)?/history/\d+/(rating|rated_at)",
}
POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE


def fuzz(cases: int) -> settings:
    return settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize="CELLAR_FUZZ_CASES" not in os.environ,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def schema(served: tuple[str, str]) -> Any:
    expected = {"not_a_server_error": NO_FAULTS, "negative_data_rejection": REFUSALS}
    checks = {check: {"expected-statuses": statuses} for check, statuses in expected.items()}
    config = schemathesis.Config.from_dict({"request-timeout": PATIENCE_S, "checks": checks})
    return schemathesis.openapi.from_url(f"{served[1]}/openapi.json", config=config, timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        yield opened


@pytest.fixture
def send(served: tuple[str, str], session: requests.Session, generated: Counter[str]) -> Any:
    """Sends a generated case and holds the answer to the document: statuses, content types, bodies, headers."""

    def sent(case: Any, **options: Any) -> Any:
        response = case.call(base_url=served[1], session=session)
        generated[f"requests to {case.method} {case.operation.path} of {served[0]}"] += 1
        case.validate_response(response, transport_kwargs={"base_url": served[1], "session": session}, **options)
        return response

    return sent


@fuzz(CASES // 2)
@given(st.data())
def test_a_request_that_fits_the_document_is_answered_or_refused_for_its_meaning(schema, send, served, data):
    case = data.draw(schema[ROUTES[served[0]]]["POST"].as_strategy(generation_mode=POSITIVE))
    response = send(case, excluded_checks=[positive_data_acceptance])
    if response.status_code == 422:
        problem = response.json()
        places = MEANINGS.get(problem["type"].removeprefix("urn:cellar:problem:"))
        assert places, problem
        assert problem["errors"], problem
        assert all(re.fullmatch(places, error["pointer"]) for error in problem["errors"]), problem
    else:
        assert response.status_code in (200, 504)
        if response.status_code == 200 and served[0] in ASKED:
            assert len(response.json()["results"]) == len(case.body[ASKED[served[0]]])


@fuzz(CASES // 2)
@given(st.data())
def test_a_request_that_does_not_fit_the_document_is_refused(schema, send, served, data):
    case = data.draw(schema[ROUTES[served[0]]]["POST"].as_strategy(generation_mode=NEGATIVE))
    if served[0] != "events":
        send(case)
        return
    # An event that is wrong is refused by itself, in an answer that is none.
    response = send(case, excluded_checks=[negative_data_rejection])
    if response.status_code == 200:
        assert "rejected" in {result["status"] for result in response.json()["results"]}


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2", "/v2/models/{name}", "/v2/models/{name}/ready"])
@fuzz(max(CASES // 40, 5))
@given(data=st.data())
def test_every_other_route_keeps_to_the_document(schema, send, served, path, data):
    case = data.draw(schema[path]["GET"].as_strategy(generation_mode=POSITIVE))
    if "{name}" in path and data.draw(st.booleans()):
        case.path_parameters = {"name": served[0]}
        assert send(case).status_code == 200
        return
    send(case)


def test_every_route_of_the_document_is_asked(schema, served):
    asked = {("POST", ROUTES[served[0]]), *(("GET", path) for path in ("/v2/health/live", "/v2/health/ready", "/v2"))}
    asked |= {("GET", f"/v2/models/{{name}}{end}") for end in ("", "/ready")}
    assert {(operation.ok().method.upper(), operation.ok().path) for operation in schema.get_all_operations()} == asked


def test_as_many_requests_were_sent_as_promised(served, generated):
    asked = f"requests to POST {ROUTES[served[0]]} of {served[0]}"
    if not generated[asked]:
        pytest.skip("none of the tests above ran")
    assert generated[asked] >= CASES
