"""Whom the demo asks about: somebody of whom the most can be shown."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from cellar_deploy.demo.asking import ASKED, CELLAR, Demo
from cellar_deploy.demo.world import has_cellars, last_evening
from cellar_shared.errors import BadInput
from cellar_shared.events.simulate.cellars.settings import CellarSettings
from cellar_shared.events.simulate.settings import WorldSettings
from cellar_shared.events.simulate.world import simulate_world
from cellar_shared.events.tables import DataFolder, DataWriter


@pytest.fixture(scope="module")
def with_cellars(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    out = tmp_path_factory.mktemp("cellars") / "data"
    simulate_world(WorldSettings(members=600, wines=120, seed=3), out, cellars=CellarSettings(6_000, 200), progress=lambda _: None)
    return DataFolder.open(out)


def asked(folder: DataFolder) -> Demo:
    evening = last_evening(folder)
    return Demo.of(folder, {}, evening, (evening - timedelta(days=30)).isoformat())


def test_the_member_has_ratings_that_no_model_has_seen_and_a_cellar_to_open_from(with_cellars):
    demo = asked(with_cellars)
    assert has_cellars(with_cellars)
    assert demo.rows.height == ASKED
    assert set(demo.rows["member_id"]) == {demo.member_id}
    assert demo.rows["rated_at"].min() >= demo.evening - timedelta(days=30)
    there = with_cellars.scan("bottles").filter(pl.col("state") == "stored").group_by("member_id").len().collect()
    bottles = dict(there.iter_rows())
    as_much_unseen = demo.unseen.group_by("member_id").len().filter(pl.col("len") >= ASKED)["member_id"]
    most = max(bottles.get(member, 0) for member in as_much_unseen)
    assert 0 < min(most, CELLAR) <= bottles[demo.member_id]


def test_without_cellars_the_member_is_the_one_with_the_longest_history(small_world):
    folder = DataFolder.open(small_world)
    demo = asked(folder)
    assert not has_cellars(folder)
    ratings = folder.scan("ratings").collect()
    counts = dict(ratings.group_by("member_id").len().iter_rows())
    enough = demo.unseen.group_by("member_id").len().filter(pl.col("len") >= ASKED)["member_id"]
    assert counts[demo.member_id] == max(counts[member] for member in enough)


def test_a_wine_is_called_by_its_vintage_producer_and_name(small_world):
    demo = asked(DataFolder.open(small_world))
    wine = demo.wines.row(0, named=True)
    assert demo.label(wine["wine_id"], 2016) == f"2016 {wine['producer']} {wine['name']}"
    assert demo.label(wine["wine_id"], None) == f"{wine['producer']} {wine['name']}"


def test_ratings_without_dates_cannot_be_held_out(small_world, tmp_path):
    world = DataFolder.open(small_world)
    with DataWriter(tmp_path / "undated", world.manifest.namespace, world.manifest.scale, "part of a world") as writer:
        writer.add("wines", world.scan("wines").collect())
        undated = pl.lit(None, pl.Datetime("us", "UTC")).alias("rated_at"), pl.lit("unknown").alias("time_precision")
        writer.add("ratings", world.scan("ratings").head(5).with_columns(undated).collect())
    with pytest.raises(BadInput, match="dated ratings"):
        last_evening(DataFolder.open(tmp_path / "undated"))
