"""A made-up world whose true ageing is known: from its critics' statements to a night whose intervals hold the true dates.

The world's wines age by energies, size exponents and curves of their own, drawn from a wider family than the model's.
CELLAR_AGEING_FAMILY names another family; `held-out` is for a last check and for nothing that anybody chooses by.
"""

from __future__ import annotations

import os
from datetime import date
from typing import Any

import polars as pl
import pytest

from cellar_drinkability.scoring.manifest import read_manifest
from cellar_shared.ageing.curve import DATES
from cellar_shared.events.simulate.cellars.dates import true_dates
from cellar_shared.events.tables import DataFolder

FAMILY = os.environ.get("CELLAR_AGEING_FAMILY", "skewed")
NIGHT = date(2021, 12, 31)
# Intervals say 80 %. Statements are few in a small world and wines of a producer go wrong together: what is asked is that they are
# neither empty promises nor without content.
FEWEST, MOST = 0.70, 0.95
# Of log effective age: energies and exponents that nobody knows, of which the median is taken.
AGE_ERROR = 0.10


@pytest.fixture(scope="module")
def recovered(cellars: Any) -> pl.DataFrame:
    """The last night's rows of bottles with nothing odd about them, beside their truth (`_true`)."""
    folder = DataFolder.open(cellars.world)
    bottles, truth, storage = (folder.scan(table).collect() for table in ("bottles", "truth_ageing", "storage"))
    true = true_dates(bottles, truth, storage, (NIGHT - date(1970, 1, 1)).days)
    listed = read_manifest(cellars.nights / "night.json")
    assert listed.as_of == NIGHT
    said = pl.concat([pl.read_parquet(cellars.nights / "bottles" / f"{part.bottles}.parquet") for part in listed.parts])
    rows = said.join(true, on="bottle_id", suffix="_true").join(bottles.select("bottle_id", "window_source"), on="bottle_id")
    rows = rows.filter(pl.col("ready_from_true").is_not_null(), pl.col("reason").is_null())
    assert rows.height > 2000
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("name", DATES)
def test_intervals_hold_the_true_dates(recovered, name):
    modelled = recovered.filter(pl.col("window_source").is_null())
    held = modelled.select(pl.col(f"{name}_true").is_between(f"{name}_lo", f"{name}_hi").mean()).item()
    print(f"{FAMILY}: {name} {held:.3f} of {modelled.height:,}")  # noqa: T201
    assert FEWEST <= held <= MOST


@pytest.mark.slow
def test_effective_age_is_recovered(recovered):
    error = (recovered["effective_age_years"] / recovered["effective_age_years_true"]).log()
    print(f"{FAMILY}: log of effective age, mean {error.mean():+.3f}, mean absolute {error.abs().mean():.3f}")  # noqa: T201
    assert abs(error.mean()) < AGE_ERROR / 2
    assert error.abs().mean() < AGE_ERROR
