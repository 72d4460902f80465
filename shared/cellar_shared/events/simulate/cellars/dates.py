"""The true dates of bottles, from a made-up world's own tables: what a model's dates and intervals are judged by.

They follow each wine's own energy, size exponent and curve of quality. Where the tables leave something out that the truth rests on (the
vintage, the place, the day it came, a wine of no catalogue), nobody can tell them, and they are null.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from cellar_shared.ageing.storage import DAYS_PER_YEAR, Place, place_of_trace
from cellar_shared.ageing.trajectory import day_of_year
from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.events.simulate.cellars.ages import TrueAges, true_ages
from cellar_shared.events.simulate.cellars.curves import FORMS, QualityCurves
from cellar_shared.events.simulate.cellars.draws import Floats

USUAL_ML: Final = 750  # sizes that members of a world do not note are of usual bottles
DATES: Final = ("ready_from", "peak_from", "peak_to", "drink_by")


def true_dates(bottles: pl.DataFrame, truth: pl.DataFrame, storage: pl.DataFrame, day: int) -> pl.DataFrame:
    """A row per row of `bottles`, in their order: bottle_id, effective_age_years on `day` (days since 1970), quality (0 to 1) then,
    ready_from, peak_from, peak_to and drink_by (dates; first days are rounded up, last days down).

    `bottles`, `truth` and `storage` are rows of the tables bottles, truth_ageing and storage. All columns but the id are null
    where the tables do not tell.
    """
    rows = bottles.select("bottle_id", "wine_id", "vintage", "size_ml", "acquired_at", "storage_id").with_row_index("row")
    places = storage.filter(pl.col("kind") != "trace").select("storage_id", "mean_c", pl.col("amplitude_c").fill_null(0.0))
    traced = storage.filter(pl.col("kind") == "trace").select("storage_id").unique().with_columns(traced=pl.lit(True))
    known = (
        rows.join(truth, on=["wine_id", "vintage"], how="inner")
        .join(places, on="storage_id", how="left")
        .join(traced, on="storage_id", how="left")
        .filter(pl.col("acquired_at").is_not_null(), pl.col("mean_c").is_not_null() | pl.col("traced"))
        .sort("row")
    )
    found = known.select("row").with_columns(**_dates(known, storage, day)) if known.height else None
    if found is None:
        nothing = {"effective_age_years": pl.Float64, "quality": pl.Float64} | dict.fromkeys(DATES, pl.Date)
        return rows.select("bottle_id", *(pl.lit(None, dtype).alias(name) for name, dtype in nothing.items()))
    return rows.select("row", "bottle_id").join(found, on="row", how="left", maintain_order="left").drop("row")


def _dates(known: pl.DataFrame, storage: pl.DataFrame, day: int) -> dict[str, pl.Series]:
    ages = _ages(known, storage)
    curves = QualityCurves(
        (known["curve"] == FORMS[1]).to_numpy(),
        *(known[name].to_numpy() for name in ("begin_years", "peak_years", "end_years", "rise", "fall")),
    )
    peak_from, peak_to = curves.near_peak()
    end = np.maximum(ages.end_in_place(curves.end), curves.begin)
    years = (curves.begin, np.minimum(peak_from, end), np.minimum(peak_to, end), end)
    days = [np.asarray(rounded(ages.day_of(each))) for rounded, each in zip((np.ceil, np.ceil, np.floor, np.floor), years, strict=True)]
    days = list(np.maximum.accumulate(np.stack(days), axis=0))
    age = ages.age_on(np.full(known.height, float(day)))
    dated = {name: pl.Series(each.astype(np.int32)).cast(pl.Date) for name, each in zip(DATES, days, strict=True)}
    return {"effective_age_years": pl.Series(age), "quality": pl.Series(curves.quality(age))} | dated


def _ages(known: pl.DataFrame, storage: pl.DataFrame) -> TrueAges:
    acquired = known["acquired_at"].cast(pl.Int32).to_numpy().astype(np.float64)
    vintage = known["vintage"].to_numpy()
    sold = known["years_when_sold"].fill_null(0.0).to_numpy()
    born = np.where(vintage == 0, acquired - sold * DAYS_PER_YEAR, day_of_year(np.where(vintage == 0, 2000, vintage)))
    energies: Floats = known["energy_kj"].to_numpy()
    return true_ages(
        known["mean_c"].fill_null(13.0).to_numpy(),
        known["amplitude_c"].fill_null(0.0).to_numpy(),
        _traces(known, storage),
        energy_kj=energies,
        exponent=known["size_exponent"].to_numpy(),
        heat=known["heat"].to_numpy(),
        size_ml=known["size_ml"].fill_null(USUAL_ML).to_numpy().astype(np.float64),
        born=born,
        stored_from=acquired,
    )


def _traces(known: pl.DataFrame, storage: pl.DataFrame) -> list[tuple[int, Place]]:
    bottles = known.with_row_index("bottle").filter(pl.col("traced")).select("bottle", "storage_id", "energy_kj")
    readings = storage.filter(pl.col("kind") == "trace").join(bottles, on="storage_id", how="semi").sort("at")
    traces = {}
    for (storage_id,), trace in readings.group_by("storage_id"):
        days = trace["at"].dt.timestamp("us").to_numpy() / MICROSECONDS_PER_DAY
        traces[storage_id] = (days, trace["temperature_c"].to_numpy())
    return [(bottle, place_of_trace(*traces[storage_id], energy)) for bottle, storage_id, energy in bottles.iter_rows()]
