"""A serving install, without extras and from the lock, answers; and nothing that only training needs comes with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).with_name("uv")
FOR_TRAINING = ["torch", "lightgbm", "sklearn", "polars", "pyarrow", "pandas", "mlflow", "azure", "onnx", "onnxscript", "jinja2"]
UNREACHABLE = re.compile(
    r"error sending request|dns error|client error \(Connect\)|Could not connect|operation timed out|Failed to fetch", re.I
)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with both scoring services, no extras."""
    if not UV.is_file():
        pytest.skip(f"{UV} is missing: `make env` brings it")
    place = tmp_path_factory.mktemp("bare") / "venv"
    # Which torch to take is the full environment's matter: this one has none.
    env = {name: value for name, value in os.environ.items() if name not in ("UV_FIND_LINKS", "UV_TORCH_BACKEND", "PYTHONPATH")}
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, place], check=True, env=env, timeout=300)
    install = [UV, "pip", "install", "-q", "--python", place / "bin" / "python", "-c", "constraints.txt", "--no-sources",
               "./shared", "./services/preference", "./services/recommender"]  # fmt: skip
    done = subprocess.run(install, cwd=ROOT, env=env, capture_output=True, text=True, timeout=1200, check=False)
    if done.returncode and UNREACHABLE.search(done.stderr):
        pytest.skip(f"the package index cannot be reached: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return place / "bin"


def run(program: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=300, check=False, env=os.environ | {"COLUMNS": "200"})


def test_a_serving_install_answers(bare: Path, made, serving: Callable[..., object]) -> None:
    with serving(made, bare / "cellar") as service:
        request = {"member_id": "m1", "wines": [{"wine_id": "w001"}], "as_of": service.events_through()}
        status, answer = service.ask("POST", "/score", request)
        assert status == 200
        assert answer["degraded"] == []
        assert service.stop() == 0


def test_a_serving_install_recommends(bare: Path, made, recommender: Path, serving_recommender: Callable[..., object]) -> None:
    with serving_recommender(recommender, made.store, bare / "cellar") as service:
        request = {"member_id": "m1", "limit": 5, "as_of": service.events_through("recommender"), "explain": True}
        status, answer = service.ask("POST", "/score", request)
        assert status == 200, answer
        assert answer["degraded"] == []
        assert [item["position"] for item in answer["items"]] == [1, 2, 3, 4, 5]
        assert all(0 < item["probability"] < 1 and item["reasons"] for item in answer["items"])
        assert service.stop() == 0


def test_a_serving_install_holds_nothing_that_only_training_needs(bare: Path) -> None:
    look = f"import importlib.util as u; print([name for name in {FOR_TRAINING} if u.find_spec(name)])"
    assert run(bare / "python", "-I", "-c", look).stdout.strip() == "[]"


def test_a_serving_install_lists_every_command_and_says_what_training_would_need(bare: Path) -> None:
    assert "evaluate" in run(bare / "cellar", "--help").stdout
    done = run(bare / "cellar", "train", "preference", "--data", "d", "--out", "o")
    assert done.returncode == 1
    assert "Install the distribution's extra" in done.stderr
    assert "Traceback" not in done.stderr
