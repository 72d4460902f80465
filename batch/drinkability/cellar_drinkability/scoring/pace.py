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
    first, last, count, consumed = (column.astype(np.int64) for column in columns)
    parts = []
    for style in STYLES:
        pace, error = paces(style, as_of, first, last, count, consumed)
        parts.append(lots.select(*LOT).with_columns(style=pl.lit(style), pace=pl.Series(pace), error=pl.Series(error).fill_nan(None)))
    return pl.concat(parts).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items()).sort(*LOT, "style")


def _lots(bottles: pl.DataFrame) -> pl.DataFrame:
    """A row per lot that has bottles left and a window, with its counts."""
    stated = pl.col("window_from").is_not_null() & pl.col("window_to").is_not_null() & (pl.col("window_from") <= pl.col("window_to"))
    rank = pl.col("window_source").replace_strict(_RANKS, default=len(_RANKS), return_dtype=pl.Int8)
    return (
        bottles.lazy()
        .with_columns(is_gone=pl.col("state") == "consumed")
        .group_by(*LOT)
        .agg(
            bottles=pl.len(),
            consumed=pl.col("is_gone").sum(),
            window=pl.struct(rank.alias("rank"), pl.col("window_from"), pl.col("window_to")).filter(stated).sort().first(),
        )
        .filter(pl.col("window").is_not_null() & (pl.col("bottles") > pl.col("consumed")))
        .unnest("window")
        .collect()
    )
