"""The commands, with a bundle that was really learnt: a night, its exit status, the store behind it, the bench."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from cellar_drinkability.scoring.model import WindowModel
from cellar_drinkability.scoring.windows import BATCH, answers
from cellar_shared.events.appending import DataAppender
from cellar_shared.events.simulate.settings import WorldSettings
from cellar_shared.events.simulate.world import simulate_world
from cellar_shared.events.tables import DataWriter

pytestmark = pytest.mark.slow

STATEMENTS = 300


@pytest.fixture(scope="module")
def learnt(tmp_path_factory, cellar):
    """A bundle learnt from made-up statements."""
    folder = tmp_path_factory.mktemp("learnt")
    draw = np.random.default_rng(1)
    vintage = draw.integers(2000, 2015, STATEMENTS)
    grape = draw.choice(["Nebbiolo", "Riesling", "Pinot Noir"], STATEMENTS)
    rows = pl.DataFrame(
        {
            "window_id": [f"s{number}" for number in range(STATEMENTS)],
            "wine_id": [None] * STATEMENTS,
            "producer": [f"Winery {number % 60}" for number in range(STATEMENTS)],
            "type": np.where(grape == "Riesling", "White", "Red"),
            "country": "Italy",
            "region": draw.choice(["Piedmont", "Tuscany"], STATEMENTS),
            "province": "Italy",
            "grapes": [[each] for each in grape],
            "price": draw.integers(10, 90, STATEMENTS).astype(float),
            "points": draw.integers(85, 97, STATEMENTS).astype(float),
            "currency": "USD",
            "vintage": vintage,
            "start": vintage + draw.integers(3, 9, STATEMENTS),
            "end": vintage + draw.integers(11, 22, STATEMENTS),
            "kind": "range",
            "reviewer": draw.choice(["A", "B"], STATEMENTS),
            "source": "test",
        }
    )
    with DataWriter(folder / "windows", "test", "1-5", "test") as writer:
        writer.add("windows", rows)
    done = cellar("train", "drinkability", "--data", folder / "windows", "--out", folder / "bundle", "--threads", "1")
    assert done.returncode == 0, done.stderr
    return folder / "bundle"


def test_an_answer_does_not_depend_on_who_asks_beside_it(learnt):
    model = WindowModel.open(learnt)
    draw = np.random.default_rng(2)
    rows = BATCH + 500
    facts = pl.DataFrame(
        {
            "type": draw.choice(["Red", "White", "Unheard of"], rows),
            "grapes": [[each] for each in draw.choice(["Nebbiolo", "Riesling", "Merlot"], rows)],
            "price": draw.uniform(5, 90, rows),
            "vintage": draw.integers(1990, 2020, rows).astype(np.int32),
        }
    )
    order = draw.permutation(rows)
    together, mixed, alone = answers(model, facts), answers(model, facts[order]), answers(model, facts[7:8])
    for name in ("m1", "s1", "m2", "s2"):
        assert np.array_equal(getattr(together, name)[order], getattr(mixed, name))
        assert getattr(together, name)[7] == getattr(alone, name)[0]


def test_a_night_by_command_its_exit_status_and_the_store_behind_it(learnt, cellar, many_bottles, many_places, tmp_path):
    data, out, store = tmp_path / "data", tmp_path / "out", f"lmdb://{tmp_path / 'store'}"
    simulate_world(WorldSettings(members=20, wines=20, seed=3), data, progress=lambda _: None)
    with DataAppender(data) as appender:
        for part in many_bottles(3, 200):
            appender.add("bottles", part.with_columns(wine_id=pl.lit("w0001"), member_id=pl.lit("m1")))
        appender.add("storage", pl.DataFrame(many_places, infer_schema_length=None))
    night = ("score", "drinkability", "--bundle", learnt, "--data", data, "--out", out)
    first = cellar(*night, "--as-of", "2025-06-01", "--json")
    assert first.returncode == 0, first.stderr
    facts = json.loads(first.stdout)
    assert facts["night"]["rows"] + facts["night"]["consumed"] == facts["night"]["rows_in"] == 600
    assert facts["curves_computed"] > 100
    assert "rows, " in first.stderr
    second = json.loads(cellar(*night, "--as-of", "2025-06-02", "--json").stdout)
    assert (second["curves_computed"], second["answers_computed"]) == (0, 0)
    written = cellar("materialize", "--data", data, "--store", store, "--night", out, "--json")
    assert json.loads(written.stdout)["bottles"] == second["night"]["rows"]
    damaged = sorted((data / "bottles").iterdir())[1]
    damaged.write_bytes(damaged.read_bytes()[:100])
    refused = cellar(*night, "--as-of", "2025-06-03")
    assert refused.returncode == 1
    assert f"1 parts were set aside, 0 may be: {damaged.name}" in refused.stderr
    assert len(json.loads((out / "night.json").read_text())["parts"]) == 2
    assert cellar(*night, "--as-of", "2025-06-03", "--error-threshold", "1").returncode == 0


def test_the_bench_says_what_it_measured(learnt, cellar):
    done = cellar(
        "bench", "drinkability", "--rows", "20000", "--wines", "300", "--sizes", "5000", "--rounds", "1", "--bundle", learnt, "--json"
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [size["rows"] for size in report["sizes"]] == [5000, 20_000]
    assert [size["second_night_curves"] for size in report["sizes"]] == [0, 0]
    assert all(min(size["tree_bytes"], size["worker_bytes"]) > 1 << 20 for size in report["sizes"])
    assert report["score_over_floor"] == pytest.approx(report["score_s"][0] / report["floor_s"][0])
    assert report["curves_over_model"] > 1
