"""The made evening (sample.py), for the report's tests to draw on."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def sample() -> ModuleType:
    """The module beside this one that makes evenings."""
    return _beside("sample.py")


@pytest.fixture(scope="session")
def markup() -> ModuleType:
    """The module beside this one that reads pages."""
    return _beside("markup.py")


def _beside(name: str) -> ModuleType:
    file = Path(__file__).with_name(name)
    spec = importlib.util.spec_from_file_location(f"report_{file.stem}", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look annotations up there
    spec.loader.exec_module(module)
    return module
