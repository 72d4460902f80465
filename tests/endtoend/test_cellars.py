"""Cellars as a person runs them: nights of the past, what opened bottles were found to be, a curve to look at, bottles for serving."""

from __future__ import annotations

import asyncio
import json
from datetime import date

import polars as pl
import pytest

from cellar_drinkability.scoring.manifest import read_manifest
from cellar_shared.ageing.curve import DATES
from cellar_shared.events.tables import DataFolder
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.store.generation import Generation
from cellar_shared.store.opening import open_store

pytestmark = pytest.mark.slow


def night_of(cellars, day):
    manifest = read_manifest(cellars.nights / "nights" / f"{day}.json")
    return manifest, pl.concat([pl.read_parquet(cellars.nights / "bottles" / f"{part.bottles}.parquet") for part in manifest.parts])


def test_a_night_of_the_past_holds_the_bottles_that_were_there_then(cellars):
    manifest, rows = night_of(cellars, "2019-06-01")
    bottles = DataFolder.open(cellars.world).scan("bottles").collect()
    day = date(2019, 6, 1)
    kept = (pl.col("state") != "consumed") | (pl.col("consumed_at") >= day).fill_null(False)
    had_come = (pl.col("acquired_at") <= day).fill_null(True) & (pl.col("vintage") <= 2019).fill_null(True)
    assert set(rows["bottle_id"]) == set(bottles.filter(kept & had_come)["bottle_id"])
    assert manifest.rows_in == bottles.height == manifest.rows + manifest.consumed
    assert not rows["drinkability"].is_nan().any()
    assert rows.select(pl.col("drinkability").is_null() == pl.col("phase").is_null()).to_series().all()


def test_labels_that_came_later_are_joined_to_the_night_before(cellar, cellars, tmp_path):
    out = tmp_path / "labels.parquet"
    done = cellar("labels", "drinkability", "--data", cellars.world, "--night", cellars.nights, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    labels = pl.read_parquet(out)
    outcomes = DataFolder.open(cellars.world).scan("outcomes").collect()
    is_since = pl.col("occurred_at").dt.date() >= date(2019, 6, 1)
    found = outcomes.filter(pl.col("kind").is_in(["too_young", "in_window", "too_old"]), is_since)
    _, then = night_of(cellars, "2019-06-02")
    assert set(found["bottle_id"]) & set(then["bottle_id"]) <= set(labels["bottle_id"]) <= set(found["bottle_id"])
    assert labels.height == said["labels"] == sum(said["found"].values()) > 50
    assert (labels["as_of"] <= labels["opened_on"]).all()
    shares = [each["share"] for each in said["arrival"]]
    assert shares == sorted(shares)
    assert 0 < shares[-1] < 1
    early, late = (labels.filter(pl.col("phase") == phase)["found"].eq("too_young").mean() for phase in ("hold", "past"))
    assert early > late
    text = cellar("labels", "drinkability", "--data", cellars.world, "--night", cellars.nights).stdout
    assert "how long labels take" in text


def test_labels_without_a_night_are_refused(cellar, cellars, tmp_path):
    done = cellar("labels", "drinkability", "--data", cellars.world, "--night", tmp_path)
    assert done.returncode == 2
    assert "holds no night that was closed" in done.stderr


def test_a_curve_of_the_night_is_shown(cellar, cellars, tmp_path):
    _, rows = night_of(cellars, "2021-12-31")
    bottles = DataFolder.open(cellars.world).scan("bottles").collect()
    known = rows.filter(pl.col("reason").is_null()).join(
        bottles.select("bottle_id", "size_ml", "storage_id", "acquired_at"), on="bottle_id"
    )
    wine, vintage, size, storage, since = known.select("wine_id", "vintage", "size_ml", "storage_id", "acquired_at").row(0)
    which = ("--vintage", str(vintage), "--size", str(size), "--storage", storage, "--since", str(since))
    picture = tmp_path / "curve.svg"
    done = cellar("curve", "--night", cellars.nights, "--wine", wine, *which, "--svg", picture)
    assert done.returncode == 0, done.stderr
    assert "drink by" in done.stdout
    assert "<svg" in picture.read_text()


def test_a_members_bottles_are_served_with_the_nights_dates(cellar, cellars, tmp_path):
    url = f"lmdb://{tmp_path / 'store'}"
    done = cellar("materialize", "--data", cellars.world, "--store", url, "--night", cellars.nights)
    assert done.returncode == 0, done.stderr
    _, rows = night_of(cellars, "2021-12-31")
    member = rows["member_id"][0]
    store = open_store(url)
    generation = Generation.open(store, feature_fingerprint())
    try:
        cellar_of = asyncio.run(generation.cellar_of(member))
        assert cellar_of is not None
        mine = rows.filter(pl.col("member_id") == member).sort("bottle_id")
        assert sorted(cellar_of.bottle_ids) == mine["bottle_id"].to_list()
        dates = dict(zip(cellar_of.bottle_ids, cellar_of.dates.T.tolist(), strict=True))
        for row in mine.filter(pl.col("phase").is_not_null()).iter_rows(named=True):
            assert dates[row["bottle_id"]] == [(row[name] - date(1970, 1, 1)).days for name in DATES]
    finally:
        generation.close()
        store.close()
