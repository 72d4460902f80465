"""A small real line: a made-up world, and a recommender's bundle trained on it with its end held out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from cellar_recommender.training.fit import Recipe
from cellar_recommender.training.learn import Settings
from cellar_recommender.training.network import Shape
from cellar_recommender.training.train import train

HOLD_OUT_DAYS = 180


@dataclass(frozen=True)
class Line:
    """What one run of the line made, for reading only."""

    data: Path
    bundle: Path
    settings: Settings


@pytest.fixture(scope="session")
def tiny() -> Settings:
    """A recipe that learns in seconds; nothing is asked of how well."""
    return Settings(Recipe(shape=Shape(embedding=4, vector=6, heads=2, hidden=8), epochs=2, batch=256), rounds=10)


@pytest.fixture(scope="session")
def line(small_world: Path, tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Line:
    bundle = tmp_path_factory.mktemp("recommender") / "bundle"
    train(small_world, bundle, hold_out_days=HOLD_OUT_DAYS, settings=tiny, threads=1, step=lambda _: None)
    return Line(small_world, bundle, tiny)
