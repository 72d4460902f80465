"""Exports to spend an evening with: a made one, the genuine one, and rows of table bottles and wines of a test's own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from cellar_shared.events.moments import moment_of
from cellar_shared.events.tables import dtypes_of
from cellar_tonight.reading import ExportRead, read

NOW = moment_of(datetime(2026, 11, 25, 18, tzinfo=UTC))
BOTTLE = {
    "bottle_id": "ct:b1", "member_id": "me", "wine_id": "ct:1", "vintage": 2010, "size_ml": 750, "state": "stored", "window_from": 2018,
    "window_to": 2030, "window_source": "community", "acquired_at": date(2013, 5, 1),
}  # fmt: skip
WINE = {"wine_id": "ct:1", "name": "Lage A", "full_name": "Weingut A Lage A", "producer": "Weingut A", "type": "Red", "country": "Italy",
        "region": "Barolo", "grapes": ["Nebbiolo"], "source": "cellartracker", "vintage": 2010}  # fmt: skip


@pytest.fixture(scope="session")
def made_export() -> ModuleType:
    """The maker of exports beside this file."""
    spec = importlib.util.spec_from_file_location("made_export", Path(__file__).with_name("made_export.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def made_folder(made_export: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a made export of 300 bottles."""
    folder: Path = tmp_path_factory.mktemp("made")
    made_export.made_export(folder, bottles=300)
    return folder


@pytest.fixture(scope="session")
def reading() -> Callable[..., ExportRead]:
    """Reads an export's files, as of a day all of them have been made by."""
    return lambda *sources, **terms: read(sources, NOW, **({"skip_bad": False} | terms), progress=lambda _what, _count: None)


@pytest.fixture(scope="session")
def genuine(real_data: Path, reading: Callable[..., ExportRead]) -> ExportRead:
    """The genuine export."""
    return reading(real_data / "cellartracker")


@pytest.fixture(scope="session")
def bottles_of() -> Callable[..., pl.DataFrame]:
    """Rows of table bottles: each what differs from BOTTLE."""
    return lambda *rows: _table("bottles", [BOTTLE | {"bottle_id": f"ct:b{place}"} | row for place, row in enumerate(rows)])


@pytest.fixture(scope="session")
def wines_of() -> Callable[..., pl.DataFrame]:
    """Rows of table wines: each what differs from WINE."""
    return lambda *rows: _table("wines", [WINE | row for row in rows or ({},)])


def _table(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dtypes_of(name))
