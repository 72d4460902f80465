"""The OpenAPI 3.1 document of a service, from its own types; `app` serves it and /docs is rendered from it."""

from __future__ import annotations

from typing import Any

import msgspec

from cellar_shared.service.contract import ScoringService
from cellar_shared.service.metadata import Live, ModelMetadata, ModelReady, Ready, ServerMetadata
from cellar_shared.service.problems import PROBLEMS, Code, ProblemDocument

# What `POST /score` can answer besides 200; a service chooses among the 422s.
SCORE_CODES: tuple[Code, ...] = (
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
_MODEL_NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}


def openapi_document(service: ScoringService) -> dict[str, Any]:
    """The document as plain values: the same service gives the same document, byte for byte once encoded."""
    answers = [service.answer_type, Live, Ready, ServerMetadata, ModelMetadata, ModelReady]
    (request, problem, *schemas_of_answers), schemas = msgspec.json.schema_components(
        [service.request_type, ProblemDocument, *answers], ref_template="#/components/schemas/{name}"
    )
    schemas[service.request_type.__name__] |= getattr(service, "request_rules", {})
    answer, live, ready, server, model, model_ready = schemas_of_answers

    def operation(
        name: str, summary: str, success: dict[str, Any], codes: tuple[Code, ...] = (), plain: tuple[int, ...] = (500,)
    ) -> dict[str, Any]:
        responses = {"200": _response("Success", "application/json", success)}
        for status, types in _types_by_status(codes, plain).items():
            responses[str(status)] = _response(", ".join(types), "application/problem+json", problem)
        return {"operationId": name, "summary": summary, "parameters": [_REQUEST_ID], "responses": responses}

    not_ready: tuple[Code, ...] = ("not-ready",)
    score = operation("score", "Score one request", answer, SCORE_CODES)
    for response in score["responses"].values():
        response["headers"] = {**_HEADERS, **_TIMING}
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
            "/score": {"post": score},
            "/v2/health/live": {"get": operation("live", "Is the process alive?", live)},
            "/v2/health/ready": {"get": operation("ready", "May it be asked to score?", ready, not_ready)},
            "/v2": {"get": operation("server", "What runs here", server)},
            "/v2/models/{name}": {
                "parameters": [_MODEL_NAME],
                "get": operation("model", "Which model is served", model, not_ready, (404, 500)),
            },
            "/v2/models/{name}/ready": {
                "parameters": [_MODEL_NAME],
                "get": operation("model_ready", "Is the model ready?", model_ready, not_ready, (404, 500)),
            },
        },
        "components": {"schemas": schemas},
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
