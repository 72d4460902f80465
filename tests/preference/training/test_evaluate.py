"""What `cellar evaluate preference` takes, and which rows it judges on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cellar_preference.training import evaluate
from cellar_shared.display import Reporter


def test_another_seed_of_the_recipe_is_judged_on_the_same_rows(line, monkeypatch):
    class Made(Exception):
        """What splits were made."""

    made = []

    def keep_and_stop(log, seed, only):
        made.append([split.test.tobytes() for split in make_splits(log, seed, only)])
        raise Made

    make_splits = evaluate.make_splits
    monkeypatch.setattr(evaluate, "make_splits", keep_and_stop)
    for seed in (20, 21):
        with pytest.raises(Made):
            evaluate.evaluate_recipe(
                line.data, replace(line.recipe, seed=seed), only=(), baselines=False, threads=1, reporter=Reporter(True)
            )
    assert made[0] == made[1]


def test_splits_are_not_for_a_bundle(cellar, line, tmp_path):
    words = ("--data", line.data, "--bundle", line.bundle, "--split", "warm", "--out", tmp_path / "out")
    done = cellar("evaluate", "preference", *words)
    assert done.returncode == 2
    assert "leave one of the two out" in done.stderr
    assert not (tmp_path / "out").exists()
