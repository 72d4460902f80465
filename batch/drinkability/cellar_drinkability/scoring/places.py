"""What table storage says of each place, gathered once a night; the curves of a part look their bottles' places up in it.

A place is one row of a small file, so that a part reads the places of its own bottles and no more: a cellar of a member costs
nothing where that member has no bottle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl

from cellar_shared.ageing.storage import UNKNOWN_PLACE, Place, place_of_trace, places_of_waves

ROWS_AT_ONCE: Final = 250_000  # of table storage, held in memory at a time
MICROSECONDS_PER_DAY: Final = 86_400_000_000

SCHEMA: Final = {
    "storage_id": pl.String(),
    "kind": pl.String(),  # constant, seasonal, trace; null: broken
    "mean_c": pl.Float64(),
    "amplitude_c": pl.Float64(),
    "days": pl.List(pl.Float64()),
    "temperature_c": pl.List(pl.Float64()),
}


def gathered(storage: pl.LazyFrame, before: date) -> Iterator[pl.DataFrame]:
    """One row per place (SCHEMA), ascending by id within each frame; readings at or after `before` (00:00 UTC) do not count.

    A place is broken when its rows contradict each other or lack what they need. A trace of which no reading counts is no place.
    """
    rows = storage.select(pl.len()).collect().item()
    buckets = max(1, -(-rows // ROWS_AT_ONCE))
    midnight = pl.lit(before).cast(pl.Datetime("us", "UTC"))
    for bucket in range(buckets):
        some = storage if buckets == 1 else storage.filter(pl.col("storage_id").hash(7) % buckets == bucket)
        yield _gathered(some.filter(pl.col("at").is_null() | (pl.col("at") < midnight)).collect())


def _gathered(rows: pl.DataFrame) -> pl.DataFrame:
    one = pl.len() == 1
    same = pl.col("kind").n_unique() == 1
    kind = pl.col("kind").first()
    is_mean = pl.col("mean_c").first().is_finite().fill_null(False)
    is_wave = is_mean & pl.col("amplitude_c").first().is_finite().fill_null(False)
    reads = pl.col("at").is_not_null() & pl.col("temperature_c").is_finite().fill_null(False)
    ordered = (pl.col("at").n_unique() == pl.len()) & reads.all()
    fits = ((kind == "constant") & one & is_mean) | ((kind == "seasonal") & one & is_wave) | ((kind == "trace") & ordered)
    trace = (same & fits & (kind == "trace")).fill_null(False)
    days = pl.col("at").dt.epoch("us") / MICROSECONDS_PER_DAY
    places = (
        rows.sort("storage_id", "at")
        .group_by("storage_id", maintain_order=True)
        .agg(
            kind=pl.when(same & fits).then(kind),
            mean_c=pl.col("mean_c").first(),
            amplitude_c=pl.when(kind == "seasonal").then(pl.col("amplitude_c").first()).otherwise(0.0),
            days=pl.when(trace).then(days.implode()),
            temperature_c=pl.when(trace).then(pl.col("temperature_c").implode()),
        )
    )
    return places.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


@dataclass(frozen=True, slots=True)
class KnownPlaces:
    """Places of some bottles: `numbers` maps storage_id to a number into `places`; number 0 is a place nobody knows."""

    places: list[Place]
    numbers: pl.DataFrame  # storage_id, place (Int32), is_broken_place

    @classmethod
    def of(cls, file: Path, storage_ids: pl.Series) -> KnownPlaces:
        """The places with these ids, from the file of what was gathered."""
        rows = pl.scan_parquet(file, glob=False).filter(pl.col("storage_id").is_in(storage_ids.implode())).collect()
        whole = rows.filter(pl.col("kind").is_not_null())
        # Constant places by themselves: in one array with seasonal ones their means would be taken of many equal numbers.
        waves = [
            whole.filter((pl.col("kind") != "trace") & is_moving).select("storage_id", "mean_c", "amplitude_c")
            for is_moving in (pl.col("amplitude_c") == 0, pl.col("amplitude_c") > 0)
        ]
        places: list[Place] = [UNKNOWN_PLACE]
        for some in waves:
            places += places_of_waves(some["mean_c"].to_numpy(), some["amplitude_c"].to_numpy())
        of_waves = pl.concat(waves).with_columns(place=pl.int_range(1, len(places), dtype=pl.Int32))
        traces = whole.filter(pl.col("kind") == "trace")
        of_traces = traces.with_columns(place=pl.int_range(len(places), len(places) + traces.height, dtype=pl.Int32))
        for days, temperatures in zip(traces["days"], traces["temperature_c"], strict=True):
            places.append(place_of_trace(days.to_numpy(), temperatures.to_numpy()))
        numbers = pl.concat(
            [
                of_waves.select("storage_id", "place", is_broken_place=False),
                of_traces.select("storage_id", "place", is_broken_place=False),
                rows.filter(pl.col("kind").is_null()).select("storage_id", place=pl.lit(0, dtype=pl.Int32), is_broken_place=True),
            ]
        )
        return cls(places, numbers)

    def on(self, bottles: pl.DataFrame) -> pl.DataFrame:
        """The bottles with `place`, `is_known_place` and `is_broken_place`."""
        joined = bottles.join(self.numbers, on="storage_id", how="left", maintain_order="left")
        return joined.with_columns(
            pl.col("place").fill_null(0), pl.col("is_broken_place").fill_null(False), is_known_place=pl.col("place").fill_null(0) > 0
        )
