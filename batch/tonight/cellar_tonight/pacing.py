"""CellarTracker's pace of each lot, and the day on which an export was made, which only its Linear column tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from cellar_drinkability.scoring.pace import pace_of
from cellar_drinkability.scoring.pace_styles import STYLES, day_of_export
from cellar_shared.errors import BadInput
from cellar_tonight.evening import LotPace, Wine

# The site prints fifteen significant digits; a lot of twelve bottles leaves eleven behind the point.
PRINTED: Final = 1e-11


@dataclass(frozen=True, slots=True)
class ExportDay:
    """The day an export was made, None where nothing tells it; `says` is the sentence about it for the member."""

    day: date | None
    says: str | None


def export_day(bottles: pl.DataFrame, indices: Mapping[str, Mapping[str, float]]) -> ExportDay:
    """The day that the Linear column leaves, checked against every other index; from rows of table bottles of one member."""
    if not indices:
        return ExportDay(None, None)
    lots = _lots(bottles).filter(pl.col("wine_id").is_in([wine for wine, stated in indices.items() if "linear" in stated]))
    if not lots.height:
        return ExportDay(None, "The export does not tell its day: no lot with a window has a Linear index.")
    linear = np.array([indices[wine]["linear"] for wine in lots["wine_id"]])
    try:
        day = day_of_export(linear, *(lots[name].to_numpy() for name in ("first", "last", "bottles", "consumed")))
    except BadInput as error:
        return ExportDay(None, f"The export does not tell its day ({error}).")
    return ExportDay(day, f"The export was made on {day:%-d %B %Y}: its Linear column says so. {_check(bottles, indices, day)}")


def _lots(bottles: pl.DataFrame) -> pl.DataFrame:
    """A row per wine with bottles left and a window of two sides."""
    return (
        bottles.filter(pl.col("window_from") <= pl.col("window_to"))
        .group_by("wine_id", maintain_order=True)
        .agg(
            first=pl.col("window_from").first().cast(pl.Int64),
            last=pl.col("window_to").first().cast(pl.Int64),
            bottles=pl.len().cast(pl.Int64),
            consumed=(pl.col("state") == "consumed").sum().cast(pl.Int64),
        )
        .filter(pl.col("bottles") > pl.col("consumed"))
    )


def _check(bottles: pl.DataFrame, indices: Mapping[str, Mapping[str, float]], day: date) -> str:
    """How well the export's own indices are met on the day."""
    found = {(row["wine_id"], row["style"]): (row["pace"], row["error"]) for row in pace_of(bottles, day).iter_rows(named=True)}
    compared = [(found[wine, style], said) for wine, stated in indices.items() for style, said in stated.items() if (wine, style) in found]
    beyond = sum(abs(pace - said) > PRINTED + (error or 0.0) for (pace, error), said in compared)
    if beyond:
        return f"Of its {len(compared)} indices of pace {beyond} differ from what its bottles and windows give."
    return f"All {len(compared)} indices of pace that it states come out to their printed digits."


def paces_of(bottles: pl.DataFrame, wines: Mapping[str, Wine], day: date) -> tuple[LotPace, ...]:
    """The pace of each lot that has bottles left and a window of two sides, the furthest behind first."""
    found: dict[str, dict[str, float]] = {}
    for row in pace_of(bottles, day).iter_rows(named=True):
        found.setdefault(row["wine_id"], {})[row["style"]] = row["pace"]
    counts = {row["wine_id"]: row for row in _lots(bottles).iter_rows(named=True)}
    lots = [
        LotPace(wines[wine], counts[wine]["bottles"], counts[wine]["consumed"], {style: by_style[style] for style in STYLES})
        for wine, by_style in found.items()
        if wine in counts
    ]
    return tuple(sorted(lots, key=lambda lot: (-lot.by_style["linear"], lot.wine.label)))
