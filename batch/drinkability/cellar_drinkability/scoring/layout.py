"""Where a night's files lie and what they are called; every step and every engine goes by it.

    OUT/night.json              what the newest night was; nights/DATE.json the same of each
    OUT/bottles/NAME.parquet    night/bottles of one part, NAME.json what was counted
    OUT/curves/NAME.parquet     night/curves of one part, NAME.rows.npy the row number of each of its bottles, NAME.json what was counted
    OUT/pace/, OUT/changes/     night/pace, and what has changed since the night before, by part
    OUT/gone/NAME.parquet       the last rows of bottles that were gone the night after; kept when their night is deleted
    OUT/broken/NAME.json        a part that was set aside, and its error
    OUT/cache/                  what is computed once for many parts; any of it may be deleted

A name is a digest of all that its content was computed from, so whoever writes it writes the same bytes. Only what a manifest lists
counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from cellar_shared.durable import write_durably

MANIFEST: Final = "night.json"
# Modules whose text decides what is written, and libraries whose version does.
_DECIDE: Final = {
    "cellar_shared.ageing": None,
    "cellar_drinkability.scoring": ("curves", "features", "model", "parquet", "part", "places", "reasons", "rows", "windows"),
}
_DECIDE_AT_THE_END: Final = {"cellar_drinkability.scoring": ("diff", "pace", "pace_styles", "pacing", "parquet")}
_LIBRARIES: Final = ("numpy", "onnxruntime", "polars")
Kind = TypeVar("Kind")


class Part(msgspec.Struct, frozen=True):
    """One input file of the night: its name in table bottles, where it lies, its SHA-256.

    `as_it_stood` is the day of a night of the past, where bottles of the part were consumed since: they were there then.
    """

    name: str
    path: str
    digest: str
    as_it_stood: date | None = None


class CurvesReceipt(msgspec.Struct, frozen=True):
    """What the curves of a part are: bottles read and consumed, and how many curves each slice of SLICE bottles has."""

    part: str
    rows_in: int
    consumed: int
    slices: list[int]
    bytes: int


class Receipt(msgspec.Struct, frozen=True):
    """What the night's rows of a part are: bottles read, consumed and written, and by phase and reason (as in rows.Counts)."""

    part: str
    part_digest: str
    curves: str
    rows_in: int
    consumed: int
    rows: int
    phases: list[int]
    reasons: list[int]
    bytes: int


class Broken(msgspec.Struct, frozen=True):
    """A part that was set aside, and why."""

    part: str
    part_digest: str
    error: str


@cache
def code_fingerprint() -> str:
    """Digest of the code and the libraries that decide what curves and bottles of a night are."""
    return _fingerprint(_DECIDE)


@cache
def closing_fingerprint() -> str:
    """The same for what `close` writes."""
    return _fingerprint(_DECIDE_AT_THE_END)


def _fingerprint(deciding: Mapping[str, tuple[str, ...] | None]) -> str:
    digest = hashlib.sha256()
    for package, modules in deciding.items():
        for file in sorted(files(package).iterdir(), key=lambda file: file.name):
            if file.name.endswith(".py") and (modules is None or file.name.removesuffix(".py") in modules):
                digest.update(f"{package}.{file.name}\n".encode() + file.read_bytes())
    digest.update(" ".join(f"{name}=={version(name)}" for name in _LIBRARIES).encode())
    return digest.hexdigest()[:16]


def name_of(*facts: str) -> str:
    """The name of what is computed from `facts`."""
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:32]


class Folder:
    """The folder of nights."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def manifest(self) -> Path:
        return self.path / MANIFEST

    @property
    def cache(self) -> Path:
        return self.path / "cache"

    def night(self, as_of: date) -> Path:
        return self.path / "nights" / f"{as_of}.json"

    def file(self, table: str, name: str) -> Path:
        return self.path / table / f"{name}.parquet"

    def row_numbers(self, name: str) -> Path:
        return self.path / "curves" / f"{name}.rows.npy"

    def write_receipt(self, table: str, name: str, receipt: CurvesReceipt | Receipt | Broken) -> None:
        write_durably(self.path / table / f"{name}.json", msgspec.json.encode(receipt) + b"\n")

    def curves_receipt(self, name: str) -> CurvesReceipt | None:
        """What stands under `name`; None when nothing does, or nothing whole."""
        receipt = self._read("curves", name, CurvesReceipt)
        return receipt if receipt and receipt.bytes == _size(self.file("curves", name)) and self.row_numbers(name).is_file() else None

    def receipt(self, name: str) -> Receipt | None:
        """What stands under `name`; None when nothing does, or nothing whole."""
        receipt = self._read("bottles", name, Receipt)
        return receipt if receipt and receipt.bytes == _size(self.file("bottles", name)) else None

    def broken(self, name: str) -> Broken | None:
        return self._read("broken", name, Broken)

    def mend(self, name: str) -> None:
        """Forget that the part was broken."""
        (self.path / "broken" / f"{name}.json").unlink(missing_ok=True)

    def clear_scratch(self) -> None:
        """Delete what killed writers left; for who knows that none is at work."""
        for left in self.path.glob("*/.*"):
            left.unlink(missing_ok=True)
        for left in self.path.glob(f".{MANIFEST}*"):
            left.unlink(missing_ok=True)

    def _read(self, table: str, name: str, kind: type[Kind]) -> Kind | None:
        try:
            return msgspec.json.decode((self.path / table / f"{name}.json").read_bytes(), type=kind)
        except (OSError, msgspec.DecodeError):
            return None


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return -1
