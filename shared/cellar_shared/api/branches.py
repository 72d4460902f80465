"""Takes a JSON Schema apart into the kinds of values that it allows, with their bounds; `schemas` compares them pair by pair."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

from cellar_shared.errors import BadInput

Kind = Literal["any", "value", "null", "boolean", "integer", "number", "string", "array", "object"]
Node = Mapping[str, Any] | bool
# A bound and whether it is exclusive: 1 for a lower one, -1 for an upper one, so that tuples compare as bounds do.
Bound = tuple[float, int]

# Says nothing about which values fit.
NOTES: Final = {"$comment", "$schema", "title", "description", "default", "example", "examples", "deprecated", "discriminator"}
_BY_KEYWORD: Final[Mapping[str, Kind]] = {"properties": "object", "additionalProperties": "object", "items": "array"}


class Branch(NamedTuple):
    """One kind of value that a schema allows: `name` is its component's, `value` is set for the kind "value"."""

    kind: Kind
    node: Mapping[str, Any]
    name: str
    value: Any = None

    def __str__(self) -> str:
        return json.dumps(self.value) if self.kind == "value" else self.name or ("anything" if self.kind == "any" else self.kind)


def is_note(keyword: str) -> bool:
    """Is the keyword for people and generators only?"""
    return keyword in NOTES or keyword.startswith("x-")


def resolved(node: Mapping[str, Any], document: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """What `node` is once its references are followed, and the name of the last; BadInput where one leads nowhere."""
    name, seen = "", set[str]()
    while isinstance(reference := node.get("$ref"), str):
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
        if not reference.startswith("#/") or not isinstance(target, dict) or reference in seen:
            raise BadInput(f"{reference}: leads nowhere in its document; write the document again from its service.")
        seen.add(reference)
        name = reference.rpartition("/")[2]
        node = {**target, **{keyword: value for keyword, value in node.items() if keyword != "$ref"}}
    return node, name


def branches(node: Node, document: Mapping[str, Any], name: str = "", inside: frozenset[str] = frozenset()) -> Iterator[Branch]:
    """The kinds of values that `node` allows: unions, enumerations and lists of types one by one."""
    if isinstance(node, bool):
        if node:
            yield Branch("any", {}, name)
        return
    node, own_name = resolved(node, document)
    if own_name in inside:
        return  # a union that lists itself adds nothing
    name, inside = own_name or name, inside | ({own_name} - {""})
    match [keyword for keyword in node if not is_note(keyword)]:
        case ["anyOf" | "oneOf" | "allOf" as union] if union != "allOf" or len(node[union]) == 1:
            for part in node[union]:
                yield from branches(part, document, name if len(node[union]) == 1 else "", inside)
            return
    if "enum" in node or "const" in node:
        for value in node.get("enum", [node.get("const")]):
            yield Branch("null", {}, "") if value is None else Branch("value", {}, name, value)
        return
    types: Any = node.get("type", next((kind for keyword, kind in _BY_KEYWORD.items() if keyword in node), "any"))
    kinds: Any = [types] if isinstance(types, str) else types
    for kind in kinds:
        yield Branch(kind, {} if kind == "null" else node, name)


def may_take(taker: Branch, sent: Branch) -> bool:
    """Are the two of kinds that make a closer look worthwhile?"""
    if taker.kind == "value":
        # Not by ==, to which true is 1.
        return sent.kind == "value" and json.dumps(sent.value) == json.dumps(taker.value)
    if sent.kind == "value":
        return taker.kind in ("any", *_kinds_of(sent.value))
    return taker.kind in ("any", sent.kind) or (sent.kind, taker.kind) == ("integer", "number")


def holds(taker: Branch, value: Any) -> bool:
    """Does a value of the right kind keep the taker's bounds? An array or object only where anything goes."""
    if taker.kind in ("value", "any", "boolean"):
        return True
    if isinstance(value, str):
        fits = taker.node.get("minLength", 0) <= len(value) <= taker.node.get("maxLength", math.inf)
        return fits and bool(re.search(taker.node.get("pattern", ""), value))
    return isinstance(value, int | float) and lowest(taker.node) <= (value, 0) <= highest(taker.node)


def lowest(node: Mapping[str, Any]) -> Bound:
    """The tighter of the lower bounds."""
    return max((node.get("minimum", -math.inf), 0), (node.get("exclusiveMinimum", -math.inf), 1))


def highest(node: Mapping[str, Any]) -> Bound:
    """The tighter of the upper bounds."""
    return min((node.get("maximum", math.inf), 0), (node.get("exclusiveMaximum", math.inf), -1))


def _kinds_of(value: Any) -> tuple[Kind, ...]:
    match value:
        case bool():
            return ("boolean",)
        case int():
            return ("integer", "number")
        case float():
            return ("number",)
        case str():
            return ("string",)
        case list():
            return ("array",)
        case _:
            return ("object",)
