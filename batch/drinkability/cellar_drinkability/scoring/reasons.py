"""What is taken for granted about a bottle whose facts are odd, and the code that says so; curves and rows of a night carry it.

Nothing is dropped. A bottle has one code, the first that applies in the order of CODES, or none when there is nothing to add.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_shared.ageing.bottle_size import REFERENCE_ML

# In the order in which they are looked for.
CODES: Final = (
    "future_vintage",  # its vintage lies after the night: no answer
    "vintage_unknown",  # no vintage, and nobody stated a window: no answer
    "non_vintage_undated",  # no vintage by nature, not known when it came, no window stated: no answer
    "non_vintage",  # taken to be of two years before it came
    "wine_unknown",  # the catalogue lacks the wine: what holds for wine at large
    "no_facts",  # the catalogue knows no type, country, region or grape of it: likewise
    "window_stated",  # no vintage: its age is read off the window that somebody stated
    "window_refused",  # the stated window ends before it begins: not used
    "size_unknown",  # taken as 750 ml
    "storage_unknown",  # nobody says where it lies, or nobody knows the place: taken as 13 degrees
    "storage_broken",  # what is known of its place makes no sense: taken as 13 degrees
    "acquired_unknown",  # taken to have lain in its place all its life
)
# Bottles without a curve have one of these in place of a row number.
CONSUMED: Final = -1
WITHOUT_A_CURVE: Final = {"vintage_unknown": -2, "non_vintage_undated": -3}
FUTURE: Final = "future_vintage"

YEARS_BEFORE_IT_CAME: Final = 2.0  # a non-vintage wine's age when it is bought (judgement)
# What the tables' schemas allow; a value beyond it is one nobody knows.
VINTAGES: Final = (1700, 2200)
SIZES_ML: Final = (50, 30_000)

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Columns of table bottles that a curve depends on. `acquired_at` is null where it makes no difference.
KEY: Final = ("wine_id", "vintage", "size_ml", "storage_id", "acquired_at", "window_from", "window_to", "window_source")


def decided(bottles: pl.DataFrame) -> pl.DataFrame:
    """The KEY columns of bottles with the decisions: what is impossible becomes unknown, what is not used null.

    Besides KEY the result has `is_known_place` as it came, and booleans `is_refused` (its window) and `has_curve`.
    """
    window_from, window_to = pl.col("window_from"), pl.col("window_to")
    vintage = pl.col("vintage")
    is_dated = vintage.is_between(*VINTAGES)
    is_non_vintage = (vintage == 0).fill_null(False)
    keyed = bottles.with_columns(
        vintage=pl.when(is_dated | is_non_vintage).then(vintage),
        size_ml=pl.when(pl.col("size_ml").is_between(*SIZES_ML)).then(pl.col("size_ml")),
        is_refused=(window_from > window_to).fill_null(False),
    ).with_columns(
        window_from=pl.when(~pl.col("is_refused")).then(window_from),
        window_to=pl.when(~pl.col("is_refused")).then(window_to),
    )
    is_stated = window_from.is_not_null() | window_to.is_not_null()
    return keyed.with_columns(
        window_source=pl.when(is_stated).then("window_source"),
        acquired_at=pl.when(pl.col("is_known_place") | (vintage == 0)).then("acquired_at"),
        has_curve=vintage.is_between(*VINTAGES).fill_null(False)
        | is_stated
        | ((vintage == 0).fill_null(False) & pl.col("acquired_at").is_not_null()),
    )


def row_number_without_a_curve() -> pl.Expr:
    """For a bottle without `has_curve`: the number in place of its row's."""
    undated = WITHOUT_A_CURVE["non_vintage_undated"]
    return pl.when((pl.col("vintage") == 0).fill_null(False)).then(undated).otherwise(WITHOUT_A_CURVE["vintage_unknown"])


def reason_of(keys: pl.DataFrame) -> pl.Series:
    """The code of each key that has a curve (`decided`, with booleans is_known_wine, has_facts, is_known_place, is_broken_place)."""
    vintage, acquired = pl.col("vintage"), pl.col("acquired_at")
    applies = {
        "non_vintage": (vintage == 0) & acquired.is_not_null(),
        "wine_unknown": ~pl.col("is_known_wine"),
        "no_facts": ~pl.col("has_facts"),
        "window_stated": vintage.is_null() | (vintage == 0),
        "window_refused": pl.col("is_refused"),
        "size_unknown": pl.col("size_ml").is_null(),
        "storage_unknown": ~pl.col("is_known_place") & ~pl.col("is_broken_place"),
        "storage_broken": pl.col("is_broken_place"),
        "acquired_unknown": acquired.is_null(),
    }
    first = pl.coalesce(pl.when(applies[code].fill_null(False)).then(pl.lit(code)) for code in CODES if code in applies)
    return keys.select(reason=first).to_series()


def size_taken(size_ml: pl.Expr) -> pl.Expr:
    """Content of the bottle in ml, with what is taken where nobody knows it."""
    return size_ml.fill_null(REFERENCE_ML)
