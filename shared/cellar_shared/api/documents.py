"""Which OpenAPI documents the installed services offer, and their bytes as files; the `cellar api` commands and tests call it.

A service offers its document by an entry point in the group `cellar.apis`: the name is the service's, the value a function
without parameters that returns the document, without loading a bundle or a store.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

from cellar_shared.errors import BadInput

GROUP: Final = "cellar.apis"
SUFFIX: Final = ".openapi.json"

Document = Mapping[str, Any]


def offered_documents(points: Iterable[EntryPoint] | None = None) -> dict[str, Document]:
    """The document of each service that `points` (default: what is installed) name, by service, as its file would read."""
    found = entry_points(group=GROUP) if points is None else points
    # Through JSON: a tuple or an enumeration in the code is what the file makes of it.
    return {point.name: json.loads(document_bytes(point.load()())) for point in sorted(found, key=lambda point: point.name)}


def document_bytes(document: Document) -> bytes:
    """The document as its file holds it: in the contract's own order, so the same code gives the same bytes."""
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_document(path: Path) -> Document:
    """The document in a file; BadInput where it is none that can be compared or made a client of."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); name an OpenAPI document.") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: found no JSON ({error}), expected an OpenAPI document as `cellar api write` writes it.") from error
    version = document.get("openapi") if isinstance(document, dict) else None
    if not isinstance(version, str) or not version.startswith("3.1"):
        raise BadInput(f"{path}: found openapi {version!r}, expected 3.1: take the document that the service gives at /openapi.json.")
    return document  # type: ignore[no-any-return]  # just seen to be a dict


def released_name(name: str, document: Document) -> str:
    """The file under which a service's document is released: one a contract version, replaced at each release."""
    return f"{name}-{document['info']['version']}{SUFFIX}"
