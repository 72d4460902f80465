"""Joins what was found when bottles were opened to what had last been said of them by then; the command and monitoring call it.

A label is about the prediction that was there at the time: the latest night up to the day of opening, never a later one. Nights are
deleted after some days and labels come late; what had been said of a bottle that has gone since is kept by `close`. A row's dates
hold on any day: the phase is told from them for the day of opening, whichever night's they are. Its drinkability is its night's, and
is told where the bottle was opened soon after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import zip_longest
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from cellar_shared.ageing.curve import DATES, PHASES, phase_of

# What an opened bottle was found to be: kinds of table outcomes.
FOUND: Final = ("too_young", "in_window", "too_old")
COLUMNS: Final[dict[str, pl.DataType]] = {
    "bottle_id": pl.String(),
    "found": pl.String(),
    "opened_on": pl.Date(),
    "recorded_on": pl.Date(),
    "as_of": pl.Date(),
    "drinkability": pl.Float64(),
    "phase": pl.String(),
    "bundle": pl.String(),
}
SOON_DAYS: Final = 31  # judgement: even young wine changes little in a month
_SAID: Final = ("bottle_id", "as_of", "drinkability", "phase", "bundle", *DATES)


@dataclass(frozen=True, slots=True)
class PastNight:
    """A night that was closed: its date, how many bottles it spoke of, and its parts of night/bottles, none where they were deleted."""

    as_of: date
    bottles: int
    parts: Sequence[Path]


def found_bottles(outcomes: pl.LazyFrame, bottles: pl.LazyFrame) -> pl.DataFrame:
    """One row per bottle of which something was found: bottle_id, found, opened_on, recorded_on, acquired_at (null: unknown).

    Of several findings of one bottle the one recorded first counts.
    """
    found = (
        outcomes.filter(pl.col("kind").is_in(FOUND) & pl.col("bottle_id").is_not_null())
        .select(
            "bottle_id",
            "recorded_at",
            "outcome_id",
            pl.col("kind").alias("found"),
            pl.col("occurred_at").dt.date().alias("opened_on"),
            pl.col("recorded_at").dt.date().alias("recorded_on"),
        )
        .sort("recorded_at", "outcome_id")
        .unique("bottle_id", keep="first", maintain_order=True)
        .drop("recorded_at", "outcome_id")
    )
    came = bottles.select("bottle_id", "acquired_at").unique("bottle_id", keep="first")
    return found.join(came, on="bottle_id", how="left", maintain_order="left").collect()


def labels_of(found: pl.DataFrame, nights: Sequence[PastNight], gone: Sequence[Path]) -> pl.DataFrame:
    """The rows of `found` with what had been said (COLUMNS). Bottles of which nothing had been said are left out.

    `gone` are the files of rows that `close` kept. Files are read one by one, and of each only bottles that were opened.
    """
    standing = sorted((night for night in nights if night.parts), key=lambda night: night.as_of)
    joined: list[pl.DataFrame] = []
    for night, after in zip_longest(standing, standing[1:]):
        until = pl.lit(True) if after is None else pl.col("opened_on") < after.as_of
        opened = found.filter((pl.col("opened_on") >= night.as_of) & until)
        joined.extend(_said_of(opened, part) for part in night.parts if opened.height)
    last = [_said_of(found, file) for file in gone]
    if last:
        # A bottle that came back may have gone twice: what had been said by the day of opening comes before what was said after.
        is_later = pl.col("as_of") > pl.col("opened_on")
        joined.append(pl.concat(last).sort("bottle_id", is_later, pl.when(is_later).then("as_of"), -pl.col("as_of").cast(pl.Int32)))
    if not joined:
        return pl.DataFrame(schema=COLUMNS)
    return _on_the_day(pl.concat(joined).unique("bottle_id", keep="first", maintain_order=True)).sort("opened_on", "bottle_id")


def arrived_days(found: pl.DataFrame, night: PastNight) -> pl.Series:
    """After how many days each label of a bottle of `night` was recorded: of those that had come by then and were opened since."""
    is_its = (pl.col("opened_on") >= night.as_of) & (pl.col("acquired_at") <= night.as_of).fill_null(True)
    return found.filter(is_its).select((pl.col("recorded_on") - pl.lit(night.as_of)).dt.total_days().cast(pl.Int64)).to_series()


def _said_of(opened: pl.DataFrame, file: Path) -> pl.DataFrame:
    said = pl.scan_parquet(file, glob=False).select(
        pl.col(name).cast(COLUMNS[name]) if name in ("drinkability", "phase", "bundle") else name for name in _SAID
    )
    return pl.DataFrame(said.join(opened.lazy(), on="bottle_id", how="inner").collect(engine="streaming"))


def _on_the_day(said: pl.DataFrame) -> pl.DataFrame:
    """COLUMNS of rows with their dates: the phase of the day of opening, and drinkability where the night was shortly before."""
    after_days = (said["opened_on"] - said["as_of"]).dt.total_days()
    days = np.stack([said[name].to_physical().cast(pl.Int64).fill_null(0).to_numpy() for name in DATES])
    phases = pl.Series(PHASES).gather(phase_of(said["opened_on"].to_physical().to_numpy(), days).astype(np.uint32))
    is_dated = said["ready_from"].is_not_null()
    return said.with_columns(
        drinkability=pl.when(after_days.is_between(0, SOON_DAYS)).then("drinkability"),
        phase=pl.when(is_dated).then(phases),
    ).select(list(COLUMNS))
