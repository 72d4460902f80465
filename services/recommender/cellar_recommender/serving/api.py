"""The recommender service's OpenAPI document without a bundle or a store; `cellar api` finds it by its entry point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cellar_recommender.serving.service import RecommenderService
from cellar_shared.service.openapi import openapi_document
from cellar_shared.store.memory_store import MemoryStore


def document() -> dict[str, Any]:
    """The document that the service gives at /openapi.json: it says nothing of a bundle, so none is opened."""
    return openapi_document(RecommenderService(bundle=Path(), store=MemoryStore(Path())))
