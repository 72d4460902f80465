"""The bottles of a world's lots as rows of table bottles, and what became known of those that were opened as rows of table outcomes."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.events.simulate.catalogue import Catalogue
from cellar_shared.events.simulate.cellars.draws import Floats
from cellar_shared.events.simulate.cellars.lots import LAST_DAY, Lots
from cellar_shared.events.simulate.cellars.places import Bools
from cellar_shared.events.simulate.hierarchy import Ints
from cellar_shared.events.simulate.settings import WORLD_BEGINS, WORLD_ENDS

# Shares of lots, or of bottles (judgement).
NO_SUCH_WINE: Final = 0.003  # a wine that the catalogue lacks
NO_VINTAGE: Final = 0.012  # nobody wrote the vintage down
MISTYPED: Final = 0.0002  # a vintage that is yet to come
NO_SIZE: Final = 0.01
NO_DAY: Final = 0.04
PENDING: Final = 0.35  # of what was bought in the last days, not there yet
PENDING_DAYS: Final = 90
PATIENT: Final = 0.55  # members wait for the window with this share of bottles, and open the others when they like
SOON_DAYS: Final = 900.0  # mean time until then
UNDATED: Final = 0.03  # of bottles that are gone: nobody knows since when
LOCATIONS: Final = ("Cellar", "Rack", "Garage", "Cupboard", "Kitchen fridge")
HOW: Final = ("drunk", "gifted", "sold", "donated", "lost", "faulty", "other")
HOW_SHARES: Final = (0.925, 0.03, 0.01, 0.005, 0.01, 0.015, 0.005)

REPORTED: Final = 0.12  # of bottles that were drunk: an outcome came
TOLD: Final = 0.6  # of outcomes: what was found came with it
TASTE_NOISE: Final = 0.08  # on the log of age, of who judges how ripe a wine is
MISTAKEN: Final = 0.02  # say anything
USUAL_LAG_DAYS: Final = 1.5  # median, until an outcome is recorded
LATE: Final = 0.15  # are recorded much later,
LATE_LAG_DAYS: Final = 150.0  # after this time in the median
FINDINGS: Final = ("too_young", "in_window", "too_old")


def bottle_rows(catalogue: Catalogue, lots: Lots, member: Ints, first_bottle: int, rng: np.random.Generator) -> tuple[pl.DataFrame, Ints]:
    """Rows of table bottles for the run's rows, and each one's lot; `first_bottle` numbers the first of them."""
    rows, count = len(member), len(lots.first)
    lot = np.repeat(np.arange(count), lots.bottles)
    gone = _days_gone(lots, lot, rng)
    is_new = lots.acquired > LAST_DAY - PENDING_DAYS
    pending = (is_new & (rng.random(count) < PENDING))[lot]
    consumed = (gone <= LAST_DAY) & ~pending
    how = np.searchsorted(np.cumsum(HOW_SHARES)[:-1], rng.random(rows), side="right")
    dated = consumed & (rng.random(rows) >= UNDATED)
    of_lots = _lot_columns(catalogue, lots, rng)
    frame = of_lots[lot].with_columns(
        pl.int_range(first_bottle + 1, first_bottle + 1 + rows).alias("bottle_id"),
        member_id=pl.Series(member + 1),
        state=pl.Series(["stored", "consumed", "pending"]).gather(consumed + 2 * pending.astype(np.int64)),
        consumed_at=pl.Series(np.where(dated, gone, 0).astype(np.int32)),
        dated=pl.Series(dated),
        consumed_how=pl.Series(HOW).gather(how),
        consumed=pl.Series(consumed),
        pending=pl.Series(pending),
    )
    arrived = ~pl.col("pending")
    table = frame.select(
        pl.format("b{}", "bottle_id").alias("bottle_id"),
        pl.format("m{}", "member_id").alias("member_id"),
        "wine_id",
        "vintage",
        "size_ml",
        "state",
        "acquired_at",
        pl.when(arrived).then("storage_id").alias("storage_id"),
        pl.when(arrived).then("location").alias("location"),
        pl.when(arrived).then("bin").alias("bin"),
        pl.when("dated").then(pl.col("consumed_at").cast(pl.Date)).alias("consumed_at"),
        pl.when("consumed").then("consumed_how").alias("consumed_how"),
        "window_from",
        "window_to",
        "window_source",
    )
    return table, lot


def _days_gone(lots: Lots, lot: Ints, rng: np.random.Generator) -> Ints:
    """The day on which each bottle goes: some when their owner likes, others at some time of their window."""
    ready, over = lots.ages.day_of(lots.begin), lots.ages.day_of(lots.end)
    patient = rng.random(len(lot)) < PATIENT
    soon = lots.acquired[lot] + 1 + SOON_DAYS * rng.standard_exponential(len(lot))
    within = ready[lot] + (rng.random(len(lot)) ** 1.5 - 0.1) * (over - ready)[lot]
    return np.minimum(np.where(patient, np.maximum(within, lots.acquired[lot] + 1), soon), 1e6).astype(np.int64)


def _lot_columns(catalogue: Catalogue, lots: Lots, rng: np.random.Generator) -> pl.DataFrame:
    """What the bottles of a lot share, a row per lot."""
    count = len(lots.first)
    mistyped = (rng.random(count) < MISTYPED) & (lots.slot > 0)
    shelf = rng.random(count)
    frame = pl.DataFrame(
        {
            "wine_id": catalogue.table["wine_id"].gather(lots.wine),
            "unlisted": rng.random(count) < NO_SUCH_WINE,
            "number": lots.wine,
            "vintage": (lots.vintage + 30 * mistyped).astype(np.int32),
            "no_vintage": rng.random(count) < NO_VINTAGE,
            "size_ml": lots.size_ml.astype(np.int32),
            "no_size": (rng.random(count) < NO_SIZE) & (lots.size_ml == 750),
            "acquired_at": lots.acquired.astype(np.int32),
            "no_day": rng.random(count) < NO_DAY,
            "storage_id": lots.place.ids(),
            "location": pl.Series(LOCATIONS).gather(np.where(lots.place.is_second, 1, rng.choice([0, 0, 0, 2, 3, 4], count))),
            "shelf": (shelf * 400).astype(np.int32),
            "window_from": np.nan_to_num(lots.window_from).astype(np.int32),
            "window_to": np.nan_to_num(lots.window_to).astype(np.int32),
            "window_source": pl.Series([None, "personal", "community", "critic"], dtype=pl.String).gather(lots.window_source),
        }
    )
    return frame.select(
        pl.when("unlisted").then(pl.format("x{}", "number")).otherwise("wine_id").alias("wine_id"),
        pl.when(~pl.col("no_vintage")).then("vintage").alias("vintage"),
        pl.when(~pl.col("no_size")).then("size_ml").alias("size_ml"),
        pl.when(~pl.col("no_day")).then(pl.col("acquired_at").cast(pl.Date)).alias("acquired_at"),
        "storage_id",
        pl.when(pl.col("shelf") < 320).then("location").alias("location"),
        pl.when(pl.col("shelf") < 200).then(pl.format("{}-{}", pl.col("shelf") // 20 + 1, pl.col("shelf") % 20 + 1)).alias("bin"),
        pl.when(pl.col("window_from") > 0).then("window_from").alias("window_from"),
        pl.when(pl.col("window_to") > 0).then("window_to").alias("window_to"),
        "window_source",
    )


def outcome_rows(bottles: pl.DataFrame, lots: Lots, lot: Ints, rng: np.random.Generator) -> pl.DataFrame:
    """Rows of table outcomes: some of the bottles that were drunk, each with kind opened, and what was found where that was told.

    Late ones that would be recorded after the world's end are not there: nobody knows of them yet.
    """
    drunk = ((bottles["consumed_how"] == "drunk") & bottles["consumed_at"].is_not_null()).fill_null(False).to_numpy()
    row = np.flatnonzero(drunk & (rng.random(len(lot)) < REPORTED))
    day = bottles["consumed_at"].gather(row).cast(pl.Int32).to_numpy().astype(np.int64)
    occurred = day * MICROSECONDS_PER_DAY + (rng.integers(17 * 60, 23 * 60, len(row)) * 60_000_000)
    late = rng.random(len(row)) < LATE
    lag = np.where(late, LATE_LAG_DAYS, USUAL_LAG_DAYS) * np.exp(rng.normal(0.0, 1.0, len(row)))
    recorded = occurred + (lag * 86_400).astype(np.int64) * 1_000_000
    finding = _findings(lots, lot[row], occurred / MICROSECONDS_PER_DAY, rng)
    told = rng.random(len(row)) < TOLD
    kept = (occurred >= WORLD_BEGINS) & (recorded < WORLD_ENDS)
    opened = bottles[row].select(
        "bottle_id", "member_id", "wine_id", "vintage",
        number=pl.col("bottle_id").str.slice(1),
        kind=pl.Series(FINDINGS).gather(finding),
        told=pl.Series(told),
        occurred_at=pl.Series(occurred).cast(pl.Datetime("us", "UTC")),
        recorded_at=pl.Series(recorded).cast(pl.Datetime("us", "UTC")),
    ).filter(pl.Series(kept)).with_columns(request_id=pl.lit(None, pl.String), value=pl.lit(1.0))  # fmt: skip
    facts = opened.with_columns(outcome_id=pl.format("o{}", "number"), kind=pl.lit("opened"))
    found = opened.filter("told").with_columns(outcome_id=pl.format("f{}", "number"))
    return pl.concat([facts, found]).drop("number", "told")


def _findings(lots: Lots, lot: Ints, day: Floats, rng: np.random.Generator) -> Ints:
    """What is found on that day, as a number into FINDINGS."""
    age = lots.ages.only(lot).age_on(day)
    tasted = age * np.exp(TASTE_NOISE * rng.normal(0.0, 1.0, len(lot)))
    found = (tasted >= lots.begin[lot]).astype(np.int64) + (tasted > lots.end[lot])
    anything: npt.NDArray[np.int64] = rng.integers(0, len(FINDINGS), len(lot))
    mistaken: Bools = rng.random(len(lot)) < MISTAKEN
    return np.where(mistaken, anything, found)
