"""Law: where no change is found, whatever a client may send still fits, and whatever is answered still fits for the client."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellar_shared.api.schemas import Comparison

LAW = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

SCALARS: list[dict[str, Any]] = [
    {},
    {"type": "null"},
    {"type": "boolean"},
    {"const": 1},
    {"const": True},
    {"enum": ["a", "b", None]},
    {"enum": ["a", 2]},
    {"type": "string"},
    {"type": "string", "minLength": 1},
    {"type": "string", "maxLength": 2},
    {"type": "string", "pattern": "^a"},
    {"type": "integer"},
    {"type": "number"},
    {"type": "number", "minimum": 0, "maximum": 3},
    {"type": "integer", "exclusiveMinimum": 0},
    {"type": "integer", "exclusiveMaximum": 3, "multipleOf": 2},
    {"type": ["integer", "null"]},
]


def of_parts(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    bounds = st.dictionaries(st.sampled_from(["minItems", "maxItems"]), st.integers(0, 2))
    return st.one_of(
        st.builds(lambda items, bounds: {"type": "array", "items": items, **bounds}, inner, bounds),
        st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda properties, required, further: {
                "type": "object",
                "properties": properties,
                "required": [name for name in properties if required[name]],
                **further,
            },
            st.dictionaries(st.sampled_from("xy"), inner, max_size=2),
            st.fixed_dictionaries({name: st.booleans() for name in "xy"}),
            st.sampled_from([{}, {"additionalProperties": False}]),
        ),
        st.builds(lambda values: {"type": "object", "additionalProperties": values}, inner),
    )


schemas = st.recursive(st.sampled_from(SCALARS), of_parts, max_leaves=4)


def values_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that `schema` names: of open objects only the properties that it lists, as requests made for it hold them."""
    if "anyOf" in schema:
        return st.one_of([values_of(part) for part in schema["anyOf"]])
    if schema.get("type") == "array":
        return st.lists(values_of(schema["items"]), max_size=3)
    if "properties" in schema:
        every = {name: values_of(part) for name, part in schema["properties"].items()}
        required = {name: each for name, each in every.items() if name in schema["required"]}
        return st.fixed_dictionaries(required, optional={name: each for name, each in every.items() if name not in required})
    if schema.get("type") == "object":
        return st.dictionaries(st.sampled_from("xyz"), values_of(schema["additionalProperties"]), max_size=2)
    return st.sampled_from(["", "a", "ab", "b", "abc", None, True, False, -1, 0, 1, 2, 3, 4, 0.5, [], ["a"], {}, {"x": 1}])


def fits(value: Any, schema: dict[str, Any]) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(value)


def nearby(schema: Any, data: st.DataObject) -> Any:
    """The schema with one part of it replaced: two drawn apart hardly ever fit."""
    if data.draw(st.booleans()) or not isinstance(schema, dict):
        return data.draw(schemas)
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            return {**schema, keyword: nearby(schema[keyword], data)}
    if schema.get("properties"):
        name = data.draw(st.sampled_from(sorted(schema["properties"])))
        return {**schema, "properties": {**schema["properties"], name: nearby(schema["properties"][name], data)}}
    if "anyOf" in schema:
        return {"anyOf": [*schema["anyOf"], data.draw(schemas)]}
    return data.draw(st.sampled_from(SCALARS))


@pytest.mark.parametrize("role", ["requests", "answers"])
@LAW
@given(data=st.data())
def test_what_fits_by_the_verdict_fits(role, data):
    source = data.draw(schemas)
    sink = nearby(source, data)
    old, new = (source, sink) if role == "requests" else (sink, source)
    changes = Comparison({}, {}, role).changes(old, new, "here")
    if changes:
        return
    sent = data.draw(values_of(source).filter(lambda value: fits(value, source)))
    if role == "answers" and "'additionalProperties': False" in str(sink):
        return  # an answer may grow where its old schema closed it
    assert fits(sent, sink), (source, sink, sent)


@pytest.mark.parametrize("role", ["requests", "answers"])
@LAW
@given(schema=schemas)
def test_a_schema_fits_itself(role, schema):
    assert Comparison({}, {}, role).changes(schema, schema, "here") == []
