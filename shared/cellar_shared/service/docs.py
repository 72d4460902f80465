"""Renders /docs from the OpenAPI document: one page that needs nothing from outside; `app` serves it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any


def docs_page(document: Mapping[str, Any]) -> str:
    """The page as HTML; every text from `document` is escaped."""
    route, score = next((path, operations["post"]) for path, operations in document["paths"].items() if "post" in operations)
    example = score["requestBody"]["content"]["application/json"].get("example", {})
    routes = "\n".join(
        f"<tr><td><code>{escape(method.upper())} {escape(path)}</code></td><td>{escape(operation['summary'])}</td></tr>"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method != "parameters"
    )
    answers = "\n".join(
        f"<tr><td><code>{escape(status)}</code></td><td>{escape(response['description'])}</td></tr>"
        for status, response in score["responses"].items()
    )
    schemas = "\n".join(
        f"<details><summary><code>{escape(name)}</code></summary><pre>{_pretty(schema)}</pre></details>"
        for name, schema in document["components"]["schemas"].items()
    )
    parts = {
        "title": escape(document["info"]["title"]),
        "route": escape(route),
        "target": escape(route.lstrip("/")),  # relative, as the page may lie below a router's prefix
        "retry": "<code>/score</code> only reads: retry freely." if route == "/score" else "",
        "example": _pretty(example),
        "routes": routes,
        "answers": answers,
        "schemas": schemas,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], _template())


def docs_headers() -> dict[str, str]:
    """A content security policy: exactly the page's own style and script work, and they call this origin only."""
    script, style = (base64.b64encode(hashlib.sha256(_inline(tag).encode()).digest()).decode() for tag in ("script", "style"))
    policy = (
        f"default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {"content-security-policy": policy}


def _template() -> str:
    return files(__package__).joinpath("docs.html").read_text("utf-8")


def _inline(tag: str) -> str:
    found = re.search(rf"<{tag}>(.*?)</{tag}>", _template(), re.DOTALL)
    assert found  # noqa: S101
    return found[1]


def _pretty(value: Any) -> str:
    return escape(json.dumps(value, indent=2, ensure_ascii=False))
