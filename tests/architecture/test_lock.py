"""One lock: it names no place, pins all that is installed, and serving needs nothing that only training does."""

from __future__ import annotations

import re
from importlib.metadata import distributions, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = {
    *("cellar-shared", "cellar-preference", "cellar-recommender", "cellar-events"),
    *("cellar-drinkability", "cellar-tonight", "cellar-deploy"),
}
MAKES_THE_ENVIRONMENT = {"uv", "pip", "setuptools"}
FOR_TRAINING = {"torch", "lightgbm", "scikit-learn", "polars", "pyarrow", "pandas", "mlflow", "azure-ai-ml", "onnx", "onnxscript", "jinja2"}


def closure(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Every distribution that an install of `name` with `extras` brings on this platform, itself included."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(canonicalize_name(name), extras)]
    while waiting:
        distribution, wanted = waiting.pop()
        if (distribution, wanted) in seen:
            continue
        seen.add((distribution, wanted))
        for requirement in map(Requirement, requires(distribution) or []):
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in wanted | {""}):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {distribution for distribution, _ in seen}


def test_serving_preference_needs_nothing_that_only_training_does(pins):
    serving = closure("cellar-preference")
    assert {"onnxruntime", "numpy", "starlette", "uvicorn", "lmdb"} <= serving
    assert not serving & FOR_TRAINING
    assert serving - OURS <= set(pins)
    assert serving & OURS == {"cellar-preference", "cellar-shared"}


def test_serving_the_recommender_needs_nothing_that_only_training_does(pins):
    serving = closure("cellar-recommender")
    assert {"faiss-cpu", "onnxruntime", "numpy", "msgspec"} <= serving
    assert not serving & (FOR_TRAINING | {"scipy"})
    assert serving - OURS <= set(pins)
    assert serving & OURS == {"cellar-recommender", "cellar-shared"}


def test_serving_events_needs_nothing_that_only_training_does_and_no_network_runtime(pins):
    serving = closure("cellar-events")
    assert {"redis", "lmdb", "starlette", "uvicorn", "msgspec"} <= serving
    assert not serving & (FOR_TRAINING | {"onnxruntime"})
    assert serving - OURS <= set(pins)
    assert serving & OURS == {"cellar-events", "cellar-shared"}


def test_a_night_needs_nothing_that_only_training_does(pins):
    night = closure("cellar-drinkability")
    assert {"onnxruntime", "numpy", "polars", "pyarrow"} <= night
    assert not night & (FOR_TRAINING - {"polars", "pyarrow"})
    assert night - OURS <= set(pins)
    assert night & OURS == {"cellar-drinkability", "cellar-shared"}


def test_training_preference_brings_what_serving_leaves_out(pins):
    # That the walk follows extras at all: without this the test above could not fail.
    training = closure("cellar-preference", frozenset({"training"}))
    assert {"torch", "lightgbm", "scikit-learn", "polars", "pyarrow", "onnx", "onnxscript", "jinja2"} <= training
    assert training - OURS <= set(pins)


def test_everything_installed_is_pinned_at_the_version_that_is_installed(pins):
    installed = {
        canonicalize_name(distribution.name): re.sub(r"\+.*", "", distribution.version)  # torch's +cpu
        for distribution in distributions()
    }
    assert len(installed) > 50
    others = {name: version for name, version in installed.items() if name not in OURS | MAKES_THE_ENVIRONMENT}
    assert others == {name: pins.get(name, "no pin") for name in others}


def test_the_lock_names_no_place(root):
    text = (root / "constraints.txt").read_text()
    assert re.findall(r".*(?:@|/|\\|--|\.(?:org|com|io|net)\b).*", text) == []
    assert all(re.match(r"[a-z0-9][a-z0-9._-]*==[0-9]", line) for line in text.splitlines())


@pytest.mark.parametrize(
    "member", ["shared", "services/preference", "services/recommender", "services/events", "batch/drinkability", "batch/tonight", "deploy"]
)
def test_a_member_builds_with_a_pinned_backend_and_asks_for_no_build_of_torch(root, member):
    text = (root / member / "pyproject.toml").read_text()
    assert re.search(r'requires = \["hatchling==[\d.]+"\]', text)
    assert "+cpu" not in text
    assert "://" not in text
