"""Writes the source of a typed client from an OpenAPI document: a struct a schema, a method an operation; `cellar api` asks.

The source depends on msgspec and on the hand-written client modules beside it, is laid out as the formatter leaves it, and is the
same for the same document. Names and texts of the document arrive in it as identifiers, literals and comments only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from cellar_shared.api.branches import resolved
from cellar_shared.api.breaking import METHODS
from cellar_shared.api.client_types import WIDTH, Types, class_name, docstring, identifier
from cellar_shared.errors import BadInput

# What the transport sees to by itself.
OWN_HEADERS: Final = ("x-ms-client-request-id", "x-deadline-ms", "authorization")
RESERVED: Final = ("call", "close")
JSON: Final = "application/json"


class _Parameter(NamedTuple):
    """One parameter of an operation that the caller gives."""

    name: str
    place: str
    python: str
    annotation: str
    is_required: bool


def client_source(document: Mapping[str, Any]) -> str:
    """The module's source; BadInput where the document asks for what a client of this kind cannot say."""
    types = Types(document)
    title, version = document["info"]["title"], document["info"]["version"]
    operations = [
        (method, path, item, item[method]) for path, item in document.get("paths", {}).items() for method in METHODS if method in item
    ]
    bodies = [_body(operation, document) for *_, operation in operations]
    answers = [_success(operation, document, f"{method.upper()} {path}") for method, path, _, operation in operations]
    classes = types.structs_of([*bodies, *answers])
    methods = [line for each in operations for line in ("", *_method(*each, types, document))]
    name = class_name("".join(word.capitalize() for word in re.findall("[A-Za-z0-9]+", title.removeprefix("cellar ")))) + "Client"
    head = docstring(f"A client of {title}, contract {version}; made by `cellar api` from its OpenAPI document: change that instead.", "")
    service = [f"class {name}(Client):", *docstring(f"Calls {title}.", "    "), *methods]
    body = "\n\n\n".join([*classes, "\n".join(service)])
    return "\n".join([*head, "", *_imports(body), "", "", body, ""])


def _imports(body: str) -> Iterator[str]:
    """What `body` uses of what it may use."""
    yield from ("from __future__ import annotations", "")
    moments = [name for name in ("date", "datetime") if re.search(rf"\b{name}\b(?! =|:)", body)]
    names = [name for name in ("Any", "Literal") if re.search(rf"\b{name}\b", body)]
    if moments:
        yield f"from datetime import {', '.join(moments)}"
    if names:
        yield f"from typing import {', '.join(names)}"
    if moments or names:
        yield ""
    if "msgspec." in body:
        yield from ("import msgspec", "")
    yield f"from .transport import {'Client, in_path' if 'in_path(' in body else 'Client'}"


def _method(
    method: str, path: str, item: Mapping[str, Any], operation: Mapping[str, Any], types: Types, document: Mapping[str, Any]
) -> Iterator[str]:
    """The lines of one operation's method."""
    where = f"{method.upper()} {path}"
    if "operationId" not in operation:
        raise BadInput(f"{where}: found no operationId, expected one; a client's method is named by it.")
    name = identifier(operation["operationId"])
    name = f"{name}_" if name in RESERVED else name
    success, body = _success(operation, document, where), _body(operation, document)
    answer = types.annotation(success)
    parameters = list(_parameters(item, operation, types, document))
    signature = ["self"]
    signature += [f"{each.python}: {each.annotation}" for each in parameters if each.place == "path"]
    if body is not None:
        signature.append(f"request: {types.annotation(body)}")
    signature.append("*")
    signature += [f"{each.python}: {each.annotation}" for each in parameters if each.place != "path" and each.is_required]
    signature += [f"{each.python}: {each.annotation} = None" for each in parameters if each.place != "path" and not each.is_required]
    signature += ["timeout_s: float | None = None", "request_id: str | None = None"]
    is_idempotent = method in ("get", "head", "options", "put", "delete") or operation.get("x-idempotent") is True
    arguments = [json.dumps(method.upper()), _path(path, parameters), answer, *(["request"] if body is not None else [])]
    arguments.append(f"is_idempotent={is_idempotent}")
    for place, keyword in (("query", "query"), ("header", "headers")):
        given = [f"{json.dumps(each.name)}: {each.python}" for each in parameters if each.place == place]
        arguments += [f"{keyword}={{{', '.join(given)}}}"] if given else []
    arguments += ["timeout_s=timeout_s", "request_id=request_id"]
    yield from _laid_out(f"    def {name}(", signature, f") -> {answer}:")
    summary = str(operation.get("summary") or name)
    told = [str(operation["description"])] if "description" in operation else []
    yield from docstring(summary.rstrip(".?") + ("?" if summary.endswith("?") else "."), "        ", *told, *_problems(operation))
    yield from _laid_out("        return self.call(", arguments, ")")


def _laid_out(start: str, items: list[str], end: str) -> list[str]:
    """A call or a signature as the formatter lays it out: on one line, else one item a line."""
    line = f"{start}{', '.join(items)}{end}"
    if len(line) <= WIDTH:
        return [line]
    indent = " " * (len(start) - len(start.lstrip()))
    inner = f"{indent}    {', '.join(items)}"
    if len(inner) <= WIDTH:
        return [start, inner, f"{indent}{end}"]
    return [start, *(f"{indent}    {item}," for item in items), f"{indent}{end}"]


def _parameters(item: Mapping[str, Any], operation: Mapping[str, Any], types: Types, document: Mapping[str, Any]) -> Iterator[_Parameter]:
    taken = {"self", "request", "timeout_s", "request_id"}
    for listed in (*item.get("parameters", ()), *operation.get("parameters", ())):
        parameter = resolved(listed, document)[0]
        name, place, is_required = parameter["name"], parameter["in"], bool(parameter.get("required"))
        if place == "header" and name.lower() in OWN_HEADERS:
            continue
        if place not in ("path", "query", "header"):
            raise BadInput(f"the parameter {name!r}: found it in {place!r}, expected path, query or header.")
        python = identifier(name.lower() if place == "header" else name)
        python = f"{python}_" if python in taken else python
        taken.add(python)
        annotation = "str" if place == "path" else types.annotation(parameter.get("schema", True))
        is_open = is_required or annotation == "Any" or annotation.endswith("None")
        yield _Parameter(name, place, python, annotation if is_open else f"{annotation} | None", is_required)


def _path(path: str, parameters: list[_Parameter]) -> str:
    """The path as a literal, its parameters filled in as single segments."""
    given = {each.name: each.python for each in parameters if each.place == "path"}
    pieces = re.split(r"\{([^{}]*)\}", path)
    for name in pieces[1::2]:
        if name not in given:
            raise BadInput(f"{path}: found no parameter named {name!r}, expected one for each name in braces.")
    if len(pieces) == 1:
        return json.dumps(path)
    filled = [f"{{in_path({given[piece]})}}" if place % 2 else json.dumps(piece)[1:-1] for place, piece in enumerate(pieces)]
    return f'f"{"".join(filled)}"'


def _body(operation: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    """The schema of what the operation takes, None where it takes nothing."""
    body = resolved(operation.get("requestBody", {}), document)[0]
    if body and JSON not in body.get("content", {}):
        raise BadInput(f"{operation.get('operationId')}: found a body of {', '.join(body.get('content', {}))}, expected {JSON}.")
    return body["content"][JSON].get("schema", True) if body else None


def _success(operation: Mapping[str, Any], document: Mapping[str, Any], where: str) -> Any:
    """The schema of what the operation answers."""
    for status, response in operation.get("responses", {}).items():
        content = resolved(response, document)[0].get("content", {})
        if status.startswith("2") and JSON in content:
            return content[JSON].get("schema", True)
    raise BadInput(f"{where}: found no successful answer of {JSON}, expected one.")


def _problems(operation: Mapping[str, Any]) -> list[str]:
    """A paragraph with the problems that the operation documents."""
    listed = []
    for status, response in operation.get("responses", {}).items():
        codes = re.findall(r"urn:cellar:problem:([a-z-]+)", str(response.get("description", "")))
        listed += [f"{status} {', '.join(codes)}"] if codes else []
    return [f"Raises ProblemError ({'; '.join(listed)}), Unreachable, TimedOut, BadAnswer."] if listed else []
