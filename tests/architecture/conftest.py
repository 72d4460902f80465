"""The repository as it is committed, and what the lock pins."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def project_files() -> list[Path]:
    """Every text file under version control, and those that git would take in."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is no git checkout: which files belong to the project is not known")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="session")
def modules() -> list[Path]:
    """Every module of the packages."""
    packages = (
        "shared/cellar_shared",
        "services/preference/cellar_preference",
        "services/recommender/cellar_recommender",
        "services/events/cellar_events",
        "batch/drinkability/cellar_drinkability",
        "batch/tonight/cellar_tonight",
        "deploy/cellar_deploy",
    )
    by_package = [list((ROOT / package).rglob("*.py")) for package in packages]
    assert all(by_package)
    found = [file for files in by_package for file in files]
    assert len(found) > 50
    return sorted(found)


@pytest.fixture(scope="session")
def pins() -> dict[str, str]:
    """The lock: version by name, of what it pins for this platform and Python."""
    pinned = {}
    for requirement in map(Requirement, (ROOT / "constraints.txt").read_text().splitlines()):
        (specifier,) = requirement.specifier
        assert (specifier.operator, requirement.url, requirement.extras) == ("==", None, set())
        if requirement.marker is None or requirement.marker.evaluate():
            name = canonicalize_name(requirement.name)
            assert name not in pinned
            pinned[name] = specifier.version
    return pinned
