"""The pace of a member's own bottles, imported from the genuine export, is what the export's columns say to their printed digits."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from cellar_drinkability.scoring.pace import pace_of
from cellar_drinkability.scoring.pace_styles import day_of_export
from cellar_shared.events.moments import moment_of
from cellar_shared.events.sources.cellartracker.importing import import_cellartracker
from cellar_shared.events.sources.intake import Terms
from cellar_shared.events.tables import DataFolder

COLUMNS = {"linear": "Linear", "bell": "Bell", "early": "Early", "late": "Late", "simple": "Simple"}
PRINTED_DIGITS = 1e-13  # the export prints fifteen significant digits of values below 1


@pytest.mark.real_data
def test_the_pace_of_imported_bottles_is_what_the_export_says(real_data: Path, tmp_path: Path) -> None:
    terms = Terms(moment_of(datetime(2024, 2, 29, tzinfo=UTC)))
    import_cellartracker([real_data / "cellartracker"], tmp_path / "data", terms, member="me", progress=lambda _w, _c: None)
    bottles = DataFolder.open(tmp_path / "data").scan("bottles").collect()
    with (real_data / "cellartracker" / "availability.tsv").open(encoding="utf-8") as stream:
        said = {f"ct:{row['iWine']}": row for row in csv.DictReader(stream, delimiter="\t")}
    lots = bottles.group_by("wine_id").agg("window_from", "window_to", "state").sort("wine_id").to_dicts()
    counts = [[lot["window_from"][0], lot["window_to"][0], len(lot["state"]), lot["state"].count("consumed")] for lot in lots]
    day = day_of_export(np.array([float(said[lot["wine_id"]]["Linear"]) for lot in lots]), *np.array(counts, np.int64).T)
    found = {(row["wine_id"], row["style"]): row["pace"] for row in pace_of(bottles, day).to_dicts()}
    for wine_id, row in said.items():
        for style, column in COLUMNS.items():
            assert found[wine_id, style] == pytest.approx(float(row[column]), abs=PRINTED_DIGITS), (wine_id, style)
