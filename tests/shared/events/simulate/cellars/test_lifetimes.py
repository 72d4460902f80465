"""How wines truly age in each family: within what is possible, as their facts let expect, and differently from family to family."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from cellar_shared.errors import BadInput
from cellar_shared.events.simulate.catalogue import make_catalogue
from cellar_shared.events.simulate.cellars.families import AGEING, HELD_OUT_AGEING, ageing_named
from cellar_shared.events.simulate.cellars.lifetimes import FIRST_VINTAGE, VINTAGES, Lifetimes, draw_lifetimes, slots_of
from cellar_shared.events.simulate.cellars.writing import Cellars
from cellar_shared.events.simulate.settings import WorldSettings
from cellar_shared.events.tables import schema_of

CellarsOf = Callable[[str], Cellars]
families = pytest.mark.parametrize("ageing", AGEING)


def of_2015(lifetimes: Lifetimes) -> tuple[np.ndarray, np.ndarray]:
    wines = np.arange(len(lifetimes.log_begin))
    curves = lifetimes.curves(wines, slots_of(np.full(len(wines), 2015)))
    return curves.begin, curves.end


@families
def test_a_window_ends_after_it_began_and_physics_is_possible(ageing: str, cellars_of: CellarsOf) -> None:
    lifetimes = cellars_of(ageing).lifetimes
    wines = np.arange(800).repeat(VINTAGES)
    curves = lifetimes.curves(wines, np.tile(np.arange(VINTAGES), 800))
    assert np.all((curves.begin > 0.05) & (curves.begin < curves.peak) & (curves.peak < curves.end) & (curves.end < 150))
    assert np.all((lifetimes.energy_kj > 25) & (lifetimes.energy_kj < 250))
    assert np.all((lifetimes.exponent > 0) & (lifetimes.exponent < 1.4))
    assert np.median(lifetimes.energy_kj) == pytest.approx(ageing_named(ageing).energy_kj, rel=0.1)
    # Energies spread as widely as the prior that a model puts on them: about .21 on their log.
    assert np.log(lifetimes.energy_kj).std() == pytest.approx(0.21, abs=0.03)


@families
def test_the_same_seed_draws_the_same_lives_and_another_others(ageing: str, cellars_of: CellarsOf) -> None:
    cellars = cellars_of(ageing)
    again = draw_lifetimes(9, AGEING[ageing], cellars.catalogue)
    other = draw_lifetimes(10, AGEING[ageing], cellars.catalogue)
    for one, two in zip(of_2015(cellars.lifetimes), of_2015(again), strict=True):
        assert np.array_equal(one, two)
    assert not np.array_equal(of_2015(other)[0], of_2015(again)[0])


def test_grapes_age_as_is_known_of_them() -> None:
    catalogue = make_catalogue(WorldSettings(members=1, wines=9_000, seed=4))
    lifetimes = draw_lifetimes(4, AGEING["classic"], catalogue)
    begin, end = of_2015(lifetimes)
    first = catalogue.table["grapes"].list.first().fill_null("")
    sought = (np.abs(catalogue.quality - 1) < 0.75) & (catalogue.table["type"].is_in(["Red", "White"])).to_numpy()
    # Medians of stated windows, first and last year after the vintage; within what regions, producers and chance add.
    for grape, years in (("Nebbiolo", (8, 20)), ("Sangiovese", (8, 18)), ("Riesling", (4, 19)), ("Cabernet Sauvignon", (7, 16))):
        of_grape = sought & (first == grape).to_numpy()
        assert of_grape.sum() >= 10, grape
        assert np.median(begin[of_grape]) == pytest.approx(years[0], rel=0.2), grape
        assert np.median(end[of_grape]) - 1 == pytest.approx(years[1], rel=0.25), grape


@families
def test_what_facts_tell_is_about_half_of_what_differs(ageing: str) -> None:
    catalogue = make_catalogue(WorldSettings(members=1, wines=4_000, seed=4))
    begin, end = of_2015(draw_lifetimes(4, AGEING[ageing], catalogue))
    rows = catalogue.table.select("type", "region", grape=pl.col("grapes").list.first()).with_columns(
        begin=pl.Series(np.log(begin)), end=pl.Series(np.log(end)), better=pl.Series(catalogue.quality > 0)
    )
    for side in ("begin", "end"):
        groups = rows.group_by("type", "grape", "region", "better").agg(pl.col(side).var(), pl.len()).filter(pl.col("len") > 3)
        unexplained = (groups[side] * groups["len"]).sum() / groups["len"].sum() / rows[side].var()
        assert 0.1 < unexplained < 0.75, side


def test_a_vintage_has_its_slot_and_years_beyond_the_world_have_none() -> None:
    assert slots_of([0, FIRST_VINTAGE, 2021, 2022, 1958, 15]).tolist() == [0, 1, VINTAGES - 1, -1, -1, -1]


def test_one_family_is_held_out_and_differs_in_form_from_the_others() -> None:
    assert {"held-out"} == HELD_OUT_AGEING
    seen = [family for name, family in AGEING.items() if name not in HELD_OUT_AGEING]
    assert len(seen) >= 3 and "classic" in AGEING
    for form in ("curve", "spread_form", "energy_form", "exponent_form"):
        assert getattr(AGEING["held-out"], form) not in {getattr(family, form) for family in seen}, form


def test_an_unknown_family_is_answered_with_those_there_are() -> None:
    with pytest.raises(BadInput, match="ageing 'eternal' is not known; use one of classic, skewed, plateau, held-out"):
        ageing_named("eternal")


@families
def test_truth_has_the_schemas_columns_and_says_when_a_wine_without_a_vintage_was_sold(ageing: str, cellars_of: CellarsOf) -> None:
    cellars = cellars_of(ageing)
    truth = cellars.lifetimes.truth(cellars.catalogue, np.array([3, 3]), slots_of([0, 2010]))
    assert set(truth.columns) == set(schema_of("truth_ageing")["properties"])
    assert truth["vintage"].to_list() == [0, 2010]
    assert truth["years_when_sold"].null_count() == 1 and truth["years_when_sold"][0] > 0
    assert set(truth["curve"]) == {"gamma" if AGEING[ageing].curve == "gamma" else "powers"}
