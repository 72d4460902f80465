"""The commands `cellar data import`, `check` and `schema`, as a person or a script runs them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cellar_shared.events.tables import schema_of
from cellar_shared.events.tables_page import page

Cellar = Callable[..., subprocess.CompletedProcess[str]]


def test_an_import_answers_with_one_json_document(cellar: Cellar, release: Any, tmp_path: Path) -> None:
    done = cellar("data", "import", "xwines", release.folder, "--out", tmp_path / "data", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer.pop("recognised")["region"] == {"cells": 2, "share": 0.5, "misses": {"Serra": 1}}
    assert answer == {"out": str(tmp_path / "data"), "wines": 2, "ratings": 3, "refused": 0}


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


def test_an_increment_says_what_is_new_and_what_was_there(
    cellar: Cellar, release: Any, good_ratings: tuple[str, ...], tmp_path: Path
) -> None:
    release.take(tmp_path / "data")
    release.with_ratings(*good_ratings, "20,u1,2,2015,4,2020-01-04 06:00:00")
    words = ("data", "import", "xwines", release.folder, "--out", tmp_path / "data", "--since", "2020-01-03")
    done = cellar(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'data'}: 0 new wines, 1 new ratings; 0 replaced; 3 there already; 2 older\n"
    answer = json.loads(cellar(*words, "--json").stdout)
    assert answer.pop("recognised")
    assert answer == {
        "out": str(tmp_path / "data"), "wines": 0, "ratings": 0, "refused": 0, "replaced": {"wines": 0, "ratings": 0},
        "duplicates": {"wines": 2, "ratings": 2}, "before": {"wines": 0, "ratings": 2},
    }  # fmt: skip


@pytest.mark.parametrize("text", ["yesterday", "2020-13-01", "2020-01-03T10:00:00"])
def test_a_moment_that_is_none_is_refused(cellar: Cellar, release: Any, tmp_path: Path, text: str) -> None:
    done = cellar("data", "import", "xwines", release.folder, "--out", tmp_path / "data", "--since", text)
    assert done.returncode == 2
    assert f"--since '{text}' is no moment; say 2024-05-03 (its midnight UTC) or" in done.stderr


def test_own_tables_are_imported_by_their_map(cellar: Cellar, tmp_path: Path) -> None:
    (tmp_path / "wines.csv").write_text("id;title\n7;Grand Vin\n8;\n", "utf-8")
    (tmp_path / "map.yml").write_text(
        "namespace: shop\nscale: 1-5\ncsv: {delimiter: ;}\n"
        "tables: {wines: {files: wines.csv, columns: {wine_id: id, name: title}}}\n", "utf-8"
    )  # fmt: skip
    words = ("data", "import", "tables", tmp_path / "wines.csv", "--map", tmp_path / "map.yml", "--out", tmp_path / "data")
    refused = cellar(*words)
    assert refused.returncode == 2
    assert "error: wines.csv, line 3, column title: found '', expected a text" in refused.stderr
    done = cellar(*words, "--skip-bad", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"out": str(tmp_path / "data"), "wines": 1, "refused": 1}


def test_a_tables_schema_and_the_page_about_all_are_printed(cellar: Cellar) -> None:
    done = cellar("data", "schema", "night/curves")
    assert json.loads(done.stdout) == schema_of("night/curves")
    assert cellar("data", "schema").stdout == page()
    unknown = cellar("data", "schema", "corks")
    assert unknown.returncode == 2
    assert "there is no table 'corks'; the tables are bottles, " in unknown.stderr


def test_a_check_lists_every_broken_rule_on_standard_error(cellar: Cellar, tmp_path: Path, rows_of: Any, written: Any) -> None:
    written(tmp_path / "data", wines=rows_of("wines", 2, body=pl.lit(9.0), abv=pl.lit(-1.0)))
    done = cellar("data", "check", tmp_path / "data", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "wines, row 1, column abv: found -1.0, expected a number from 0 to 80 (so are 1 more rows)" in done.stderr
    assert "wines, row 1, column body: found 9.0, expected a number from 1 to 5 (so are 1 more rows)" in done.stderr
