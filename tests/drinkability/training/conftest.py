"""A small made world of statements whose law is known, a model learnt from it, and its bundle."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from cellar_drinkability.training.fit import Fitted, Recipe, fit
from cellar_drinkability.training.rows import Rows, read_rows
from cellar_drinkability.training.train import train
from cellar_shared.events.sources.intake import Terms
from cellar_shared.events.sources.windows import import_windows
from cellar_shared.events.tables import DataFolder

PLACES = (
    ("Italy", "Piedmont", "Barolo"),
    ("Italy", "Tuscany", "Chianti Classico"),
    ("France", "Burgundy", "Chablis"),
    ("US", "California", "Napa Valley"),
)
GRAPES = {"Nebbiolo": 2.2, "Sangiovese": 1.9, "Chardonnay": 1.3, "Cabernet Sauvignon": 2.0, "Riesling": 1.5}
# Of the log of years, as the world draws them: how long after the start the end is, and the spread of one statement.
GAP, SPREAD = 0.9, 0.1


@pytest.fixture(scope="session")
def statements(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with 700 statements, two thirds of them one-sided."""
    rng = np.random.default_rng(8)
    file = tmp_path_factory.mktemp("statements") / "made.csv"
    fields = ("vintage", "start", "end", "kind", "points", "price", "country", "province", "region_1", "variety", "winery", "reviewer")
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fields)
        writer.writeheader()
        for _ in range(700):
            grape, place = str(rng.choice(list(GRAPES))), PLACES[rng.integers(len(PLACES))]
            vintage, points = int(rng.integers(2005, 2016)), float(rng.integers(86, 98))
            middle = GRAPES[grape] + 0.03 * (points - 92)
            begin = round(np.exp(middle + SPREAD * rng.logistic() / 2))
            end = max(round(np.exp(middle + GAP + SPREAD * rng.logistic() / 2)) - 1, begin)
            kind = ("range", "start", "through")[rng.integers(3)]
            writer.writerow({
                "vintage": vintage, "kind": kind, "points": points, "price": round(float(np.exp(rng.normal(4, 0.6)))),
                "start": "" if kind == "through" else vintage + begin, "end": "" if kind == "start" else vintage + end,
                "country": place[0], "province": place[1], "region_1": place[2], "variety": grape,
                "winery": f"Winery {rng.integers(160)}", "reviewer": f"r{rng.integers(5)}",
            })  # fmt: skip
    out = file.parent / "data"
    import_windows(file, out, Terms(now=1_700_000_000_000_000), progress=lambda *_: None)
    return out


@pytest.fixture(scope="session")
def rows(statements: Path) -> Rows:
    return read_rows(DataFolder.open(statements))


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return Recipe(copies=4, epochs=12, batch=256)


@pytest.fixture(scope="session")
def fitted(rows: Rows, recipe: Recipe) -> Fitted:
    torch.set_num_threads(1)
    return fit(rows, recipe)


@pytest.fixture(scope="session")
def bundle(statements: Path, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that left a fifth of the wineries out."""
    out = tmp_path_factory.mktemp("bundles") / "bundle"
    train(statements, out, hold_out=0.2, recipe=recipe, threads=1, step=lambda _: None)
    return out
