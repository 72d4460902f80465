"""The OpenAPI 3.1 document of a service, from its own types; `app` serves it and /docs is rendered from it."""

from __future__ import annotations

from typing import Any

import msgspec

from cellar_shared.service.contract import ScoringService, documented_request_type, route_of
from cellar_shared.service.deadline import MAX_DEADLINE_MS
from cellar_shared.service.metadata import Live, ModelMetadata, ModelReady, Ready, ServerMetadata
from cellar_shared.service.problems import PROBLEMS, Code, ProblemDocument

# What every route but the health routes can answer: with keys asked for, and when too much is.
ADMISSION_CODES: tuple[Code, ...] = ("bad-key", "overloaded")
# What the scoring route can answer besides 200; a service chooses among the 422s.
SCORE_CODES: tuple[Code, ...] = (
    *ADMISSION_CODES,
    "invalid-json",
    "too-large",
    "not-json",
    "unknown-field",
    "wrong-type",
    "out-of-range",
    "member-ambiguous",
    "as-of-in-future",
    "as-of-too-early",
    "not-ready",
    "deadline",
)

_HEADERS = {
    "x-ms-client-request-id": {"description": "The request's id, its own or ours", "schema": {"type": "string"}},
    "cellar-contract": {"description": "Version of this contract", "schema": {"const": "1"}},
}
_TIMING = {"server-timing": {"description": "Milliseconds per stage", "schema": {"type": "string"}}}
_REQUEST_ID = {
    "name": "x-ms-client-request-id",
    "in": "header",
    "required": False,
    "description": "Echoed and logged where it is 1 to 100 visible ASCII characters, else replaced by one of ours",
    "schema": {"type": "string"},
}
_DEADLINE = {
    "name": "x-deadline-ms",
    "in": "header",
    "required": False,
    "description": "How long the answer is of use, in milliseconds from the request's arrival; then the answer is a deadline problem",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_DEADLINE_MS},
}
_RETRY_AFTER = {"retry-after": {"description": "Whole seconds after which to ask again", "schema": {"type": "integer", "minimum": 1}}}
_AUTHENTICATE = {"www-authenticate": {"description": "The scheme of the key", "schema": {"const": "Bearer"}}}
_EXTRA_HEADERS = {"401": _AUTHENTICATE, "429": _RETRY_AFTER, "503": _RETRY_AFTER}
# With or without: whether this process asks for keys is its operator's matter, and the document says the same in both cases.
_SECURITY: list[dict[str, list[str]]] = [{}, {"bearer": []}]
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key of the operator; behind a router that asks for it, none is needed here",
}
_MODEL_NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}


def openapi_document(service: ScoringService) -> dict[str, Any]:
    """The document as plain values: the same service gives the same document, byte for byte once encoded."""
    answers = [service.answer_type, Live, Ready, ServerMetadata, ModelMetadata, ModelReady]
    (request, problem, *schemas_of_answers), schemas = msgspec.json.schema_components(
        [documented_request_type(service), ProblemDocument, *answers], ref_template="#/components/schemas/{name}"
    )
    schemas[documented_request_type(service).__name__] |= getattr(service, "request_rules", {})
    answer, live, ready, server, model, model_ready = schemas_of_answers

    def operation(
        name: str, summary: str, success: dict[str, Any], codes: tuple[Code, ...] = (), plain: tuple[int, ...] = (500,)
    ) -> dict[str, Any]:
        responses = {"200": _response("Success", "application/json", success)}
        for status, types in _types_by_status(codes, plain).items():
            responses[str(status)] = _response(", ".join(types), "application/problem+json", problem)
            responses[str(status)]["headers"] = _HEADERS | _EXTRA_HEADERS.get(str(status), {})
        asked = {"operationId": name, "summary": summary, "parameters": [_REQUEST_ID], "responses": responses}
        return asked | ({"security": _SECURITY} if "bad-key" in codes else {})

    not_ready: tuple[Code, ...] = ("not-ready",)
    of_model: tuple[Code, ...] = (*ADMISSION_CODES, "not-ready")
    route = route_of(service)
    score = operation(route.strip("/"), f"Ask {service.name}", answer, SCORE_CODES)
    score["parameters"] = [_REQUEST_ID, _DEADLINE]
    for response in score["responses"].values():
        response["headers"] = response["headers"] | _TIMING
    body: dict[str, Any] = {"schema": request}
    if (example := getattr(service, "example", None)) is not None:
        body["example"] = msgspec.to_builtins(example)
    # It only reads, or knows events again by their ids: clients may send it again when a connection breaks.
    score["x-idempotent"] = True
    score["requestBody"] = {"required": True, "content": {"application/json": body}}
    return {
        "openapi": "3.1.0",
        "info": {"title": f"cellar {service.name}", "version": "1"},
        "paths": {
            route: {"post": score},
            "/v2/health/live": {"get": operation("live", "Is the process alive?", live)},
            "/v2/health/ready": {"get": operation("ready", "May it be asked to score?", ready, not_ready)},
            "/v2": {"get": operation("server", "What runs here", server, ADMISSION_CODES)},
            "/v2/models/{name}": {
                "parameters": [_MODEL_NAME],
                "get": operation("model", "Which model is served", model, of_model, (404, 500)),
            },
            "/v2/models/{name}/ready": {
                "parameters": [_MODEL_NAME],
                "get": operation("model_ready", "Is the model ready?", model_ready, of_model, (404, 500)),
            },
        },
        "components": {"schemas": schemas, "securitySchemes": {"bearer": _BEARER}},
    }


def _types_by_status(codes: tuple[Code, ...], plain: tuple[int, ...]) -> dict[int, list[str]]:
    """The problem types of each status, in the order of the statuses."""
    types: dict[int, list[str]] = {}
    for code in codes:
        types.setdefault(PROBLEMS[code].status, []).append(f"urn:cellar:problem:{code}")
    for status in plain:
        types.setdefault(status, []).append("about:blank")
    return dict(sorted(types.items()))


def _response(description: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "headers": _HEADERS, "content": {media_type: {"schema": schema}}}
