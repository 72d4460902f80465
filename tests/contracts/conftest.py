"""What the contract suites stand on: a service on a bundle trained for the purpose, as a process."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cellar_shared.client.preference import PreferenceClient

READY_WITHIN_S = 60.0

# The fixtures of the preference tests, which a conftest beside theirs cannot see.
spec = importlib.util.spec_from_file_location("contracts_preference", Path(__file__).parents[1] / "preference" / "conftest.py")
assert spec
assert spec.loader
preference = importlib.util.module_from_spec(spec)
sys.modules["contracts_preference"] = preference  # dataclasses look annotations up there
spec.loader.exec_module(preference)
line, serving = preference.line, preference.serving


@pytest.fixture(scope="session")
def preference_url(line: Any, serving: Callable[..., Any]) -> Iterator[str]:
    """Where a preference service answers that has loaded."""
    with serving(line) as (_, port):
        url = f"http://127.0.0.1:{port}"
        with PreferenceClient(url, timeout_s=READY_WITHIN_S) as client:
            client.ready()
        yield url
