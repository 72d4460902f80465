"""From a slice of bottles to the curves they read: one row per distinct key, and each bottle's row number; pure, the parts call it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_drinkability.scoring.places import KnownPlaces
from cellar_drinkability.scoring.reasons import (
    CONSUMED,
    KEY,
    YEARS_BEFORE_IT_CAME,
    decided,
    reason_of,
    row_number_without_a_curve,
    size_taken,
)
from cellar_drinkability.scoring.windows import NO_WINE
from cellar_shared.ageing.arrhenius import Floats
from cellar_shared.ageing.curve import DATES, Curves, days_of
from cellar_shared.ageing.evidence import curves_of_bottles
from cellar_shared.ageing.storage import DAYS_PER_YEAR
from cellar_shared.ageing.trajectory import Trajectories, day_of_year
from cellar_shared.errors import CellarError
from cellar_shared.events.tables import dtypes_of

AT_ONCE: Final = 16_384  # arrays of so many curves stay in the processor's cache
ALL_DATES: Final = tuple(name + end for name in DATES for end in ("", "_lo", "_hi"))
SCHEMA: Final = dtypes_of("night/curves")
# Columns of table bottles that the curves need.
READ: Final = (*KEY, "state", "consumed_at")
_KEPT: Final = (*KEY, "place", "is_known_place", "is_broken_place", "is_refused")


@dataclass(frozen=True, slots=True)
class Keys:
    """The distinct keys of some bottles, in the order in which they first come.

    `rows` (bottles,) int32 numbers `table`'s rows from 0; below 0 is a bottle without a curve (CONSUMED, WITHOUT_A_CURVE).
    """

    table: pl.DataFrame  # _KEPT and year
    rows: npt.NDArray[np.int32]

    @classmethod
    def of(cls, bottles: pl.DataFrame, places: KnownPlaces, as_it_stood: date | None) -> Keys:
        """The keys of `bottles` (READ); `as_it_stood` as in Part."""
        here = bottles.with_columns(number=pl.int_range(pl.len(), dtype=pl.Int32), is_here=_is_here(as_it_stood))
        keyed = decided(places.on(here))
        rows = np.full(bottles.height, CONSUMED, np.int32)
        lost = keyed.filter("is_here", ~pl.col("has_curve")).select("number", code=row_number_without_a_curve())
        rows[lost["number"].to_numpy()] = lost["code"].to_numpy()
        table = keyed.filter("is_here", "has_curve").group_by(_KEPT, maintain_order=True).agg("number")
        sizes = table["number"].list.len().to_numpy()
        rows[table["number"].explode().to_numpy()] = np.repeat(np.arange(table.height, dtype=np.int32), sizes)
        return cls(table.drop("number").with_columns(year=_year_taken()), rows)


def wines_asked(bottles: pl.DataFrame, as_it_stood: date | None) -> pl.DataFrame:
    """The distinct wine_id and year of which `bottles` (READ) need the model's windows; `as_it_stood` as in Part."""
    keyed = decided(bottles.filter(_is_here(as_it_stood)).with_columns(is_known_place=False))
    return keyed.filter("has_curve").select("wine_id", year=_year_taken()).unique(maintain_order=True)


def _is_here(as_it_stood: date | None) -> pl.Expr:
    """Is the bottle in its cellar, or on its way there? In a night of the past: had it come, and did it go on that day or later?"""
    is_left = (pl.col("state") != "consumed").fill_null(True)
    if as_it_stood is None:
        return is_left
    had_come = (pl.col("acquired_at") <= as_it_stood).fill_null(True) & (pl.col("vintage") <= as_it_stood.year).fill_null(True)
    return had_come & (is_left | (pl.col("consumed_at") >= as_it_stood).fill_null(False))


def _year_taken() -> pl.Expr:
    """The vintage that the model is asked for: the bottle's own, else the one that it is taken to be of; null: of none."""
    acquired = pl.col("acquired_at").dt.year() - round(YEARS_BEFORE_IT_CAME)
    return pl.when(pl.col("vintage") > 0).then("vintage").when(pl.col("vintage") == 0).then(acquired).cast(pl.Int32)


def curve_rows(keys: pl.DataFrame, known: pl.DataFrame, places: KnownPlaces, answers: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """One row (SCHEMA) per key, in the keys' order, some at a time.

    `known` has what is known of the wines (FACT_SCHEMA), `answers` the model's windows by facts and year (ANSWERS).
    """
    asked = facts_of(keys, known).join(answers, on=["facts", "year"], how="left", maintain_order="left", nulls_equal=True)
    if missing := asked["m1"].null_count():
        raise CellarError(f"{missing:,} curves have no answer of the model; delete the folder's cache and run again")
    for some in asked.iter_slices(AT_ONCE):
        yield _rows(some, places)


def facts_of(keys: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The keys with `facts` (NO_WINE where the catalogue lacks the wine), `is_sparkling`, `has_facts` and `is_known_wine`."""
    joined = keys.join(known, on="wine_id", how="left", maintain_order="left")
    return joined.with_columns(
        pl.col("facts").fill_null(NO_WINE),
        pl.col("is_sparkling").fill_null(False),
        pl.col("has_facts").fill_null(False),
        is_known_wine=pl.col("facts").is_not_null(),
    )


def _rows(keys: pl.DataFrame, places: KnownPlaces) -> pl.DataFrame:
    windows = Curves(*(keys[name].to_numpy() for name in ("m1", "s1", "m2", "s2")))
    first_year, last_year = (keys[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in ("window_from", "window_to"))
    size_ml = keys.select(size_taken(pl.col("size_ml"))).to_series()
    acquired = keys["acquired_at"].to_physical().cast(pl.Float64).fill_null(np.nan).to_numpy()
    bottles = Trajectories.of(
        places.places,
        keys["place"].cast(pl.Int64).to_numpy(),
        _born(keys, windows, acquired, first_year, last_year),
        acquired,
        size_ml.to_numpy(),
        keys["is_sparkling"].to_numpy(),
    )
    is_personal = (keys["window_source"] == "personal").fill_null(False).to_numpy()
    curves = curves_of_bottles(windows, bottles, first_year, last_year, is_personal)
    points, lows, highs = curves.landmarks()
    days = [days_of(each, bottles) for each in (points, lows, highs)]
    age_from, age_years, rate = bottles.rest()
    columns = keys.select(KEY).with_columns(
        size_ml=size_ml,
        m1=curves.m1,
        s1=curves.s1,
        m2=curves.m2,
        s2=curves.s2,
        age_from=_dates(age_from),
        age_years=age_years,
        rate=rate,
        rate_before=np.asarray(bottles.size),
        model_m1=windows.m1,
        model_s1=windows.s1,
        model_m2=windows.m2,
        model_s2=windows.s2,
        reason=reason_of(keys),
        **{name + end: _dates(days[side][place]) for place, name in enumerate(DATES) for side, end in enumerate(("", "_lo", "_hi"))},
    )
    return columns.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def _born(keys: pl.DataFrame, windows: Curves, acquired: Floats, first_year: Floats, last_year: Floats) -> Floats:
    """When each bottle's age counts from, in days since 1970.

    Without a vintage and a day on which it came, it is taken to be as old as the model has such a wine at the stated begin or end.
    """
    vintage = keys["vintage"].fill_null(0).to_numpy()
    of_vintage = day_of_year(np.where(vintage > 0, vintage, 1970))
    of_purchase = acquired - YEARS_BEFORE_IT_CAME * DAYS_PER_YEAR
    is_begun = ~np.isnan(first_year)
    stated = day_of_year(np.nan_to_num(np.where(is_begun, first_year, last_year + 1), nan=1970.0))
    of_window = stated - np.exp(np.where(is_begun, windows.m1, windows.m2)) * DAYS_PER_YEAR
    is_undated = np.isnan(acquired) | keys["vintage"].is_null().to_numpy()
    return np.where(vintage > 0, of_vintage, np.where(is_undated, of_window, of_purchase))


def _dates(days: npt.ArrayLike) -> pl.Series:
    return pl.Series(np.asarray(days, np.float64).astype(np.int32)).cast(pl.Date)
