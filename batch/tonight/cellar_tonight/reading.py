"""Reads an export for one evening: its tables as cellar's own, and what its Availability says of pace; nothing is kept on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from cellar_shared.events.sources.cellartracker.files import TableFile
from cellar_shared.events.sources.cellartracker.importing import read_export, write_export
from cellar_shared.events.sources.cellartracker.texts import text_of
from cellar_shared.events.sources.cellartracker.wines import PREFIX
from cellar_shared.events.sources.intake import Terms
from cellar_shared.events.tables import DataFolder, dtypes_of
from cellar_tonight.evening import Source

MEMBER: Final = "me"
# What Availability calls the styles of pace.
INDICES: Final = {"linear": "Linear", "bell": "Bell", "early": "Early", "late": "Late", "fast": "Fast", "twin_peak": "TwinPeak",
                  "simple": "Simple"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExportRead:
    """An export as rows of cellar's tables; `indices` are the paces by wine_id and style that it states itself."""

    bottles: pl.DataFrame
    wines: pl.DataFrame
    ratings: pl.DataFrame
    indices: dict[str, dict[str, float]]
    sources: tuple[Source, ...]
    notes: tuple[str, ...]


def read(sources: Sequence[Path], now: int, *, skip_bad: bool, progress: Callable[[str, int], None]) -> ExportRead:
    """The export's tables; BadInput names the file, the line and what to do. With `skip_bad` bad rows are left out and counted."""
    terms = Terms(now, skip_bad=skip_bad)
    export = read_export(sources, terms, member=MEMBER, progress=progress)
    with tempfile.TemporaryDirectory(prefix="cellar-tonight-") as scratch:
        report = write_export(export, Path(scratch) / "data", terms, progress=progress)
        folder = DataFolder.open(Path(scratch) / "data")
        bottles, wines, ratings = (_table(folder, name) for name in ("bottles", "wines", "ratings"))
    read_from = tuple(Source(each.file, each.table, each.rows, each.kept, each.merged, each.refused) for each in report.files)
    aside = [f"{name} was left aside: by its name it is no table" for name in report.left_aside]
    return ExportRead(bottles, wines, ratings, _indices(export.export.files), read_from, (*report.warnings, *aside))


def _table(folder: DataFolder, name: str) -> pl.DataFrame:
    """The table with all its columns, also those that no file of the export fills."""
    nothing = pl.DataFrame(schema=dtypes_of(name))
    return pl.concat([nothing, folder.scan(name).collect()], how="diagonal") if name in folder.manifest.tables else nothing


def _indices(files: Sequence[TableFile]) -> dict[str, dict[str, float]]:
    """What Availability states by wine; a cell that is no number states nothing."""
    stated: dict[str, dict[str, float]] = {}
    for file in files:
        if file.kind.name != "Availability":
            continue
        for row in file.rows:
            if not (number := text_of(row["iWine"])):
                continue
            for style, column in INDICES.items():
                try:
                    stated.setdefault(f"{PREFIX}{number}", {})[style] = float((row[column] or "").strip().replace(",", "."))
                except ValueError:
                    continue
    return stated
