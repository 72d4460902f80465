"""What the health and metadata routes answer, in Open Inference Protocol's terms; `app` fills them in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cellar_shared.bundle.manifest import BundleManifest
from cellar_shared.events.moments import iso_of
from cellar_shared.store.generation import GenerationManifest


class Live(msgspec.Struct, frozen=True):
    """The process answers."""

    live: bool = True


class Ready(msgspec.Struct, frozen=True):
    """The service may be asked to score; while it may not, the answer is a not-ready problem."""

    ready: bool = True


class ServerMetadata(msgspec.Struct, frozen=True):
    """What runs here; `version` is that of cellar's shared frame."""

    name: str
    version: str
    extensions: tuple[str, ...] = ()


class TensorMetadata(msgspec.Struct, frozen=True):
    """One input or output; -1 in `shape` is a free axis."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class ModelMetadata(msgspec.Struct, frozen=True):
    """What is served; `properties` is free (bundle, generation, dates)."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]
    properties: Mapping[str, Any] = {}


class ModelReady(msgspec.Struct, frozen=True):
    """The named model may be asked to score."""

    name: str
    ready: bool = True


def served_properties(bundle: BundleManifest, generation: GenerationManifest, deployment: str) -> dict[str, str]:
    """What every model's metadata say of a bundle that is served on a generation, out of a slot."""
    return {
        "generation": generation.id,
        "events_through": iso_of(generation.events_through),
        "earliest_as_of": iso_of(generation.earliest_as_of),
        "trained_through": bundle.trained_through,
        "feature_fingerprint": bundle.feature_fingerprint,
        "deployment": deployment,
        "scale": generation.scale,
    }
