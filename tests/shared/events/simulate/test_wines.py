"""The made-up wines: what can be read of them follows what is hidden, and so do the notes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from cellar_shared.events.simulate.hierarchy import wine_facts
from cellar_shared.events.simulate.labels import MISSING
from cellar_shared.events.simulate.settings import WorldSettings
from cellar_shared.events.simulate.world import Run, World

Made = Callable[[str], tuple[World, Run]]


@pytest.fixture(scope="module")
def world() -> World:
    return World.make(WorldSettings(members=1, wines=4_000, seed=8))


def test_facts_follow_what_is_hidden_but_do_not_give_it_away(world: World) -> None:
    factors = wine_facts()["factors"]
    table, style = world.catalogue.table, world.catalogue.style
    hidden = {"body": style[:, factors.index("body")], "acidity": style[:, factors.index("acidity")], "price": world.catalogue.quality}
    for fact, latent in hidden.items():
        shown = table[fact].to_numpy()
        there = ~np.isnan(shown)
        values = np.log(shown[there]) if fact == "price" else shown[there]
        assert 0.5 < np.corrcoef(values, latent[there])[0, 1] < 0.98, fact
    within_reds = (table["type"] == "Red").to_numpy() & table["abv"].is_not_null().to_numpy()
    assert np.corrcoef(table["abv"].to_numpy()[within_reds], hidden["body"][within_reds])[0, 1] > 0.5


def test_wines_of_one_producer_are_nearer_in_quality_than_wines_of_any(world: World) -> None:
    quality = pl.Series(world.catalogue.quality)
    rows = world.catalogue.table.select("producer", "region").with_columns(quality=quality).drop_nulls()
    for shared in (["producer", "region"], ["region"]):
        groups = rows.group_by(shared).agg(pl.col("quality").var(), pl.len().alias("wines")).filter(pl.col("wines") > 1)
        within = float((groups["quality"] * (groups["wines"] - 1)).sum() / (groups["wines"] - 1).sum())
        assert within < 0.85, shared


@pytest.mark.parametrize(("fact", "share"), MISSING.items())
def test_some_wines_do_not_state_a_fact(fact: str, share: float, world: World) -> None:
    assert world.catalogue.table[fact].is_null().mean() == pytest.approx(share, abs=0.02)


def test_a_wine_comes_from_a_region_of_its_country_and_of_grapes_grown_there(world: World) -> None:
    regions = {entry["region"]: entry for entry in wine_facts()["regions"]}
    stated = world.catalogue.table.filter(pl.col("region").is_not_null(), pl.col("grapes").is_not_null())
    assert stated.height > 3_000
    for wine in stated.iter_rows(named=True):
        origin = regions[wine["region"]]
        assert wine["country"] == origin["country"]
        assert wine["type"] in origin["types"]
        assert set(wine["grapes"]) <= {*origin["red"], *origin["white"]}
        assert wine["grapes"] and len(set(wine["grapes"])) == len(wine["grapes"])


def test_ids_tell_neither_when_a_wine_appeared_nor_how_popular_it_is(world: World) -> None:
    number = world.catalogue.table["wine_id"].str.strip_prefix("w").cast(pl.Int64).to_numpy()
    popularity = np.log(np.diff(world.catalogue.reach, prepend=0.0))
    assert sorted(number) == list(range(1, 4_001))
    assert abs(np.corrcoef(number, world.catalogue.appears_at)[0, 1]) < 0.05
    assert abs(np.corrcoef(number, popularity)[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("factor", "much", "little"),
    [
        ("body", "full-bodied|dense|weighty", "light-bodied|slender|delicate"),
        ("sweetness", "sweet|honeyed|luscious", "dry|austere"),
        ("tannin", "tannic|grippy|firm", "silky|supple|smooth"),
    ],
)
def test_the_words_of_a_note_follow_the_wine(factor: str, much: str, little: str, made: Made) -> None:
    world, run = made("base")
    trait = world.catalogue.style[run.wine[run.notes["row"].to_numpy()], wine_facts()["factors"].index(factor)]
    described = run.notes["text"].str.split(";").list.first().str.replace_all("sweet spice", "")
    says_much, says_little = (described.str.contains(rf"\b({words})\b").to_numpy() for words in (much, little))
    assert says_much.sum() > 300 and says_little.sum() > 300
    # The words stand on the right side, and stand there where the trait is marked, not merely present.
    assert trait[says_much].mean() > 1.2 * trait[trait > 0].mean()
    assert trait[says_little].mean() < 1.2 * trait[trait < 0].mean()


def test_the_verdict_of_a_note_follows_the_rating(made: Made) -> None:
    _, run = made("base")
    liked = run.stars[run.notes["row"].to_numpy()] >= 4.0
    praise = run.notes["text"].str.contains("love the|just right|my kind of").to_numpy()
    assert np.array_equal(praise, liked)
    assert 0 < liked.mean() < 1


def test_grapes_and_types_carry_one_style_number_per_factor() -> None:
    facts = wine_facts()
    for entry in (*facts["types"].values(), *facts["grapes"].values()):
        assert len(entry["style"]) == len(facts["factors"])
    for region in facts["regions"]:
        assert set(region["types"]) <= set(facts["types"])
        assert {*region["red"], *region["white"]} <= set(facts["grapes"])
        assert region["country"] in facts["producer_words"]
