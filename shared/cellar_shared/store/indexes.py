"""Builds a bundle's index of the current generation ahead of serving, by the code of the bundle's own model.

A distribution offers the index of its model by an entry point in the group `cellar.indexes`: the model's name, and a function
of (bundle, store, generation id).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import msgspec

from cellar_shared.errors import BadInput
from cellar_shared.store.port import Store

GROUP: Final = "cellar.indexes"


class _Named(msgspec.Struct):
    """The one field of a bundle's manifest that decides whose it is."""

    model: str


def build_ahead(bundle: Path, store: Store, generation_id: str, say: Callable[[str], None]) -> None:
    """Build what `serve` would build before it serves the generation; BadInput when the bundle or its model's code is not there."""
    manifest = bundle / "manifest.json"
    try:
        model = msgspec.json.decode(manifest.read_bytes(), type=_Named).model
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(f"{manifest} cannot be read ({error}); name a bundle's folder") from error
    points = list(entry_points(group=GROUP, name=model))
    if not points:
        raise BadInput(f"{bundle} is a bundle of {model!r}, and no installed distribution offers its index; install the model's")
    points[0].load()(bundle, store, generation_id)
    say(f"index of {bundle} built")
