"""What `make test` runs: every folder of tests, in one of its two halves."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_each_folder_of_tests_is_in_one_half():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    halves = [re.search(rf"^{half}_TESTS +:= \$\(addprefix tests/,([a-z ]+)\)$", makefile, re.M) for half in ("FIRST", "SECOND")]
    named = [name for half in halves if half for name in half[1].split()]
    assert sorted(named) == sorted(folder.name for folder in (ROOT / "tests").iterdir() if any(folder.rglob("test_*.py")))
