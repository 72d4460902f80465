"""The command `cellar data simulate`, as a person or a script runs it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cellar_shared.events.tables import DataFolder

Cellar = Callable[..., subprocess.CompletedProcess[str]]

SMALL = ("data", "simulate", "--members", "60", "--wines", "30", "--seed", "2")


def test_a_world_is_answered_with_one_json_document(cellar: Cellar, tmp_path: Path) -> None:
    done = cellar(*SMALL, "--out", tmp_path / "data", "--family", "picky", "--ratings-per-member", "5", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["family"], told["members"], told["wines"]) == ("picky", 60, 30)
    folder = DataFolder.open(tmp_path / "data")
    assert {table: folder.manifest.tables[table].rows for table in ("wines", "ratings", "notes")} == {
        table: told[table] for table in ("wines", "ratings", "notes")
    }
    truth = folder.scan("truth").collect()["probability"]
    assert told["mean_chance"] == pytest.approx(truth.mean())


def test_a_standing_folder_is_replaced_only_on_request(cellar: Cellar, tmp_path: Path) -> None:
    words = (*SMALL, "--out", tmp_path / "data")
    first = cellar(*words)
    assert first.returncode == 0, first.stderr
    assert "30 wines, 60 members" in first.stdout
    assert cellar(*words).returncode == 2
    assert cellar(*words, "--replace").returncode == 0


def test_a_world_with_cellars_tells_what_it_has(cellar: Cellar, tmp_path: Path) -> None:
    cellars = ("--bottles", "300", "--windows", "40", "--ageing", "skewed")
    done = cellar(*SMALL, "--out", tmp_path / "data", *cellars, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["ageing"], told["bottles"], told["windows"]) == ("skewed", 300, 40)
    tables = DataFolder.open(tmp_path / "data").manifest.tables
    for table in ("storage", "bottles", "outcomes", "windows", "truth_ageing"):
        assert told[table] == tables[table].rows
    assert "300 bottles" in cellar(*SMALL, "--out", tmp_path / "data", *cellars, "--replace").stdout


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--ageing", "eternal", "ageing 'eternal' is not known; use one of classic, skewed"),
        ("--bottles", "100000001", "--bottles 100,000,001 is out of range; give 0 to 100,000,000"),
        ("--family", "martian", "family 'martian' is not known; use one of base, picky"),
        ("--members", "0", "--members 0 is out of range; give 1 to"),
        ("--wines", "19", "--wines 19 is out of range; give 20 to"),
        ("--seed", "-1", "--seed -1 is out of range; give 0 to"),
        ("--ratings-per-member", "0.5", "--ratings-per-member 0.5 is out of range; give 1 to"),
    ],
)
def test_what_cannot_be_made_is_refused_with_what_can(cellar: Cellar, tmp_path: Path, option: str, value: str, sentence: str) -> None:
    done = cellar(*SMALL, "--out", tmp_path / "data", option, value)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert not list(tmp_path.iterdir())
