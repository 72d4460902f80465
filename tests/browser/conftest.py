"""A headless Chromium of the system and the made evening, for tests of what a person opens; skipped with a message where there is none."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from playwright.sync_api import Browser, sync_playwright

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser, one for a module's tests: while it runs, Playwright keeps an event loop in this thread, and nothing else may run one."""
    screenshots = _module(HERE / "screenshots.py")
    program = screenshots.chromium()
    if program is None:
        pytest.skip(screenshots.HOW)
    with sync_playwright() as playwright:
        # Root, as which containers run, gets no sandbox from Chromium; what it opens here we wrote ourselves.
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def sample() -> ModuleType:
    """The module that makes evenings for the report's tests."""
    return _module(HERE.parent / "tonight" / "report" / "sample.py")


def _module(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"browser_{file.stem}", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look annotations up there
    spec.loader.exec_module(module)
    return module
