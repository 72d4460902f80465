"""Decides which changes of an OpenAPI document break clients that were written for the one before; `cellar api check` asks.

Answers only grow, and requests only ask for less. Fine: a new path, an optional request field, a wider request limit, a field
more in an answer, a further problem status, a way more to authenticate. Breaking: whatever is taken away or asked for anew, an
answer that may be null, of another type or beyond its old bounds, and a value more in a closed list of an answer: clients match
such lists exhaustively. A list that is to grow is a string with its known values under `x-extensible-enum`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cellar_shared.api.branches import resolved
from cellar_shared.api.schemas import Change, Comparison

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

Part = Mapping[str, Any]


def breaking_changes(old: Part, new: Part) -> list[Change]:
    """Every promise of the document `old` that `new` no longer keeps, each once; empty where clients need not change.

    Both are OpenAPI 3.1. Raises BadInput where a reference leads nowhere.
    """
    return list(dict.fromkeys(_Documents(old, new).changes()))


class _Documents:
    def __init__(self, old: Part, new: Part) -> None:
        self._old, self._new = old, new
        self._requests, self._answers = Comparison(old, new, "requests"), Comparison(old, new, "answers")

    def changes(self) -> Iterator[Change]:
        for path, item in self._old.get("paths", {}).items():
            present = self._new.get("paths", {}).get(path)
            if present is None:
                yield Change(path, "was removed")
                continue
            for method in METHODS:
                if method in item:
                    name = f"{method.upper()} {path}"
                    if method not in present:
                        yield Change(name, "was removed")
                    else:
                        yield from self._operation((item, item[method]), (present, present[method]), name)
        yield from self._security_schemes()

    def _operation(self, old: tuple[Part, Part], new: tuple[Part, Part], name: str) -> Iterator[Change]:
        before, after = old[1], new[1]
        for key, what in (("operationId", "operationId"), ("x-idempotent", "promise that it may be repeated (x-idempotent)")):
            if before.get(key) and before[key] != after.get(key):
                yield Change(name, f"its {what} was {before[key]}, is {after.get(key)}")
        yield from self._parameters(_parameters(old, self._old), _parameters(new, self._new), name)
        yield from self._request_body(before.get("requestBody"), after.get("requestBody"), name)
        yield from self._responses(before.get("responses", {}), after.get("responses", {}), name)
        yield from _security(before.get("security", self._old.get("security")), after.get("security", self._new.get("security")), name)

    def _parameters(self, old: Mapping[tuple[str, str], Part], new: Mapping[tuple[str, str], Part], name: str) -> Iterator[Change]:
        for key, parameter in new.items():
            if parameter.get("required") and not old.get(key, {}).get("required"):
                yield Change(f"{name} {' '.join(key)}", "is now required" if key in old else "is new and required")
        for key, parameter in old.items():
            place = f"{name} {' '.join(key)}"
            if key not in new:
                yield Change(place, "was removed")
                continue
            for keyword in ("style", "explode", "allowReserved", "content"):
                if parameter.get(keyword) != new[key].get(keyword):
                    yield Change(place, f"{keyword} was {parameter.get(keyword)}, is {new[key].get(keyword)}")
            yield from self._requests.changes(parameter.get("schema", True), new[key].get("schema", True), place)

    def _request_body(self, old: Part | None, new: Part | None, name: str) -> Iterator[Change]:
        place = f"{name} body"
        before, after = (resolved(body or {}, document)[0] for body, document in ((old, self._old), (new, self._new)))
        if after.get("required") and not before.get("required"):
            yield Change(place, "is now required" if before else "is new and required")
        if before and not after:
            yield Change(place, "was removed")
        else:
            yield from self._content(self._requests, before, after, place)

    def _responses(self, old: Part, new: Part, name: str) -> Iterator[Change]:
        for status in new:
            # A problem more is one refusal more among those that a client must expect; a success more is a new answer.
            if status not in old and status.startswith(("1", "2", "3")):
                yield Change(f"{name} {status}", "is a new kind of success")
        for status, response in old.items():
            place = f"{name} {status}"
            if status not in new:
                yield Change(place, "was removed")
                continue
            before, after = resolved(response, self._old)[0], resolved(new[status], self._new)[0]
            yield from self._content(self._answers, before, after, place)
            headers = {header.lower(): value for header, value in after.get("headers", {}).items()}
            for header, value in before.get("headers", {}).items():
                if header.lower() not in headers:
                    yield Change(f"{place} header {header}", "was removed")
                    continue
                was, now = resolved(value, self._old)[0], resolved(headers[header.lower()], self._new)[0]
                if was.get("required") and not now.get("required"):
                    yield Change(f"{place} header {header}", "may now be left out")
                yield from self._answers.changes(was.get("schema", True), now.get("schema", True), f"{place} header {header}")

    @staticmethod
    def _content(comparison: Comparison, old: Part, new: Part, place: str) -> Iterator[Change]:
        for media_type, content in old.get("content", {}).items():
            if media_type not in new.get("content", {}):
                yield Change(place, f"{media_type} was removed")
            else:
                present = new["content"][media_type]
                yield from comparison.changes(content.get("schema", True), present.get("schema", True), f"{place} {media_type}")

    def _security_schemes(self) -> Iterator[Change]:
        old, new = (document.get("components", {}).get("securitySchemes", {}) for document in (self._old, self._new))
        for name, scheme in old.items():
            if name not in new:
                yield Change(f"security scheme {name}", "was removed")
                continue
            before, after = resolved(scheme, self._old)[0], resolved(new[name], self._new)[0]
            for keyword in ("type", "scheme", "in", "name", "openIdConnectUrl", "flows"):
                if before.get(keyword) != after.get(keyword):
                    yield Change(f"security scheme {name}", f"{keyword} was {before.get(keyword)}, is {after.get(keyword)}")


def _parameters(item_and_operation: tuple[Part, Part], document: Part) -> dict[tuple[str, str], Part]:
    """An operation's parameters by place and name, its path's own among them."""
    found = {}
    for part in item_and_operation:
        for listed in part.get("parameters", ()):
            parameter = resolved(listed, document)[0]
            name = parameter["name"].lower() if parameter["in"] == "header" else parameter["name"]
            found[parameter["in"], name] = parameter
    return found


def _security(old: Sequence[Part] | None, new: Sequence[Part] | None, name: str) -> Iterator[Change]:
    """Each old way to authenticate (none at all where nothing is listed) must still do, or more than do.

    That it may be done without is no substitute: whether a service asks for keys is its operator's matter, not the document's.
    """
    for option in old or ({},):
        if not any(_asks_for_no_more(present, option) for present in new or ({},)):
            yield Change(name, f"{' with '.join(option) or 'no authentication'} no longer does")


def _asks_for_no_more(new: Part, old: Part) -> bool:
    return bool(new) == bool(old) and all(scheme in old and set(scopes) <= set(old[scheme]) for scheme, scopes in new.items())
