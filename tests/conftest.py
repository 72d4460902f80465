"""What any test may ask for: the published data, a small made-up world, and the real `cellar` command."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from cellar_shared.events.simulate.settings import WorldSettings
from cellar_shared.events.simulate.world import simulate_world

BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the published data sets (xwines/, windows/, cellartracker/); its tests carry the mark real_data."""
    named = os.environ.get("CELLAR_TEST_DATA")
    folder = Path(named) if named else BESIDE_THE_REPOSITORY
    if not (folder / "xwines" / "ratings.csv").is_file():
        pytest.skip(f"no published data in {folder}: set CELLAR_TEST_DATA to the folder that holds xwines/ratings.csv")
    return folder


@pytest.fixture(scope="session")
def worlds() -> ModuleType:
    """Strategies for small worlds (shared/features/worlds.py), for laws to draw from."""
    spec = importlib.util.spec_from_file_location("worlds", Path(__file__).parent / "shared" / "features" / "worlds.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["worlds"] = module  # dataclasses look annotations up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a made-up world of 400 members and 120 wines, for reading only."""
    out = tmp_path_factory.mktemp("world") / "data"
    simulate_world(WorldSettings(members=400, wines=120, seed=11), out, progress=lambda _: None)
    return out


@pytest.fixture(scope="session")
def cellar() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the installed `cellar` with the arguments given and returns what came of it."""
    program = Path(sys.executable).with_name("cellar")

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        words = [str(program), *map(str, arguments)]
        return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, env=os.environ | {"COLUMNS": "200"})

    return run
