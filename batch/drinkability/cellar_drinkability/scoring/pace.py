"""The night's pace: how far each member is behind or ahead in drinking each lot; `close` writes it as table night/pace."""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np
import polars as pl

from cellar_drinkability.scoring.pace_styles import STYLES, paces

LOT: Final = ("member_id", "wine_id", "vintage")
# Whose window stands where a lot's bottles were given several: the owner's own, then the community's, then a critic's.
_RANKS: Final = {"personal": 0, "community": 1, "critic": 2}
_YEARS: Final = 10_000
SCHEMA: Final = pl.Schema(
    {"member_id": pl.String, "wine_id": pl.String, "vintage": pl.Int32, "style": pl.String, "pace": pl.Float64, "error": pl.Float64}
)


def pace_of(bottles: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Rows of table night/pace, a row per lot and style, in the order of their key; from rows of table bottles.

    `bottles` must hold all bottles of each member in it, consumed and awaited ones too: memory grows with them, so hand over some
    members at a time. A lot is all bottles of one wine and vintage. One without a bottle left, or without a window whose both
    years are stated, has no row; a caller who wants a pace for it fills `window_from` and `window_to` in beforehand.
    """
    lots = _lots(bottles)
    columns = [lots[name].to_numpy() for name in ("window_from", "window_to", "bottles", "consumed")]
    styles = sorted(STYLES)
    found = [paces(style, as_of, *columns) for style in styles]
    pace, error = (np.stack(parts, axis=1).ravel() for parts in zip(*found, strict=True))  # (lots * styles,) float64
    rows = lots.select(*LOT)[np.repeat(np.arange(lots.height), len(styles))]
    return rows.with_columns(
        style=pl.Series(styles, dtype=pl.String).gather(np.tile(np.arange(len(styles)), lots.height)),
        pace=pl.Series(pace),
        error=pl.Series(error).fill_nan(None),
    ).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def _lots(bottles: pl.DataFrame) -> pl.DataFrame:
    """A row per lot that has bottles left and a window, in the order of LOT: its counts and its window's years, int64."""
    first, last = pl.col("window_from").cast(pl.Int64), pl.col("window_to").cast(pl.Int64)
    rank = pl.col("window_source").replace_strict(_RANKS, default=len(_RANKS), return_dtype=pl.Int64)
    # One number in the order of rank, first, last: years have four digits.
    window = pl.when(first <= last).then((rank * _YEARS + first) * _YEARS + last)
    return (
        bottles.lazy()
        .group_by(*LOT)
        .agg(bottles=pl.len().cast(pl.Int64), consumed=(pl.col("state") == "consumed").sum().cast(pl.Int64), window=window.min())
        .filter(pl.col("window").is_not_null() & (pl.col("bottles") > pl.col("consumed")))
        .with_columns(window_from=pl.col("window") // _YEARS % _YEARS, window_to=pl.col("window") % _YEARS)
        .sort(*LOT)
        .collect()
    )
