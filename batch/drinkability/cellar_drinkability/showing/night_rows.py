"""Finds one bottle's curve among the rows of a night's table curves; `cellar curve --night` shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from cellar_drinkability.scoring.layout import Folder
from cellar_drinkability.scoring.manifest import read_manifest
from cellar_drinkability.showing.bottle_curve import BottleCurve, Ints, day_number, shown
from cellar_shared.ageing.arrhenius import Floats
from cellar_shared.ageing.curve import DATES, Curves
from cellar_shared.ageing.storage import DAYS_PER_YEAR
from cellar_shared.ageing.trajectory import day_of_year
from cellar_shared.errors import BadInput

# What tells curves of one wine apart, and the option that names it.
KEY: Final = {"vintage": "--vintage", "size_ml": "--size", "storage_id": "--storage", "acquired_at": "--since"}
_LISTED: Final = 6


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which curve: of a wine, and of which vintage (0: non-vintage), size, place and day of coming, where those were said."""

    wine_id: str
    vintage: int | None = None
    size_ml: int | None = None
    storage_id: str | None = None
    acquired_at: date | None = None


def row_of(out: Path, wanted: Wanted) -> dict[str, Any]:
    """The row of table night/curves of the newest night in `out` that is wanted; BadInput when there is none, or more than one.

    Of curves that differ in nothing but what was stated, the first without a statement, else the first.
    """
    folder = Folder(out)
    files = sorted({folder.file("curves", part.curves) for part in read_manifest(folder.manifest).parts})
    rows = pl.scan_parquet(files, glob=False).filter(pl.col("wine_id") == wanted.wine_id).collect().unique(maintain_order=True)
    if rows.is_empty():
        raise BadInput(f"--wine {wanted.wine_id}: the night in {out} has no bottle of it; take a wine_id of its table bottles")
    for name in KEY:
        value = getattr(wanted, name)
        if value is not None and name in rows.columns:
            rows = rows.filter(pl.col(name) == value)
    if rows.is_empty():
        raise BadInput(f"the night in {out} has bottles of {wanted.wine_id}, but none such; leave out one of {', '.join(KEY.values())}")
    if rows.height > 1:
        apart = [name for name in KEY if name in rows.columns and rows[name].n_unique() > 1]
        if not apart:
            return rows.sort(pl.col("window_source").is_not_null(), maintain_order=True).row(0, named=True)
        choices = [
            ", ".join(f"{KEY[name]} {row[name]}" for name in apart) for row in rows.select(apart).unique(maintain_order=True).to_dicts()
        ]
        more = "" if len(choices) <= _LISTED else f" and {len(choices) - _LISTED} more"
        raise BadInput(f"{wanted.wine_id} has {rows.height} curves; say which: {'; '.join(choices[:_LISTED])}{more}")
    return rows.row(0, named=True)


def of_row(row: Mapping[str, Any], as_of: date, title: str | None = None) -> BottleCurve:
    """The curve of a row of table night/curves (one that has an answer).

    The age before `age_from`, up to which the place is known, is not in the table: it is drawn at `rate_before` where the row has
    it, else along a straight line from the vintage.
    """
    if row["m1"] is None:
        raise BadInput(f"{row['wine_id']}: the night has no curve for it ({row.get('reason') or 'no reason given'})")
    vintage = row["vintage"] or None
    age_from, age_years = day_number(row["age_from"]), row["age_years"]
    begins = age_from if vintage is None else min(int(day_of_year(vintage)), age_from)
    straight = age_years / ((age_from - begins) / DAYS_PER_YEAR) if age_from > begins else row["rate"]
    before = row.get("rate_before") or straight

    def age_on(days: Ints) -> Floats:
        years = (days - age_from) / DAYS_PER_YEAR
        return np.asarray(np.maximum(age_years + np.where(years >= 0, row["rate"], before) * years, 0.0))

    curve = Curves(*(np.array([row[name]], np.float64) for name in ("m1", "s1", "m2", "s2")))
    dates = np.array([[day_number(row[name + end]) for name in DATES] for end in ("", "_lo", "_hi")], np.int64)
    name = title or f"{row['wine_id']} {vintage or 'NV'}"
    return shown(name, _facts(row), as_of, curve, dates, begins, age_on)


def _facts(row: Mapping[str, Any]) -> tuple[str, ...]:
    stated = None
    if row.get("window_from") or row.get("window_to"):
        stated = f"{row.get('window_source') or 'somebody'} says {row.get('window_from') or '?'} to {row.get('window_to') or '?'}"
    return tuple(
        fact
        for fact in (
            f"{row['size_ml']} ml",
            f"lies in {row['storage_id']}" if row["storage_id"] else "place unknown",
            f"ages {row['rate']:.2f} years a year",
            stated,
            row.get("reason"),
        )
        if fact
    )
