"""Which single edits of a document break clients, and laws over any edits."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellar_shared.api.breaking import breaking_changes
from cellar_shared.errors import BadInput

LAW = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

POST = "/paths/~1score/post"
GET = "/paths/~1models~1{name}/get"
SCHEMAS = "/components/schemas"
ASKED, WINE, ANSWER, RESULT = (f"{SCHEMAS}/{name}" for name in ("Asked", "Wine", "Answer", "Result"))
TEXT = {"type": "string"}

BREAKING = [
    ("/paths/~1score", ..., "/score: was removed"),
    (POST, ..., "POST /score: was removed"),
    (f"{POST}/operationId", "ask", "POST /score: its operationId was score, is ask"),
    (f"{POST}/x-idempotent", ..., "POST /score: its promise that it may be repeated"),
    (f"{POST}/security/0", ..., "POST /score: no authentication no longer does"),
    (f"{POST}/security/1", {"token": []}, "POST /score: bearer no longer does"),
    (f"{POST}/security", ..., "POST /score: no authentication no longer does"),
    (f"{POST}/security", [{}], "POST /score: bearer no longer does"),
    ("/security", ..., "GET /models/{name}: bearer no longer does"),
    ("/security/1/token", ["read", "write", "more"], "GET /models/{name}: token no longer does"),
    ("/components/securitySchemes/bearer/scheme", "basic", "security scheme bearer: scheme was bearer, is basic"),
    ("/components/securitySchemes/token", ..., "security scheme token: was removed"),
    (f"{POST}/parameters/0", ..., "POST /score header x-id: was removed"),
    (f"{POST}/parameters/0/required", True, "POST /score header x-id: is now required"),
    (f"{POST}/parameters/0/schema/maxLength", 99, "POST /score header x-id: maxLength was 100, is 99"),
    (f"{POST}/parameters/-", {"name": "b", "in": "query", "required": True, "schema": TEXT}, "query b: is new and required"),
    ("/components/parameters/Limit/schema/maximum", 49, "POST /score query limit: maximum was 50, is 49"),
    ("/components/parameters/Limit/explode", False, "POST /score query limit: explode was None, is False"),
    (f"{GET}/requestBody", {"required": True, "content": {"application/json": {"schema": TEXT}}}, "body: is new and required"),
    (f"{POST}/requestBody", ..., "POST /score body: was removed"),
    (f"{POST}/requestBody/content", {"application/cbor": {}}, "POST /score body: application/json was removed"),
    (f"{POST}/responses/422", ..., "POST /score 422: was removed"),
    (f"{POST}/responses/202", {"description": "Later"}, "POST /score 202: is a new kind of success"),
    (f"{POST}/responses/200/content", {"text/csv": {}}, "POST /score 200: application/json was removed"),
    (f"{POST}/responses/200/headers/x-id", ..., "POST /score 200 header x-id: was removed"),
    (f"{POST}/responses/200/headers/x-id/required", False, "POST /score 200 header x-id: may now be left out"),
    (f"{POST}/responses/200/headers/x-id/schema", {"type": "integer"}, "POST /score 200 header x-id: may now be integer"),
    (f"{GET}/responses/200/content/application~1json/schema", {"type": ["boolean", "null"]}, "may now be null"),
    # What is asked
    (f"{ASKED}/properties/member", ..., "Asked.member: was removed"),
    (f"{ASKED}/required/-", "member", "Asked.member: is now required"),
    (f"{WINE}/required/-", "vintage", "Wine.vintage: is now required"),
    (f"{ASKED}/properties/wines/maxItems", 499, "Asked.wines: maxItems was 500, is 499"),
    (f"{ASKED}/properties/wines/minItems", 2, "Asked.wines: minItems was 1, is 2"),
    (f"{ASKED}/properties/wines/items", TEXT, "Asked.wines[]: no longer takes Wine"),
    (f"{ASKED}/properties/wines/uniqueItems", True, "Asked.wines: the rule `uniqueItems` changed"),
    (f"{ASKED}/properties/member/anyOf/1", ..., "Asked.member: no longer takes null"),
    (f"{ASKED}/properties/member/anyOf/0/minLength", 2, "Asked.member: minLength was 1, is 2"),
    (f"{ASKED}/properties/member/anyOf/0/pattern", "^m", "Asked.member: the rule `pattern` changed"),
    (f"{ASKED}/properties/member/anyOf/0", {"enum": ["m1"]}, "Asked.member: no longer takes string"),
    (f"{ASKED}/properties/order/enum/0", ..., 'Asked.order: no longer takes "down"'),
    (f"{ASKED}/properties/order/default", "down", 'Asked.order: left out it meant "up", now "down"'),
    (f"{ASKED}/properties/weight/exclusiveMinimum", 1, "Asked.weight: minimum was 0 (exclusive), is 1 (exclusive)"),
    (f"{ASKED}/properties/weight/type", "integer", "Asked.weight: no longer takes number"),
    (f"{ASKED}/properties/weight/maximum", 5, "Asked.weight: maximum was none, is 5"),
    (f"{ASKED}/properties/notes/additionalProperties", TEXT, "Asked.notes{}: no longer takes integer"),
    (f"{ASKED}/properties/notes/additionalProperties", False, "Asked.notes: takes no further properties any longer"),
    (f"{ASKED}/properties/notes/maxProperties", 9, "Asked.notes: maxProperties was none, is 9"),
    (f"{ASKED}/properties/step/multipleOf", 1, "Asked.step: the rule `multipleOf` changed"),
    (f"{ASKED}/oneOf/0", ..., "Asked: the rule `oneOf` changed"),
    (f"{ASKED}/not", {"required": ["order"]}, "Asked: the rule `not` changed"),
    (f"{WINE}/additionalProperties", False, "Wine: takes no further properties any longer"),
    (f"{WINE}/properties/wine_id/maxLength", 100, "Wine.wine_id: maxLength was 512, is 100"),
    (f"{WINE}/properties/vintage/anyOf/1", ..., 'Wine.vintage: no longer takes "NV"'),
    # What is answered
    (f"{ANSWER}/properties/note", ..., "Answer.note: was removed"),
    (f"{ANSWER}/properties/at", ..., "Answer.at: was removed"),
    (f"{ANSWER}/required/2", ..., "Answer.at: may now be left out"),
    (f"{ANSWER}/properties/at/format", ..., "Answer.at: the rule `format` changed"),
    (f"{ANSWER}/properties/at/format", "date", "Answer.at: the rule `format` changed"),
    (f"{ANSWER}/properties/at", {"type": ["string", "null"], "format": "date-time"}, "Answer.at: may now be null"),
    (f"{ANSWER}/properties/degraded/items/enum/-", "cold", 'Answer.degraded[]: may now be "cold"'),
    (f"{ANSWER}/properties/degraded/items", TEXT, "Answer.degraded[]: may now be string"),
    (f"{ANSWER}/properties/results", {"type": "string"}, "Answer.results: may now be string"),
    (f"{RESULT}/properties/wine", {"anyOf": [{"$ref": "#/components/schemas/Wine"}, {"type": "null"}]}, "Result.wine: may now be null"),
    (f"{RESULT}/properties/chance/maximum", 100, "Result.chance: maximum was 1, is 100"),
    (f"{RESULT}/properties/chance/minimum", ..., "Result.chance: minimum was 0, is none"),
    (f"{RESULT}/properties/chance", True, "Result.chance: may now be anything"),
    (f"{RESULT}/properties/kind/oneOf/-", {"const": "c"}, 'Result.kind: may now be "c"'),
    (f"{RESULT}/properties/facts/additionalProperties/type/-", "null", "Result.facts{}: may now be null"),
    (f"{RESULT}/properties/facts/additionalProperties", ..., "Result.facts{}: may now be anything"),
    (f"{RESULT}/properties/shown/type", "integer", "Result.shown: may now be integer"),
    # A wine is asked with and answered: wider is as breaking there as narrower
    (f"{WINE}/properties/vintage/anyOf/0/minimum", 1400, "Wine.vintage: minimum was 1500, is 1400"),
]

FINE = [
    ("/paths/~1more", {"get": {"operationId": "more", "responses": {}}}),
    ("/paths/~1score/get", {"operationId": "more", "responses": {}}),
    ("/info/title", "another"),
    (f"{POST}/summary", "another"),
    (f"{POST}/tags", ["a"]),
    (f"{POST}/security/-", {"token": ["read"]}),
    ("/security/1/token", ["read"]),
    ("/components/securitySchemes/bearer/description", "a key"),
    ("/components/securitySchemes/more", {"type": "mutualTLS"}),
    (f"{POST}/parameters/-", {"name": "b", "in": "query", "schema": TEXT}),
    (f"{POST}/parameters/0/name", "X-ID"),
    (f"{POST}/parameters/0/schema/maxLength", ...),
    ("/components/parameters/Limit/schema/minimum", 0),
    (f"{GET}/requestBody", {"content": {"application/json": {"schema": TEXT}}}),
    (f"{POST}/requestBody/required", False),
    (f"{POST}/requestBody/content/application~1cbor", {}),
    (f"{POST}/responses/503", {"description": "Not ready"}),
    (f"{POST}/responses/200/headers/more", {"schema": TEXT}),
    (f"{POST}/responses/200/content/text~1csv", {}),
    (f"{ASKED}/properties/more", TEXT),
    (f"{ASKED}/properties/wines/maxItems", 1000),
    (f"{ASKED}/properties/wines/minItems", ...),
    (f"{ASKED}/properties/order/enum/-", "across"),
    (f"{ASKED}/properties/order", {"type": "string", "default": "up"}),
    (f"{ASKED}/properties/weight/exclusiveMinimum", -1),
    (f"{ASKED}/properties/member/anyOf/-", {"type": "integer"}),
    (f"{ASKED}/properties/notes/additionalProperties", {"type": "number"}),
    (f"{ASKED}/properties/notes/additionalProperties", True),
    (f"{ASKED}/properties/step/multipleOf", ...),
    (f"{ASKED}/required", []),
    (f"{ASKED}/oneOf/-", {"required": ["cellar"]}),
    (f"{ASKED}/oneOf", ...),
    (f"{ASKED}/additionalProperties", True),
    (f"{WINE}/properties/more", TEXT),
    (f"{WINE}/description", "another"),
    (f"{ANSWER}/properties/more", TEXT),
    (f"{ANSWER}/required/-", "note"),
    (f"{ANSWER}/additionalProperties", False),
    (f"{ANSWER}/properties/note/format", "uri"),
    (f"{ANSWER}/properties/degraded/items/enum/0", ...),
    (f"{RESULT}/properties/chance/type", "integer"),
    (f"{RESULT}/properties/chance/maximum", 0.99),
    (f"{RESULT}/properties/kind/oneOf/0", ...),
    (f"{RESULT}/properties/kind", {"enum": ["b", "a"]}),
    (f"{RESULT}/properties/facts/additionalProperties/type", "number"),
    (f"{RESULT}/properties/shown/x-extensible-enum/-", "map"),
    (f"{SCHEMAS}/Unused", {"type": "object"}),
]


def identify(value: Any) -> str | None:
    return value.removeprefix("/components/schemas") if isinstance(value, str) and value.startswith("/") else None


@pytest.mark.parametrize(("pointer", "value", "said"), BREAKING, ids=identify)
def test_what_is_taken_back_breaks(document, changed, pointer, value, said):
    said_of_it = [str(change) for change in breaking_changes(document, changed(document, pointer, value))]
    assert any(said in each for each in said_of_it), said_of_it


@pytest.mark.parametrize(("pointer", "value"), FINE, ids=identify)
def test_what_only_grows_does_not_break(document, changed, pointer, value):
    assert breaking_changes(document, changed(document, pointer, value)) == []


def test_one_edit_of_a_shared_schema_is_said_once_a_role(document, changed):
    new = changed(document, f"{WINE}/properties/wine_id", {"type": "integer"})
    assert [str(change) for change in breaking_changes(document, new)] == [
        "Wine.wine_id: no longer takes string",
        "Wine.wine_id: may now be integer",
    ]


def test_a_rewritten_union_is_the_same_union(document, changed):
    written_otherwise = {"type": ["null", "string"], "minLength": 1, "default": None}
    assert breaking_changes(document, changed(document, f"{ASKED}/properties/member", written_otherwise)) == []


def test_a_moved_schema_is_the_same_schema(document):
    new = json.loads(json.dumps(document).replace("schemas/Wine", "schemas/Bottle"))
    new["components"]["schemas"]["Bottle"] = new["components"]["schemas"].pop("Wine")
    assert breaking_changes(document, new) == []


def test_a_break_deep_inside_a_schema_that_holds_itself_is_found(document, changed):
    old = changed(document, f"{WINE}/properties/like", {"$ref": "#/components/schemas/Wine", "description": "with a note beside"})
    new = changed(old, f"{WINE}/properties/vintage", ...)
    assert [str(change) for change in breaking_changes(old, new)] == ["Wine.vintage: was removed"]
    assert breaking_changes(old, copy.deepcopy(old)) == []


def test_one_of_several_tagged_objects_is_compared_with_its_namesake(document, changed):
    kinds = {name: {"type": "object", "properties": {"kind": {"enum": [name]}, "at": TEXT}, "required": ["kind"]} for name in ("A", "B")}
    union = {"anyOf": [{"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/B"}]}
    old = changed(document, f"{ASKED}/properties/event", union)
    old["components"]["schemas"] |= kinds
    assert breaking_changes(old, changed(old, f"{ASKED}/properties/event/anyOf", list(reversed(union["anyOf"])))) == []
    new = changed(old, f"{SCHEMAS}/B/properties/at", {"type": "integer"})
    assert [str(change) for change in breaking_changes(old, new)] == ["B.at: no longer takes string"]


@pytest.mark.parametrize("union", ["anyOf", "oneOf"])
def test_a_union_that_lists_itself_ends(document, changed, union):
    looped = changed(document, f"{SCHEMAS}/Loop", {union: [{"$ref": "#/components/schemas/Loop"}, TEXT]})
    old = changed(looped, f"{ASKED}/properties/loop", {"$ref": "#/components/schemas/Loop"})
    assert breaking_changes(old, copy.deepcopy(old)) == []
    assert breaking_changes(old, changed(old, f"{SCHEMAS}/Loop/{union}/1", {"type": "integer"})) != []


@pytest.mark.parametrize("reference", ["#/components/schemas/Gone", "other.json#/A", "#/components/schemas/Ring"])
def test_a_reference_that_leads_nowhere_is_refused_by_name(document, changed, reference):
    ringed = changed(document, f"{SCHEMAS}/Ring", {"$ref": "#/components/schemas/Ring"})
    with pytest.raises(BadInput, match="leads nowhere"):
        breaking_changes(document, changed(ringed, f"{ASKED}/properties/wines/items", {"$ref": reference}))


def nodes_in(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [(at, node), *(found for key, child in children for found in nodes_in(child, (*at, key)))]


def node_at(document: Any, path: tuple[Any, ...]) -> Any:
    for token in path:
        document = document[token]
    return document


schemas = st.recursive(
    st.sampled_from([{"type": "string"}, {"type": "integer", "minimum": 0}, {"enum": ["a", "b"]}, {"const": 1}, {"type": "null"}, {}]),
    lambda inner: st.one_of(
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda named: {"type": "object", "properties": named}, st.dictionaries(st.sampled_from("xyz"), inner, max_size=2)),
        st.builds(lambda values: {"type": "object", "additionalProperties": values}, inner),
        st.just({"$ref": "#/components/schemas/Wine"}),
    ),
    max_leaves=4,
)


def grow(document: dict[str, Any], data: st.DataObject) -> None:
    """One addition at any place of the document that allows it."""
    nodes = nodes_in(document)
    name = f"new-{data.draw(st.integers(0, 9))}"
    match data.draw(st.sampled_from(["path", "property", "problem", "parameter", "note", "header", "security", "component"])):
        case "path":
            document["paths"].setdefault(f"/{name}", {"get": {"operationId": name, "responses": {}}})
        case "property":
            objects = [node for _, node in nodes if isinstance(node, dict) and isinstance(node.get("properties"), dict) and "type" in node]
            data.draw(st.sampled_from(objects))["properties"].setdefault(name, data.draw(schemas))
        case "problem":
            data.draw(st.sampled_from(operations(document)))["responses"].setdefault("503", {"description": "Not ready"})
        case "parameter":
            asked = data.draw(st.sampled_from(operations(document))).setdefault("parameters", [])
            if all(each.get("name") != name for each in asked):
                asked.append({"name": name, "in": "query", "schema": data.draw(schemas)})
        case "note":
            described = [node for _, node in nodes if isinstance(node, dict) and isinstance(node.get("type"), str)]
            data.draw(st.sampled_from(described))["description"] = name
        case "header":
            response = data.draw(st.sampled_from(operations(document)))["responses"]["200"]
            response["headers"] = {**response.get("headers", {}), name: {"schema": data.draw(schemas)}}
        case "security":
            operation = data.draw(st.sampled_from(operations(document)))
            operation["security"] = [*operation.get("security", document["security"]), {"bearer": [], "token": ["read"]}]
        case "component":
            document["components"]["schemas"].setdefault(name, data.draw(schemas))


def operations(document: dict[str, Any]) -> list[Any]:
    """Those of the sample, not those added."""
    return [operation for path in ("/score", "/models/{name}") for key, operation in document["paths"][path].items() if key != "parameters"]


@LAW
@given(st.data())
def test_any_additions_never_break(document, data):
    document = copy.deepcopy(document)
    document["paths"]["/models/{name}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] = data.draw(schemas)
    new = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(0, 5))):
        grow(new, data)
    assert breaking_changes(document, new) == []
    assert breaking_changes(document, document) == []


def is_promise(path: tuple[Any, ...]) -> bool:
    """Is what stands at `path` a thing that clients refer to?"""
    if len(path) < 2:
        return False
    if path[0] == "paths":
        if len(path) in (2, 3):
            return path[-1] != "parameters"
        is_named = path[-1] == "operationId" or path[-2] in ("responses", "content", "headers")
        return is_named or (path[-2] == "parameters" and isinstance(path[-1], int))
    if path[:2] == ("components", "schemas"):
        return path[-2] == "properties"
    return len(path) == 3 and path[:2] == ("components", "securitySchemes")


@LAW
@given(st.data())
def test_every_removal_of_what_clients_refer_to_breaks(document, data):
    document = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(0, 3))):
        grow(document, data)
    used = {"Asked", "Wine", "Answer", "Result", "Problem"}
    promises = [path for path, _ in nodes_in(document) if is_promise(path) and (path[1] != "schemas" or path[2] in used)]
    path = data.draw(st.sampled_from(promises))
    new = copy.deepcopy(document)
    del node_at(new, path[:-1])[path[-1]]
    assert breaking_changes(document, new) != [], path
