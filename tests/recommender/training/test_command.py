"""The commands as a person calls them."""

from __future__ import annotations

import json

import pytest

from cellar_recommender.serving.recommender import Recommender


def test_what_does_not_go_together_is_refused_in_words(cellar, small_world, line, tmp_path):
    done = cellar("evaluate", "recommender", "--data", small_world, "--bundle", line.bundle, "--out", tmp_path / "out", "--split", "warm")
    assert done.returncode != 0
    assert "leave them out" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_bundle_is_trained_with_a_preference_bundle_packed_in_and_judged(cellar, small_world, preference, tmp_path):
    words = ("--data", small_world, "--epochs", "1", "--rounds", "5", "--threads", "1", "--json")
    trained = cellar("train", "recommender", *words, "--hold-out", "200d", "--preference", preference, "--out", tmp_path / "bundle")
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["metrics"]["tower_epochs"] == 1
    assert Recommender.open(tmp_path / "bundle").liking is not None
    judged = cellar("evaluate", "recommender", *words, "--bundle", tmp_path / "bundle", "--out", tmp_path / "report")
    assert judged.returncode == 0, judged.stderr
    report = json.loads((tmp_path / "report" / "evaluation.json").read_text())
    assert [split["name"] for split in report["splits"]] == ["unseen", "unseen_5", "unseen_0"]
