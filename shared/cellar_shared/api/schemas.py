"""Decides whether one JSON Schema took back something that another had promised; `breaking` asks for bodies and parameters.

Values flow: in a request from a client made for the old schema to the new service, in an answer from the new service to that
client. Whatever the source may send, the sink must take. Where the two cannot be compared exactly (a rule such as `not` or
`pattern` that changed) the verdict is "breaking": a person looks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from cellar_shared.api.branches import Bound, Branch, Node, branches, highest, holds, is_note, lowest, may_take

Role = Literal["requests", "answers"]

# Compared one by one; a keyword that is neither here nor a note is a rule, compared as it stands.
_READ: Final = {
    *("$ref", "type", "enum", "const", "properties", "required", "additionalProperties", "items"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One promise that is no longer kept, and where."""

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


class Comparison:
    """Compares schemas of two documents, all in one role."""

    def __init__(self, old: Mapping[str, Any], new: Mapping[str, Any], role: Role) -> None:
        self._is_request = role == "requests"
        self._source, self._sink = (old, new) if self._is_request else (new, old)
        self._under_way: set[tuple[int, int]] = set()

    def changes(self, old: Node, new: Node, place: str) -> list[Change]:
        """What `new` takes back of what `old` promised; `place` is said where a component has no name of its own."""
        source, sink = (old, new) if self._is_request else (new, old)
        pair = (id(source), id(sink))
        # A schema that holds itself fits unless something else in it does not.
        if pair in self._under_way:
            return []
        self._under_way.add(pair)
        try:
            takers = list(branches(sink, self._sink))
            return [change for sent in branches(source, self._source) for change in self._taken(sent, takers, place)]
        finally:
            self._under_way.discard(pair)

    def _taken(self, sent: Branch, takers: Sequence[Branch], place: str) -> list[Change]:
        """Why none of `takers` takes what `sent` allows; nothing where one does."""
        found: list[tuple[Branch, list[Change]]] = []
        for taker in takers:
            if may_take(taker, sent):
                changes = self._within(sent, taker, place)
                if not changes:
                    return []
                found.append((taker, changes))
        alike = [each for each in found if each[0].name == sent.name] or found
        if len(alike) == 1:
            return alike[0][1]
        return [Change(place, f"no longer takes {sent}" if self._is_request else f"may now be {sent}")]

    def _within(self, sent: Branch, taker: Branch, place: str) -> list[Change]:
        place = taker.name or sent.name or place
        if sent.kind == "value":
            return [] if holds(taker, sent.value) else [Change(place, f"{sent} is now out of bounds")]
        sayings = (*_bounds(sent.node, taker.node, self._is_request), *_rules(sent.node, taker.node))
        changes = [Change(place, saying) for saying in sayings]
        old, new = (sent.node, taker.node) if self._is_request else (taker.node, sent.node)
        if taker.kind == "array":
            changes += self.changes(old.get("items", True), new.get("items", True), f"{place}[]")
        if taker.kind == "object":
            changes += self._properties(old, new, place)
            changes += self._further_properties(old.get("additionalProperties", True), new.get("additionalProperties", True), place)
        return changes

    def _properties(self, old: Mapping[str, Any], new: Mapping[str, Any], place: str) -> Iterator[Change]:
        known, present = old.get("properties", {}), new.get("properties", {})
        was_required, is_required = old.get("required", ()), new.get("required", ())
        every_old, every_new = old.get("additionalProperties"), new.get("additionalProperties")
        if isinstance(every_old, Mapping):
            for name in (name for name in present if name not in known):
                yield from self.changes(every_old, present[name], f"{place}.{name}")
        for name in known:
            if name not in present and self._is_request and isinstance(every_new, Mapping):
                yield from self.changes(known[name], every_new, f"{place}.{name}")
                continue
            if name not in present:
                yield Change(f"{place}.{name}", "was removed")
                continue
            yield from self.changes(known[name], present[name], f"{place}.{name}")
            if self._is_request and name not in was_required:
                before, after = (_default(properties[name]) for properties in (known, present))
                if before != after:
                    yield Change(f"{place}.{name}", f"left out it meant {before}, now {after}")
        for name in is_required if self._is_request else was_required:
            if self._is_request and name not in was_required:
                yield Change(f"{place}.{name}", "is now required" if name in known else "is new and required")
            if not self._is_request and name not in is_required and name in present:
                yield Change(f"{place}.{name}", "may now be left out")

    def _further_properties(self, old: Node, new: Node, place: str) -> list[Change]:
        """Properties that the schema does not name."""
        if old is False or (not self._is_request and new is False):
            return []
        if new is False:
            return [Change(place, "takes no further properties any longer")]
        return self.changes(old, new, f"{place}{{}}")


def _rules(source: Mapping[str, Any], sink: Mapping[str, Any]) -> Iterator[str]:
    """The sink's further rules that the source is not known to keep."""
    for keyword, rule in sink.items():
        if is_note(keyword) or keyword in _READ or rule is False or rule == source.get(keyword):
            continue
        if keyword in ("anyOf", "oneOf") and all(each in rule for each in source.get(keyword, [None])):
            continue  # further alternatives only
        yield f"the rule `{keyword}` changed"


def _bounds(source: Mapping[str, Any], sink: Mapping[str, Any], is_request: bool) -> Iterator[str]:
    """The sink's bounds that the source need not keep."""
    lower = {"minimum": (lowest(source), lowest(sink))}
    upper = {"maximum": (highest(source), highest(sink))}
    for noun in ("Length", "Items", "Properties"):
        lower[f"min{noun}"] = ((source.get(f"min{noun}", 0), 0), (sink.get(f"min{noun}", 0), 0))
        upper[f"max{noun}"] = ((source.get(f"max{noun}", math.inf), 0), (sink.get(f"max{noun}", math.inf), 0))
    misfits = {keyword: pair for keyword, pair in lower.items() if pair[0] < pair[1]}
    misfits |= {keyword: pair for keyword, pair in upper.items() if pair[0] > pair[1]}
    for keyword, (sent, taken) in misfits.items():
        old, new = (sent, taken) if is_request else (taken, sent)
        yield f"{keyword} was {_shown(old)}, is {_shown(new)}"


def _shown(bound: Bound) -> str:
    number, is_exclusive = bound
    return "none" if math.isinf(number) else f"{number:g}{' (exclusive)' if is_exclusive else ''}"


def _default(node: Node) -> str:
    return json.dumps(node.get("default")) if isinstance(node, Mapping) else "null"
