"""What critics state of a world's wines: one-sided more often than not, rounded to years, each with a manner of their own.

Shares of kinds and of reviewers are those of a published file of 3,940 statements.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from cellar_shared.ageing.storage import DAYS_PER_YEAR
from cellar_shared.ageing.trajectory import day_of_year
from cellar_shared.events.simulate.catalogue import Catalogue
from cellar_shared.events.simulate.cellars.draws import Floats, normals
from cellar_shared.events.simulate.cellars.lifetimes import Lifetimes, slots_of
from cellar_shared.events.simulate.cellars.lots import LAST_DAY
from cellar_shared.events.simulate.hierarchy import Ints, wine_facts
from cellar_shared.events.simulate.settings import WorldSettings

STATEMENTS_PER_RUN: Final = 100_000
KINDS: Final = ("start", "range", "hold_until", "not_before", "now_to_end", "through", "drink_until")
STATES_START: Final = 4  # the first four state a start; a wine that is ready gets one of the others
KIND_SHARES: Final = np.array([1312, 858, 174, 70, 922, 578, 26]) / 3940
STATES_END: Final = (False, True, False, False, True, True, True)
REVIEWER_SHARES: Final = np.array([1147, 643, 540, 276, 221, 127, 109, 99, 62, 36, 31, 22, 1]) / 3314
UNSIGNED: Final = 626 / 3940
FIRST_STATED: Final = 1999  # vintages that critics of this world have written of
SOUGHT: Final = 1.1  # how much likelier a wine is written of per unit of quality
OF_TYPE: Final = {"Red": 1.0, "White": 0.4, "Sparkling": 0.3, "Rosé": 0.03, "Dessert": 0.4, "Dessert/Port": 0.4}  # how likely, by type
FAR_OFF: Final = 12  # years from which an end is often rounded to the fives of the calendar
IN_FIVES: Final = 0.3
_BEGIN, _END = 120, 124  # streams of reviewers' manners


def statement_rows(
    settings: WorldSettings, catalogue: Catalogue, lifetimes: Lifetimes, first: int, count: int, rng: np.random.Generator
) -> tuple[pl.DataFrame, Ints, Ints]:
    """Rows of table windows, numbered from `first`, and the wine and the vintage's slot of each."""
    family = lifetimes.family
    of_type = np.array([OF_TYPE[name] for name in wine_facts()["types"]])[catalogue.origins.type]
    reach = np.cumsum(of_type * np.exp(SOUGHT * catalogue.quality.astype(np.float64)) * ~catalogue.non_vintage)
    wine = np.minimum(np.searchsorted(reach, rng.random(count) * reach[-1], side="right"), len(reach) - 1)
    year = rng.integers(FIRST_STATED, 2020, count)
    # A few months after it is released, in the bottle or shortly before.
    after = lifetimes.released[wine].astype(np.float64) + rng.uniform(-0.3, 0.7, count)
    stated = np.minimum(day_of_year(year) + np.maximum(after, 0.3) * DAYS_PER_YEAR, LAST_DAY)
    slot = slots_of(year)
    curves = lifetimes.curves(wine, slot)

    reviewer = rng.choice(len(REVIEWER_SHARES), size=count, p=REVIEWER_SHARES)
    manners = [family.reviewer * _manners(settings.seed, stream)[reviewer] for stream in (_BEGIN, _END)]
    noise = family.critic_noise * rng.normal(0.0, 1.0, (2, count))
    begin, end = curves.begin * np.exp(manners[0] + noise[0]), curves.end * np.exp(manners[1] + noise[1])
    start_year = year + np.rint(begin).astype(np.int64)
    end_year = np.maximum(year + np.rint(end).astype(np.int64) - 1, year)
    in_fives = (end_year - year >= FAR_OFF) & (rng.random(count) < IN_FIVES)
    end_year = np.where(in_fives, np.rint(end_year / 5).astype(np.int64) * 5, end_year)
    now = np.floor(1970 + stated / DAYS_PER_YEAR).astype(np.int64)
    end_year = np.maximum(end_year, np.where(start_year <= now, now, start_year))

    kind = rng.choice(len(KINDS), size=count, p=KIND_SHARES)
    late = KIND_SHARES[STATES_START:]
    drink_now = STATES_START + rng.choice(len(late), size=count, p=late / late.sum())
    # Of a wine that is ready nobody says from when on it will be.
    kind = np.where(start_year <= now, drink_now, kind)
    has_start, has_end = kind < STATES_START, np.array(STATES_END)[kind]
    points = np.clip(np.rint(89.5 + 2.5 * catalogue.quality[wine] + rng.normal(0.0, 1.2, count)), 80, 100)
    names = pl.Series([f"r{number:02d}" for number in range(len(REVIEWER_SHARES))])
    frame = catalogue.table.select("wine_id", "producer", "type", "country", "region", "grapes", "price", "currency")[wine].with_columns(
        window_id=pl.Series(np.arange(first + 1, first + 1 + count)),
        vintage=pl.Series(year),
        start=pl.Series(start_year),
        end=pl.Series(end_year),
        has_start=pl.Series(has_start),
        has_end=pl.Series(has_end),
        kind=pl.Series(KINDS).gather(kind),
        points=pl.Series(points.astype(np.float64)),
        reviewer=names.gather(reviewer),
        signed=pl.Series(rng.random(count) >= UNSIGNED),
        stated_at=pl.Series(stated.astype(np.int32)).cast(pl.Date),
        province=pl.lit(None, pl.String),
        variety=pl.lit(None, pl.String),
        source=pl.lit("sim"),
    )
    rows = frame.with_columns(
        pl.format("w{}", "window_id").alias("window_id"),
        pl.when("has_start").then("start"),
        pl.when("has_end").then("end"),
        pl.when("signed").then("reviewer"),
    ).drop("has_start", "has_end", "signed")
    return rows, wine, np.asarray(slot)


def _manners(seed: int, stream: int) -> Floats:
    """How far each reviewer leans, in units of the family's spread: none of them all together, so that the truth can be learnt."""
    leaning = normals(seed, stream, np.arange(len(REVIEWER_SHARES)))
    return leaning - leaning @ REVIEWER_SHARES
