import json

import numpy as np
import polars as pl
import pytest

from cellar_drinkability.scoring.model import WindowModel
from cellar_drinkability.training.command import share_of
from cellar_drinkability.training.evaluate import BASELINES, FEW_FACTS, MODEL_NAME, evaluate_bundle, evaluate_recipe, folds_of
from cellar_drinkability.training.fit import Recipe
from cellar_drinkability.training.report import page_of, table_of, write
from cellar_drinkability.training.train import train
from cellar_shared.display import Reporter
from cellar_shared.errors import BadInput
from cellar_shared.events.sources.intake import Terms
from cellar_shared.events.sources.windows import import_windows


@pytest.fixture(scope="module")
def evaluation(statements, recipe):
    return evaluate_recipe(statements, recipe, baselines=True, threads=1, reporter=Reporter(as_json=True))


def test_every_contestant_is_judged_and_the_model_beats_the_medians(evaluation, rows):
    assert set(evaluation.contestants) > {MODEL_NAME, FEW_FACTS, *BASELINES}
    assert evaluation.rows == len(rows)
    mae = {name: found.measures["start_mae"].value for name, found in evaluation.contestants.items()}
    assert mae[MODEL_NAME] < mae["medians by variety"]
    assert evaluation.contestants[MODEL_NAME].measures["impossible"].value == 0


def test_a_winery_lies_in_one_fold(rows):
    fold = folds_of(rows, seed=1)
    assert all(len(np.unique(fold[rows.winery == winery])) == 1 for winery in np.unique(rows.winery))
    assert np.bincount(fold).min() > len(rows) / 10


def test_table_and_page_show_every_contestant(evaluation, tmp_path):
    write(evaluation, tmp_path)
    page, table = (tmp_path / "evaluation.html").read_text("utf-8"), table_of(evaluation)
    for name in evaluation.contestants:
        assert name in page and name in table
    assert page.count("<svg") == 6 and "<script" not in page and "http" not in page.replace("http-equiv", "")
    written = json.loads((tmp_path / "evaluation.json").read_bytes())
    assert (
        written["contestants"][MODEL_NAME]["measures"]["start_mae"]["value"]
        == evaluation.contestants[MODEL_NAME].measures["start_mae"].value
    )
    assert page == page_of(evaluation)


def test_a_bundle_is_judged_on_what_it_did_not_learn_from(statements, bundle, rows):
    said = []
    found = evaluate_bundle(statements, bundle, baselines=True, seed=1, threads=1, say=said.append)
    learnt = WindowModel.open(bundle).manifest.facts["rows"]
    assert found.rows == len(rows) - learnt
    assert said == [f"{learnt:,} windows that the bundle was fitted on are left out, {found.rows:,} remain"]
    assert set(found.contestants) > {MODEL_NAME, *BASELINES}


def test_a_bundle_that_learnt_from_all_there_is_cannot_be_judged(statements, tmp_path):
    train(statements, tmp_path / "all", hold_out=0.0, recipe=Recipe(copies=2, epochs=1), threads=1, step=lambda _: None)
    with pytest.raises(BadInput, match="fitted on every window"):
        evaluate_bundle(statements, tmp_path / "all", baselines=False, seed=1, threads=1, say=lambda _: None)


@pytest.mark.parametrize(("text", "share"), [("20%", 0.2), ("0%", 0), (" 2.5 %", 0.025)])
def test_a_share_is_a_percentage(text, share):
    assert share_of(text) == share


@pytest.mark.parametrize("text", ["20", "100%", "-5%", "30d", ""])
def test_anything_else_is_no_share(text):
    with pytest.raises(BadInput, match="20%"):
        share_of(text)


def test_the_commands_are_there(cellar):
    for command in ("train", "evaluate"):
        assert "--data" in cellar(command, "drinkability", "--help").stdout


@pytest.mark.real_data
@pytest.mark.slow
def test_critics_windows_are_told_better_than_by_medians_and_catalogue_wines_sensibly(real_data, tmp_path):
    import_windows(real_data / "windows" / "expert_windows.csv", tmp_path / "data", Terms(1_700_000_000_000_000), progress=lambda *_: None)
    train(tmp_path / "data", tmp_path / "bundle", hold_out=0.2, recipe=Recipe(epochs=12), threads=1, step=lambda _: None)
    found = evaluate_bundle(tmp_path / "data", tmp_path / "bundle", baselines=True, seed=1, threads=1, say=lambda _: None)
    model, medians = (found.contestants[name].measures for name in (MODEL_NAME, "medians by variety"))
    assert model["start_mae"].high < medians["start_mae"].low
    assert model["end_mae"].high < medians["end_mae"].low
    assert 0.72 < model["start_coverage"].value < 0.88 and 0.72 < model["end_coverage"].value < 0.88
    wines = pl.DataFrame({
        "type": ["Red", "White", "Red", "Dessert/Port", "White"],
        "country": ["Italy", "New Zealand", "France", "Portugal", "Germany"],
        "region": ["Barolo", "Marlborough", "Pauillac", "Porto", "Mosel"],
        "grapes": [["Nebbiolo"], ["Sauvignon Blanc"], ["Cabernet Sauvignon", "Merlot"], ["Touriga Nacional"], ["Riesling"]],
        "vintage": [2021] * 5,
    })  # fmt: skip
    windows = WindowModel.open(tmp_path / "bundle").windows(wines)
    begin, end = np.exp(windows.m1), np.exp(windows.m2)
    assert begin[1] == begin.min() and end[1] == end.min()  # Marlborough's Sauvignon is drunk young
    assert 5 < begin[0] < 12 and end[0] > 15
    assert begin[3] > begin[1] + 1
