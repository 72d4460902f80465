"""True dates out of a world's own tables: what they are, where they are unknown, and that what was found agrees with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import polars as pl
import pytest

from cellar_shared.events.simulate.cellars.bottles import FINDINGS
from cellar_shared.events.simulate.cellars.dates import DATES, true_dates
from cellar_shared.events.simulate.cellars.families import AGEING
from cellar_shared.events.simulate.cellars.places import storage_tables
from cellar_shared.events.simulate.cellars.writing import Cellars

CellarsOf = Callable[[str], Cellars]
families = pytest.mark.parametrize("ageing", AGEING)
NEW_YEAR_2022 = 18_993

WINE = {"wine_id": "w1", "vintage": 2010, "begin_years": 5.0, "end_years": 20.0, "energy_kj": 78.0, "size_exponent": 0.5,
        "curve": "powers", "peak_years": 10.0, "rise": 2.0, "fall": 2.0, "heat": 1.0, "years_when_sold": None}  # fmt: skip
ANY_YEAR = WINE | {"wine_id": "w2", "vintage": 0, "years_when_sold": 2.0}
TRUTH = pl.DataFrame([WINE, ANY_YEAR], schema_overrides={"years_when_sold": pl.Float64})
PLACES = pl.DataFrame(
    {"storage_id": ["s1"], "kind": ["constant"], "mean_c": [13.0], "amplitude_c": [None], "at": [None], "temperature_c": [None]},
    schema_overrides={"amplitude_c": pl.Float64, "at": pl.Datetime("us", "UTC"), "temperature_c": pl.Float64},
)
BOTTLE = {"bottle_id": "b1", "wine_id": "w1", "vintage": 2010, "size_ml": 750, "acquired_at": date(2013, 5, 1), "storage_id": "s1"}


def truth_of(**changed: object) -> dict[str, object]:
    bottle = pl.DataFrame([BOTTLE | changed], schema_overrides={"acquired_at": pl.Date, "vintage": pl.Int32, "storage_id": pl.String})
    return true_dates(bottle, TRUTH, PLACES, NEW_YEAR_2022).row(0, named=True)


def test_in_a_cellar_of_13_degrees_a_bottle_ages_by_the_calendar() -> None:
    found = truth_of()
    assert found["effective_age_years"] == pytest.approx(12, abs=0.01)
    # Five and twenty years of 365.25 days after 1 January 2010.
    assert (found["ready_from"], found["drink_by"]) == (date(2015, 1, 2), date(2030, 1, 1))
    # A bell on log age, a half at 5 and 20 years: nine tenths lie within the root of log2(1 / .9) of that reach around 10.
    reach = 2 ** np.sqrt(np.log(1 / 0.9) / np.log(2))
    assert found["peak_from"].year == 2010 + int(10 / reach) and found["peak_to"].year == 2010 + int(10 * reach)  # type: ignore[attr-defined]
    assert found["quality"] == pytest.approx(0.5 ** (np.log2(1.2) ** 2), abs=0.001)


def test_a_magnum_is_ready_later_by_its_own_exponent() -> None:
    assert truth_of(size_ml=1_500)["ready_from"] == date(2017, 1, 27)  # 5 years times the root of 2
    assert truth_of(size_ml=None) == truth_of()


def test_a_wine_without_a_vintage_ages_from_what_it_was_when_it_was_sold() -> None:
    found = truth_of(wine_id="w2", vintage=0)
    assert found["ready_from"] == date(2016, 5, 1)  # three years after it came


@pytest.mark.parametrize(
    "changed", [{"vintage": None}, {"vintage": 2048}, {"wine_id": "x7"}, {"storage_id": None}, {"acquired_at": None}]
)  # fmt: skip
def test_where_the_tables_do_not_tell_nobody_can(changed: dict[str, object]) -> None:
    found = truth_of(**changed)
    assert found == {"bottle_id": "b1"} | dict.fromkeys(("effective_age_years", "quality", *DATES))


@families
def test_dates_stand_in_their_order_and_know_most_bottles(ageing: str, cellars_of: CellarsOf) -> None:
    cellars = cellars_of(ageing)
    bottles, _, lots = cellars.run(0)
    some = bottles.head(6_000)
    truth = cellars.lifetimes.truth(cellars.catalogue, lots.wine, lots.slot).unique(["wine_id", "vintage"])
    found = true_dates(some, truth, pl.concat(storage_tables(cellars.settings), how="diagonal_relaxed"), NEW_YEAR_2022)
    assert found["bottle_id"].to_list() == some["bottle_id"].to_list()
    known = found.drop_nulls()
    assert known.height > 0.7 * some.height
    days = known.select(pl.col(DATES).cast(pl.Int32)).to_numpy()
    assert np.all(np.diff(days, axis=1) >= 0)
    assert known["quality"].is_between(0, 1).all()


@families
def test_what_was_found_on_opening_agrees_with_the_true_dates(ageing: str, cellars_of: CellarsOf) -> None:
    cellars = cellars_of(ageing)
    bottles, outcomes, lots = cellars.run(0)
    truth = cellars.lifetimes.truth(cellars.catalogue, lots.wine, lots.slot).unique(["wine_id", "vintage"])
    told = outcomes.filter(pl.col("kind").is_in(FINDINGS)).join(bottles, on="bottle_id", how="inner", maintain_order="left")
    dates = true_dates(told, truth, pl.concat(storage_tables(cellars.settings), how="diagonal_relaxed"), NEW_YEAR_2022)
    both = told.with_columns(dates.select(DATES)).drop_nulls(DATES).with_columns(day=pl.col("occurred_at").dt.date())
    expected = (
        pl.when(pl.col("day") < pl.col("ready_from")).then(pl.lit("too_young"))
        .when(pl.col("day") > pl.col("drink_by")).then(pl.lit("too_old")).otherwise(pl.lit("in_window"))
    )  # fmt: skip
    agreed = both.select(pl.col("kind") == expected).to_series()
    assert both.height > 500
    assert 0.85 < agreed.mean() < 0.995  # those who judge are off by .08 on log age, and some say anything
    # Far from either edge nearly all are right.
    clear = both.filter(((pl.col("day") - pl.col("ready_from")).dt.total_days() / 365.25).abs() > 3,
                        ((pl.col("day") - pl.col("drink_by")).dt.total_days() / 365.25).abs() > 6)  # fmt: skip
    assert clear.select(pl.col("kind") == expected).to_series().mean() > 0.95
