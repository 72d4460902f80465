"""Finds the place in a document that msgspec's message is about, as JSON Pointer tokens; `payload` asks on misfits.

msgspec names a place as `$.wines[3].about`, but a member of a free-form object only as `[...]`: there the first
member that makes the decoder say the same is searched for.
"""

from __future__ import annotations

import bisect
import re
from typing import Any, NamedTuple

import msgspec

# A pointer is cut at its end to at most this: it then names the part of the document around the place.
MAX_POINTER_CHARS = 512
# The search decodes the document once per halving, on the event loop: in a larger one the object itself is named.
MAX_SEARCHED_BYTES = 64 << 10

_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
# Greedy in front: text of the sender stands before the place, never after it.
_PLACED = re.compile(r"(?P<message>.*) - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`", re.DOTALL)
_STEP = re.compile(r"\.(?P<member>[^.\[]+)|\[(?P<index>\d+)\]|\[\.\.\.\]")

Token = str | int


class Location(NamedTuple):
    """One misfit: msgspec's message without its place, the place, and whether a field is unknown or missing."""

    message: str
    tokens: tuple[Token, ...]
    is_unknown: bool = False
    is_missing: bool = False


def located(said: str, document: Any, decoder: msgspec.json.Decoder[Any]) -> Location:
    """Where in `document` (the body decoded without a type; None if that cannot be had) `decoder`'s message applies.

    All tokens resolve in `document`, but for a missing field's own name, the last one. `document` is used up.
    """
    message, steps = said, list[Token | None]()
    if placed := _PLACED.fullmatch(said):
        message, steps = placed["message"], _steps(placed["path"])
        if placed["key"]:
            steps.append(None)
    if missing := _MISSING.fullmatch(message):
        parent = _resolved(steps, document, said, decoder)[0]
        return Location(message, (*parent, missing[1]), is_missing=True)
    if unknown := _UNKNOWN.fullmatch(message):
        parent, node = _resolved(steps, document, said, decoder)
        whole = _UNKNOWN.fullmatch(said)
        if whole and isinstance(document, dict) and whole[1] in document:
            # At the top level; the name may itself read like a place.
            parent, node, unknown = (), document, whole
        is_there = isinstance(node, dict) and unknown[1] in node
        return Location(message, (*parent, unknown[1]) if is_there else parent, is_unknown=True)
    return Location(message, _resolved(steps, document, said, decoder)[0])


def pointer_text(tokens: tuple[Token, ...]) -> str:
    """The tokens as a JSON Pointer (RFC 6901), without those at the end that would make it too long."""
    pointer = ""
    for token in tokens:
        longer = f"{pointer}/{str(token).replace('~', '~0').replace('/', '~1')}"
        if len(longer) > MAX_POINTER_CHARS:
            break
        pointer = longer
    return pointer


def _steps(path: str) -> list[Token | None]:
    return [match["member"] or (int(match["index"]) if match["index"] else None) for match in _STEP.finditer(path)]


def _resolved(steps: list[Token | None], document: Any, said: str, decoder: msgspec.json.Decoder[Any]) -> tuple[tuple[Token, ...], Any]:
    """The steps that lead to a node of `document`, as far as they do, and that node."""
    if document is None:
        known = steps[: steps.index(None)] if None in steps else steps
        return tuple(step for step in known if step is not None), None
    tokens: list[Token] = []
    node = document
    for step in steps:
        token = _failing_member(node, document, said, decoder) if step is None and isinstance(node, dict) else step
        in_object = isinstance(node, dict) and token in node
        in_array = isinstance(node, list) and isinstance(token, int) and token < len(node)
        if token is None or not (in_object or in_array):
            break  # an earlier of two duplicate members was at fault, and only the last is in the document
        tokens.append(token)
        node = node[token]
    return tuple(tokens), node


def _failing_member(node: dict[str, Any], document: Any, said: str, decoder: msgspec.json.Decoder[Any]) -> str | None:
    """The first member of `node`, a part of `document`, that makes `decoder` say `said`: by halving, not one by one.

    Members after it are dropped from `node`, so that a search further down cannot meet them.
    """
    try:
        if len(msgspec.json.encode(document)) > MAX_SEARCHED_BYTES:
            return None
    except RecursionError:  # as deep as could just be decoded
        return None
    members = list(node.items())

    def fails(count: int) -> bool:
        node.clear()
        node.update(members[:count])
        try:
            decoder.decode(msgspec.json.encode(document))
        except (msgspec.DecodeError, RecursionError) as error:
            return str(error) == said
        return False

    count = bisect.bisect_left(range(len(members) + 1), True, key=fails)
    return members[count - 1][0] if 0 < count <= len(members) and fails(count) else None
