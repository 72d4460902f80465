"""The commands `cellar data import xwines` and `cellar data check`, as a person or a script runs them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

Cellar = Callable[..., subprocess.CompletedProcess[str]]


def test_an_import_answers_with_one_json_document(cellar: Cellar, release: Any, tmp_path: Path) -> None:
    done = cellar("data", "import", "xwines", release.folder, "--out", tmp_path / "data", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"out": str(tmp_path / "data"), "wines": 2, "ratings": 3, "refused": 0}


def test_an_import_answers_a_person_in_one_line(cellar: Cellar, release: Any, good_ratings: tuple[str, ...], tmp_path: Path) -> None:
    release.with_ratings(*good_ratings, "13,u,1,0,9,2020-01-01")
    done = cellar("data", "import", "xwines", release.folder, "--out", tmp_path / "data", "--skip-bad")
    assert done.returncode == 0, done.stderr
    listed = tmp_path / "data" / "refused.csv"
    assert done.stdout == f"{tmp_path / 'data'}: 2 wines, 3 ratings; 1 rows left out, listed in {listed}\n"
    assert listed.is_file()


def test_a_refused_import_exits_with_two_and_the_place_on_standard_error(cellar: Cellar, release: Any, tmp_path: Path) -> None:
    release.with_ratings("1,u,1,0,nine,2020-01-01")
    done = cellar("data", "import", "xwines", release.folder, "--out", tmp_path / "data", "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "error: ratings.csv, line 2, column Rating: found 'nine', expected a rating from 1 to 5" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_import_over_an_existing_folder_needs_the_word_replace(cellar: Cellar, release: Any, tmp_path: Path) -> None:
    words = ("data", "import", "xwines", release.folder, "--out", tmp_path / "data")
    assert cellar(*words).returncode == 0
    again = cellar(*words)
    assert again.returncode == 2
    assert "already exists; name another folder or say --replace" in again.stderr
    assert cellar(*words, "--replace").returncode == 0


def test_an_import_without_its_options_says_which(cellar: Cellar, release: Any) -> None:
    done = cellar("data", "import", "xwines", release.folder)
    assert done.returncode == 2
    assert "--out" in done.stderr


def test_a_check_answers_with_the_facts_or_the_fault(cellar: Cellar, release: Any, tmp_path: Path) -> None:
    release.take(tmp_path / "data")
    good = cellar("data", "check", tmp_path / "data", "--json")
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["ratings"] == 3

    with (tmp_path / "data" / "ratings" / "part-00000.parquet").open("ab") as stream:
        stream.write(b"!")
    bad = cellar("data", "check", tmp_path / "data")
    assert bad.returncode == 2
    assert "ratings/part-00000.parquet: found another content than was written" in bad.stderr
