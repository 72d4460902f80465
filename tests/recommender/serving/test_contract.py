"""The contract: what is taken, what is refused and where, and that the published schema says the same."""

from __future__ import annotations

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_recommender.serving.asking import require_members
from cellar_recommender.serving.contract import EXAMPLE, REQUEST_RULES, RecommenderAnswer, RecommenderRequest
from cellar_shared.service.payload import Payload
from cellar_shared.service.problems import Problem

PAYLOAD = Payload(RecommenderRequest)
_, SCHEMAS = msgspec.json.schema_components([RecommenderRequest], ref_template="#/$defs/{name}")
SCHEMA = {**SCHEMAS["RecommenderRequest"], **REQUEST_RULES, "$defs": SCHEMAS}
GOOD = {"history": []}
RATED = {"wine_id": "w", "rating": 4}


def asked(document) -> RecommenderRequest:
    request = PAYLOAD.decode(msgspec.json.encode(document))
    require_members(request)
    return request


def is_in_schema(document) -> bool:
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(document)


@pytest.mark.parametrize(
    "document",
    [
        GOOD,
        {"member_id": "u1"},
        {"members": [{"member_id": "u1"}, {"history": [RATED]}]},
        {"member_id": "u1", "history": None, "filters": None, "exclude": None, "cellar": None},
        GOOD | {"cellar": [{"bottle_id": "b", "wine_id": "w", "vintage": 2015.0, "drink_by": "2030-01-01", "state": "pending"}]},
        {"members": [{"member_id": "a"}, {"member_id": "b"}], "cellar": [], "intent": "open"},
        GOOD | {"filters": {"type": "Red", "region": ["Bordeaux", "Barolo"], "size_ml": [750, 1500], "in_window": False}},
        GOOD | {"exclude": ["w1", {"wine_id": "w2", "vintage": "NV"}], "candidates": [{"wine_id": "w"}], "seed": 2**53 - 1},
        GOOD | {"limit": 100, "diversity": 1, "explore": 0.5, "explain": True, "as_of": "2024-05-01T00:00:00Z", "scale": "1-5"},
    ],
)
def test_what_the_contract_offers_is_taken(document):
    asked(document)
    assert is_in_schema(document)


@pytest.mark.parametrize(
    ("document", "code", "pointer"),
    [
        ({}, "member-ambiguous", ""),
        ({"member_id": "u", "history": []}, "member-ambiguous", ""),
        ({"history": [], "members": [{"history": []}] * 2}, "member-ambiguous", ""),
        ({"members": [{"history": []}, {}]}, "member-ambiguous", "/members/1"),
        ({"members": [{"history": [], "member_id": "u"}, {"history": []}]}, "member-ambiguous", "/members/0"),
        ({"member_id": "u", "cellar": []}, "member-ambiguous", "/cellar"),
        ({"members": [{"history": []}]}, "out-of-range", "/members"),
        ({"members": [{"history": []}] * 9}, "out-of-range", "/members"),
        (GOOD | {"wines": []}, "unknown-field", "/wines"),
        (GOOD | {"filters": {"colour": "red"}}, "unknown-field", "/filters/colour"),
        (GOOD | {"candidates": [{"wine_id": "w", "name": "x"}]}, "unknown-field", "/candidates/0/name"),
        (GOOD | {"members": None, "cellar": [{"bottle_id": "b", "wine_id": "w", "rack": 1}]}, "unknown-field", "/cellar/0/rack"),
        (GOOD | {"intent": "sell"}, "out-of-range", "/intent"),
        (GOOD | {"limit": 0}, "out-of-range", "/limit"),
        (GOOD | {"limit": 101}, "out-of-range", "/limit"),
        (GOOD | {"limit": "20"}, "wrong-type", "/limit"),
        (GOOD | {"candidates": []}, "out-of-range", "/candidates"),
        (GOOD | {"candidates": [{"wine_id": "w"}] * 501}, "out-of-range", "/candidates"),
        (GOOD | {"diversity": 1.1}, "out-of-range", "/diversity"),
        (GOOD | {"explore": -0.1}, "out-of-range", "/explore"),
        (GOOD | {"seed": 2**53}, "out-of-range", "/seed"),
        (GOOD | {"filters": {"type": []}}, "out-of-range", "/filters/type"),
        (GOOD | {"filters": {"price_min": -1}}, "out-of-range", "/filters/price_min"),
        (GOOD | {"filters": {"in_stock": "yes"}}, "wrong-type", "/filters/in_stock"),
        (GOOD | {"exclude": [7]}, "wrong-type", "/exclude/0"),
    ],
)
def test_what_it_does_not_offer_is_refused_with_its_place(document, code, pointer):
    with pytest.raises(Problem) as refused:
        asked(document)
    assert refused.value.code == code
    assert [error.pointer for error in refused.value.errors] == [pointer]
    assert not is_in_schema(document)


members = st.fixed_dictionaries({}, optional={"member_id": st.none() | st.just("u"), "history": st.none() | st.just([])})
requests = st.fixed_dictionaries(
    {},
    optional={
        "member_id": st.none() | st.just("u"),
        "history": st.none() | st.just([]),
        "members": st.none() | st.lists(members, min_size=2, max_size=3),
        "cellar": st.none() | st.just([]),
    },
)


@settings(max_examples=200, deadline=None)
@given(requests)
def test_the_schema_says_of_members_what_the_code_does(document):
    try:
        asked(document)
    except Problem as refused:
        assert refused.code == "member-ambiguous"
        assert not is_in_schema(document)
    else:
        assert is_in_schema(document)


def test_the_example_is_a_request():
    assert asked(msgspec.to_builtins(EXAMPLE)) == EXAMPLE


def test_an_answer_has_the_fields_of_the_contract():
    assert RecommenderAnswer.__struct_fields__ == (
        "request_id", "model", "as_of", "features_as_of", "precomputed_at", "degraded", "seed", "rules_version", "sources", "matched",
        "shortfall", "items",
    )  # fmt: skip
