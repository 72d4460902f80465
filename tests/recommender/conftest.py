"""A small real line: a made-up world, and a recommender's bundle trained on it with its end held out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from cellar_preference.training.fit import Recipe as PreferenceRecipe
from cellar_preference.training.network import Shape as PreferenceShape
from cellar_preference.training.train import train as train_preference
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
    preference: Path | None = None


@pytest.fixture(scope="session")
def tiny() -> Settings:
    """A recipe that learns in seconds; nothing is asked of how well."""
    return Settings(Recipe(shape=Shape(embedding=4, vector=6, heads=2, hidden=8), epochs=2, batch=256), rounds=10)


@pytest.fixture(scope="session")
def line(small_world: Path, tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Line:
    bundle = tmp_path_factory.mktemp("recommender") / "bundle"
    train(small_world, bundle, hold_out_days=HOLD_OUT_DAYS, settings=tiny, threads=1, step=lambda _: None)
    return Line(small_world, bundle, tiny)


@pytest.fixture(scope="session")
def preference(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preference bundle of the same world, with less of its end held out."""
    bundle = tmp_path_factory.mktemp("preference") / "bundle"
    recipe = PreferenceRecipe(shape=PreferenceShape(embedding=4, heads=2, key=2, value=2, hidden=(8, 4)), epochs=1, batch=256)
    train_preference(small_world, bundle, hold_out_days=HOLD_OUT_DAYS // 2, recipe=recipe, threads=1, step=lambda _: None)
    return bundle


@pytest.fixture(scope="session")
def packed_line(small_world: Path, tiny: Settings, preference: Path, tmp_path_factory: pytest.TempPathFactory) -> Line:
    """The line with that preference bundle packed in."""
    bundle = tmp_path_factory.mktemp("packed") / "bundle"
    train(small_world, bundle, hold_out_days=HOLD_OUT_DAYS, settings=tiny, threads=1, step=lambda _: None, preference=preference)
    return Line(small_world, bundle, tiny, preference)
