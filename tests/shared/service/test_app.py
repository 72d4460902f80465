"""The routes, what every answer carries, and how loading shows."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import jsonschema
import pytest

from cellar_shared.service.contract import NotYet, ServiceNotReady
from cellar_shared.service.docs import docs_headers
from cellar_shared.service.openapi import openapi_document


def test_a_request_is_answered_with_its_id_its_arrival_and_the_time_of_each_stage(client):
    headers = {"x-ms-client-request-id": "order-66"}
    response = client("POST", "/score", json={"wines": [{"wine_id": "a", "vintage": "NV"}]}, headers=headers)
    answer = response.json()
    assert response.status_code == 200
    assert (answer["request_id"], response.headers["x-ms-client-request-id"]) == ("order-66", "order-66")
    assert answer["received_at"].endswith("Z")
    assert answer["wines"] == [{"wine_id": "a", "vintage": "NV", "about": None}]
    stages = response.headers["server-timing"].split(", ")
    assert [stage.partition(";dur=")[0] for stage in stages] == ["read", "decode", "echo", "score", "encode"]
    assert all(float(stage.partition(";dur=")[2]) >= 0 for stage in stages)


@pytest.mark.parametrize("given", ["", "x" * 101, "a b", "a\tb", "a\x7f", "é"])
def test_an_id_unfit_to_echo_is_replaced_by_one_of_ours(client, given):
    headers = [(b"x-ms-client-request-id", given.encode("latin-1"))]
    response = client("GET", "/v2", headers=headers)
    assert re.fullmatch("[0-9a-f]{32}", response.headers["x-ms-client-request-id"])


@pytest.mark.parametrize("given", ["x" * 100, "!~:/?#[]@"])
def test_an_id_of_up_to_a_hundred_visible_characters_is_echoed(client, given):
    assert client("GET", "/nowhere", headers={"x-ms-client-request-id": given}).json()["request_id"] == given


def test_every_answer_names_the_contract_and_a_new_request_id(client):
    asked = [client("GET", path) for path in ("/v2", "/v2/health/live", "/docs", "/openapi.json", "/nowhere", "/score")]
    assert {response.headers["cellar-contract"] for response in asked} == {"1"}
    assert len({response.headers["x-ms-client-request-id"] for response in asked}) == len(asked)


def test_metadata_follows_the_open_inference_protocol(client):
    assert client("GET", "/v2").json().keys() == {"name", "version", "extensions"}
    model = client("GET", "/v2/models/echo").json()
    assert model == {
        "name": "echo",
        "versions": ["1"],
        "platform": "python",
        "inputs": [{"name": "wines", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [{"name": "wines", "datatype": "BYTES", "shape": [-1]}],
        "properties": {"generation": "g1"},
    }
    assert client("GET", "/v2/models/echo/ready").json() == {"name": "echo", "ready": True}


WAITS = [("GET", "/v2/health/ready"), ("GET", "/v2/models/echo"), ("GET", "/v2/models/echo/ready"), ("POST", "/score")]


def test_a_loading_service_is_alive_and_not_ready_and_then_answers(connect):
    gate = threading.Event()
    client = connect(gate.wait)
    assert client("GET", "/v2/health/live").json() == {"live": True}
    for method, path in WAITS:
        response = client(method, path)
        assert (response.status_code, response.json()["type"]) == (503, "urn:cellar:problem:not-ready")
        assert (response.json()["retry_after_ms"], response.headers["retry-after"]) == (1000, "1")
    gate.set()
    client.settled()
    assert client("GET", "/v2/health/ready").json() == {"ready": True}
    assert client.score(b'{"wines": []}').status_code == 200


def fail_with(error: BaseException):
    def load() -> None:
        raise error

    return load


@pytest.mark.parametrize(
    ("error", "shown", "hidden"),
    [
        (ServiceNotReady("the golden cases differ by 0.2"), "the golden cases differ by 0.2", "Traceback"),
        (OSError("/secret/path is missing"), "OSError", "secret"),
        (SystemExit(3), "SystemExit", "Traceback"),
    ],
)
def test_a_failed_load_leaves_a_live_process_that_says_why_it_never_gets_ready(connect, caplog, error, shown, hidden):
    with caplog.at_level(logging.DEBUG):
        client = connect(fail_with(error)).settled()
        answers = [client(method, path) for method, path in WAITS * 2]
    for response in answers:
        assert (response.status_code, response.json()["retry_after_ms"]) == (503, None)
        assert shown in response.json()["detail"]
        assert hidden not in response.text
    assert client("GET", "/v2/health/live").status_code == 200
    assert [shown in caplog.text, len([r for r in caplog.records if r.name == "cellar.service"])] == [True, 1]


def test_a_load_that_waits_for_something_says_for_what_and_is_tried_until_it_is_there(connect, caplog, monkeypatch, until):
    monkeypatch.setattr("cellar_shared.service.readiness.LOAD_AGAIN_S", 0.05)
    missing = ["there is no generation"]
    tries = []

    def load() -> None:
        tries.append(None)
        if missing:
            raise NotYet(missing[0])

    client = connect(load).settled()
    until(lambda: len(tries) > 3)
    for method, path in WAITS:
        document = client(method, path).json()
        assert (document["type"], document["retry_after_ms"]) == ("urn:cellar:problem:not-ready", 50)
        assert "there is no generation" in document["detail"]
    missing.clear()
    until(lambda: client("GET", "/v2/health/ready").status_code == 200)
    assert client.score(b'{"wines": []}').status_code == 200
    assert caplog.text.count("there is no generation") == 1


def test_the_openapi_document_describes_what_is_answered(client):
    document = client("GET", "/openapi.json").json()
    score = document["paths"]["/score"]["post"]
    assert list(score["responses"]) == ["200", "400", "401", "413", "415", "422", "429", "500", "503", "504"]

    def check(response, operation):
        content = operation["responses"][str(response.status_code)]["content"]
        schema = content[response.headers["content-type"]]["schema"]
        jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(response.json())

    for path, operations in document["paths"].items():
        if "get" in operations:
            check(client("GET", path.format(name="echo")), operations["get"])
    check(client("GET", "/v2/models/other"), document["paths"]["/v2/models/{name}"]["get"])
    body = score["requestBody"]["content"]["application/json"]
    jsonschema.Draft202012Validator({**body["schema"], "components": document["components"]}).validate(body["example"])
    check(client("POST", "/score", json=body["example"]), score)
    for refused in (b"", b"[]", b'{"wines": [{}]}'):
        check(client.score(refused), score)
    check(client("POST", "/score", content=b"{}"), score)


def test_the_openapi_document_is_the_same_in_every_process(client, echo):
    program = (
        "import sys, json; sys.path.insert(0, sys.argv[1]); import echo;"
        "from cellar_shared.service.openapi import openapi_document as d;"
        "sys.stdout.write(json.dumps(d(echo.Echo())))"
    )
    folder = str(Path(echo.__file__).parent)
    for seed in ("1", "2"):
        made = subprocess.run(
            [sys.executable, "-c", program, folder],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert made == json.dumps(openapi_document(echo.Echo()))


def test_the_docs_page_is_self_contained_and_escapes_what_it_shows(client):
    response = client("GET", "/docs")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "Nebbiolo &lt;/script&gt;" in response.text
    assert response.text.count("</script>") == 1
    assert not re.search(r"(https?:)?//\w", response.text)
    assert "{{" not in response.text
    policy = response.headers["content-security-policy"]
    assert policy == docs_headers()["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
