"""The events service's OpenAPI document without a store; `cellar api` finds it by its entry point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cellar_events.service import EventsService
from cellar_shared.service.openapi import openapi_document
from cellar_shared.store.lmdb_store import LmdbStore


def document() -> dict[str, Any]:
    """The document that the service gives at /openapi.json: it says nothing of a store, so none is opened."""
    return openapi_document(EventsService(LmdbStore(Path()), Path()))
