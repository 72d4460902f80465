"""What a data folder says of itself, in data.json; read by whoever opens one, with or without the means to read its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from cellar_shared.errors import BadInput

MANIFEST: Final = "data.json"


class TableFacts(msgspec.Struct, frozen=True):
    """One table of a data folder: how many rows and the digest of each part, by file name."""

    rows: int
    parts: dict[str, str]


class DataManifest(msgspec.Struct, frozen=True):
    """What a data folder holds: whose ids (`namespace`), the scale its ratings use, its tables and what the source said.

    `journal_through` is the position up to which the folder's journal of pushed events is already in its tables.
    """

    namespace: str
    scale: str
    source: str
    tables: dict[str, TableFacts]
    notes: dict[str, Any] = {}
    journal_through: int = 0


def encoded(manifest: DataManifest) -> bytes:
    """The manifest as `data.json` holds it."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2)


def read_manifest(path: Path) -> DataManifest:
    """The manifest of the data folder at `path`; BadInput when it is none."""
    file = path / MANIFEST
    if not file.is_file():
        raise BadInput(f"{path} is not a data folder: it has no {MANIFEST}. Make one with `cellar data import` or `cellar data simulate`")
    try:
        return msgspec.json.decode(file.read_bytes(), type=DataManifest)
    except msgspec.DecodeError as error:
        raise BadInput(f"{file} cannot be read ({error}); import the data again") from error
