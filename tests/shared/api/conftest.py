"""The services' documents as the projects declare them, and what a document needs to be changed in one place."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from cellar_shared.api.documents import GROUP, offered_documents

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def declared() -> Callable[[str], list[EntryPoint]]:
    """The entry points of a group in the projects' own files, installed or not."""

    def points(group: str) -> list[EntryPoint]:
        files = [*ROOT.glob("shared/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")]
        tables = [tomllib.loads(file.read_text())["project"].get("entry-points", {}).get(group, {}) for file in files]
        return [EntryPoint(name, value, group) for table in tables for name, value in table.items()]

    return points


@pytest.fixture(scope="session")
def offered(declared: Callable[[str], list[EntryPoint]]) -> dict[str, Any]:
    """The document of every service, made by its code."""
    found = offered_documents(declared(GROUP))
    assert "preference" in found
    return found


@pytest.fixture
def document() -> dict[str, Any]:
    """A document with one of everything that is compared."""
    return copy.deepcopy(SAMPLE)


@pytest.fixture(scope="session")
def changed() -> Callable[..., dict[str, Any]]:
    """A document with one place set (`...`: removed), named by its path: "/paths//score/post/..." with ~1 for a slash."""

    def change(document: dict[str, Any], pointer: str, value: Any) -> dict[str, Any]:
        new = json.loads(json.dumps(document))
        *parents, last = [token.replace("~1", "/") for token in pointer.split("/")[1:]]
        node = new
        for token in parents:
            node = node[int(token)] if isinstance(node, list) else node[token]
        key: Any = int(last) if isinstance(node, list) and last != "-" else last
        if value is ...:
            del node[key]
        elif last == "-":
            node.append(value)
        else:
            node[key] = value
        return new

    return change


SAMPLE: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "cellar sample", "version": "1"},
    "security": [{"bearer": []}, {"token": ["read", "write"]}],
    "paths": {
        "/score": {
            "post": {
                "operationId": "score",
                "summary": "Score one request",
                "x-idempotent": True,
                "security": [{}, {"bearer": []}],
                "parameters": [
                    {"name": "x-id", "in": "header", "required": False, "schema": {"type": "string", "maxLength": 100}},
                    {"$ref": "#/components/parameters/Limit"},
                ],
                "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Asked"}}}},
                "responses": {
                    "200": {
                        "description": "Success",
                        "headers": {"x-id": {"required": True, "schema": {"type": "string"}}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}},
                    },
                    "422": {
                        "description": "urn:cellar:problem:out-of-range",
                        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                    },
                },
            }
        },
        "/models/{name}": {
            "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {
                "operationId": "model",
                "summary": "Which model",
                "responses": {"200": {"description": "Success", "content": {"application/json": {"schema": {"type": "boolean"}}}}},
            },
        },
    },
    "components": {
        "parameters": {"Limit": {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 50}}},
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "token": {"type": "apiKey", "in": "header", "name": "x-token"},
        },
        "schemas": {
            "Asked": {
                "type": "object",
                "properties": {
                    "wines": {"type": "array", "items": {"$ref": "#/components/schemas/Wine"}, "minItems": 1, "maxItems": 500},
                    "member": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}], "default": None},
                    "order": {"enum": ["down", "up"], "default": "up"},
                    "weight": {"type": "number", "exclusiveMinimum": 0, "default": 1.0},
                    "notes": {"type": "object", "additionalProperties": {"type": "integer"}, "default": {}},
                    "step": {"type": "number", "multipleOf": 0.5, "default": 1.0},
                },
                "required": ["wines"],
                "oneOf": [{"required": ["member"]}, {"required": ["notes"]}],
                "additionalProperties": False,
            },
            "Wine": {
                "type": "object",
                "properties": {
                    "wine_id": {"type": "string", "maxLength": 512},
                    "vintage": {"anyOf": [{"type": "integer", "minimum": 1500}, {"enum": ["NV"]}, {"type": "null"}], "default": None},
                    "like": {"anyOf": [{"$ref": "#/components/schemas/Wine"}, {"type": "null"}], "default": None},
                },
                "required": ["wine_id"],
            },
            "Answer": {
                "type": "object",
                "properties": {
                    "results": {"type": "array", "items": {"$ref": "#/components/schemas/Result"}},
                    "degraded": {"type": "array", "items": {"enum": ["old", "short"]}},
                    "at": {"type": "string", "format": "date-time"},
                    "note": {"type": "string"},
                },
                "required": ["results", "degraded", "at"],
            },
            "Result": {
                "type": "object",
                "properties": {
                    "wine": {"$ref": "#/components/schemas/Wine"},
                    "chance": {"type": "number", "minimum": 0, "maximum": 1},
                    "kind": {"oneOf": [{"const": "a"}, {"const": "b"}]},
                    "facts": {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
                    "shown": {"type": "string", "x-extensible-enum": ["list", "page"]},
                },
                "required": ["wine", "chance", "kind", "facts"],
            },
            "Problem": {"type": "object", "properties": {"status": {"type": "integer"}}, "required": ["status"]},
        },
    },
}
