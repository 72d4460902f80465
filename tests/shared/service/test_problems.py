"""Which refusal a body gets and where it points."""

from __future__ import annotations

import json
import logging
import re
from typing import get_args

import httpx
import msgspec
import pytest

from cellar_shared.service.problems import PROBLEMS, Code, ProblemDocument


def problem_in(response: httpx.Response) -> ProblemDocument:
    assert response.headers["content-type"] == "application/problem+json"
    document = msgspec.json.decode(response.content, type=ProblemDocument)
    assert document.status == response.status_code
    assert document.request_id == response.headers["x-ms-client-request-id"]
    assert document.detail.endswith(".")
    return document


def test_the_table_holds_every_code_of_the_closed_list_with_an_error_status():
    assert set(PROBLEMS) == set(get_args(Code))
    assert all(400 <= kind.status < 600 and kind.title for kind in PROBLEMS.values())


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ('{"wines": [], "limit": 3}', "unknown-field", "/limit"),
        ('{"wines": [{"wine_id": "a"}, {"wine_id": "b", "a/b~c": 1}]}', "unknown-field", "/wines/1/a~1b~0c"),
        ('{"wines": [], "x` - at `$.wines": 1}', "unknown-field", "/x` - at `$.wines"),
        ('{"wines": [], "": 1}', "unknown-field", "/"),
        ("{}", "wrong-type", "/wines"),
        ('{"wines": [{"wine_id": "a"}, {}]}', "wrong-type", "/wines/1/wine_id"),
        ('{"wines": {}}', "wrong-type", "/wines"),
        ('{"wines": [{"wine_id": "a"}, 3]}', "wrong-type", "/wines/1"),
        ('{"wines": [{"wine_id": null}]}', "wrong-type", "/wines/0/wine_id"),
        ('{"wines": [{"wine_id": "a", "vintage": 1.5}]}', "wrong-type", "/wines/0/vintage"),
        ('{"wines": [{"wine_id": "a", "vintage": "nv"}]}', "out-of-range", "/wines/0/vintage"),
        ('{"wines": [{"wine_id": "a", "about": {"grapes": ["x", 1]}}]}', "wrong-type", "/wines/0/about/grapes/1"),
        ('{"wines": [{"wine_id": "a", "about": {"grapes": ["","","",""]}}]}', "out-of-range", "/wines/0/about/grapes"),
        ('{"wines": [{"wine_id": "a", "about": {"abv": 101}}]}', "out-of-range", "/wines/0/about/abv"),
        ('{"wines": [{"wine_id": "a", "about": {"abv": 1e999}}]}', "out-of-range", "/wines/0/about/abv"),
        ('{"wines": [{"wine_id": "a", "vintage": ' + "9" * 5000 + "}]}", "out-of-range", "/wines/0/vintage"),
        ('{"wines": [], "grid": [[1], [2, 3, "4"]]}', "wrong-type", "/grid/1/2"),
        ('{"wines": [], "weights": {"a": 1, "b/c": "2", "d": "3"}}', "wrong-type", "/weights/b~1c"),
        ('{"wines": [], "weights": {"a": 1, "b": 1e999}}', "out-of-range", "/weights/b"),
        ('{"wines": [], "deep": {"a": {"b": {"wine_id": "a"}}, "c": {"d": {"wine_id": "a"}, "e": {}}, "f": {"g": {}}}}',
         "wrong-type", "/deep/c/e/wine_id"),
        ('{"wines": [], "deep": {"a": {"b": {"wine_id": "a", "x": 1}}}}', "unknown-field", "/deep/a/b/x"),
        ('{"wines": [], "as_of": "yesterday"}', "wrong-type", "/as_of"),
        ('{"wines": [], "as_of": "2024-01-01T00:00:00"}', "wrong-type", "/as_of"),
        ('{"wines": [], "as_of": 5}', "wrong-type", "/as_of"),
        ('{"wines": [], "order": "sideways"}', "out-of-range", "/order"),
        ('{"wines": [' + ", ".join(['{"wine_id": "a"}'] * 501) + "]}", "out-of-range", "/wines"),
        ("[]", "wrong-type", ""),
        ("null", "wrong-type", ""),
        ('"text"', "wrong-type", ""),
        ('{"wines": [1, 2, 3], "wines": []}', "wrong-type", "/wines"),  # of duplicates the last is in the document
    ],
)  # fmt: skip
def test_a_misfit_is_named_by_code_and_exact_place(client, body, code, pointer):
    response = client.score(body.encode())
    document = problem_in(response)
    assert (document.type, response.status_code) == (f"urn:cellar:problem:{code}", 422)
    assert [(error.code, error.pointer) for error in document.errors] == [(code, pointer)]
    assert pointer in document.detail


def test_of_duplicate_members_the_last_counts(client):
    answer = client.score(b'{"wines": [{"wine_id": "a"}], "wines": [{"wine_id": "b"}]}').json()
    assert [wine["wine_id"] for wine in answer["wines"]] == ["b"]


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"wines": [], "member_id": "\xff"}', "UTF-8"),
        (b'{"wines": [], "member_id": "\xed\xa0\x80"}', "UTF-8"),
        ('{"wines": []}'.encode("utf-16"), "JSON"),
        (b'{"wines": [], "member_id": "\\ud800"}', "surrogate"),
        (b'{"wines": [{"wine_id": "a", "about": {"abv": NaN}}]}', "NaN"),
        (b'{"wines": [{"wine_id": "a", "about": {"abv": -Infinity}}]}', "NaN"),
        (b'{"wines": [],}', "trailing commas"),
        (b'{"wines": []} {}', "trailing characters"),
        (b'{"unknown": 1', "too early"),  # malformed comes before unknown
        (b'{"unknown": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"wines": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b"[" * 500_000, "nested too deeply"),
    ],
)
def test_a_body_that_is_not_json_says_what_is_wrong_with_it(client, body, hint):
    document = problem_in(client.score(body))
    assert (document.type, document.status, document.errors) == ("urn:cellar:problem:invalid-json", 400, ())
    assert hint in document.detail


def test_a_long_value_does_not_come_back_in_the_answer(client):
    for body in (
        {"wines": [], "order": "x" * 500_000},
        {"wines": [], "x" * 500_000: 1},
        {"wines": [], "weights": {"x" * 500_000: "y"}},
    ):
        response = client.score(json.dumps(body).encode())
        assert response.status_code == 422
        assert len(response.content) < 2000
        assert all(error.pointer in ("/order", "", "/weights") for error in problem_in(response).errors)


def test_a_misfit_among_many_free_members_is_found_and_among_very_many_its_object_is_named(client):
    for members, pointer in ((4_000, "/weights/w3000"), (40_000, "/weights")):
        weights: dict[str, object] = {f"w{n}": 1 for n in range(members)}
        weights["w3000"] = None
        document = problem_in(client.score(json.dumps({"wines": [], "weights": weights}).encode()))
        assert [(error.code, error.pointer) for error in document.errors] == [("wrong-type", pointer)]


def test_a_problem_of_the_service_is_answered_with_its_retry_hint_in_both_units(client):
    response = client.score(b'{"wines": [], "member_id": "two people"}')
    document = problem_in(response)
    assert (document.type, document.retry_after_ms) == ("urn:cellar:problem:member-ambiguous", 1500)
    assert (document.detail, response.headers["retry-after"]) == ("Send one member.", "2")


def test_a_bug_is_a_500_without_internals_and_is_logged_once_with_its_request_id(client, caplog):
    with caplog.at_level(logging.DEBUG):
        response = client("POST", "/score", json={"wines": [], "member_id": "a bug"})
    document = problem_in(response)
    assert (document.type, document.title, document.status) == ("about:blank", "Internal Server Error", 500)
    assert not re.search(r"secret|ZeroDivision|echo\.py", response.text)
    logged = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [document.request_id in record.getMessage() for record in logged] == [True]
    assert logged[0].exc_info is None  # whoever formats the record: no message of the bug's can come with it
    assert logged[0].error_type == "ZeroDivisionError"
    assert "secret" not in caplog.text
    assert re.search(r"echo\.py.*, in Echo\.score", caplog.text)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("POST", "/score/", 404), ("GET", "/score", 405), ("POST", "/v2", 405),
     ("GET", "/v2/models/other", 404), ("GET", "/v2/models/other/ready", 404)],
)  # fmt: skip
def test_an_unknown_path_or_method_is_a_plain_problem(client, method, path, status):
    response = client(method, path)
    document = problem_in(response)
    assert (document.type, document.status) == ("about:blank", status)
    assert ("allow" in response.headers) == (status == 405)
