"""From ratings to an answered request, and what a person reads when a step is asked for wrongly."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta

import polars as pl
import pytest

from cellar_shared.bundle.manifest import Bundle
from cellar_shared.events.tables import DataFolder, DataWriter

pytestmark = pytest.mark.slow

# Runs `cellar` with one module that cannot be imported, as in an installation without it.
WITHOUT = "import sys; sys.modules[sys.argv.pop(1)] = None; from cellar_shared.command import main; main()"


def test_every_step_says_what_it_made(made):
    said = made.said
    assert said["simulate"]["members"] == said["materialize"]["members"] == 600
    assert said["simulate"]["ratings"] == said["check"]["ratings"] == said["materialize"]["ratings"]
    assert said["train"]["version"] == Bundle.open(made.bundle, "preference").manifest.version
    assert said["materialize"]["generation"] == (made.store / "CURRENT").read_text().strip()


def test_the_line_ends_in_an_answered_request_and_sigterm_in_a_clean_exit(made, serving):
    with serving(made) as service:
        request = {"member_id": "m1", "wines": [{"wine_id": "w001"}, {"wine_id": "w002"}], "as_of": service.events_through()}
        status, answer = service.ask("POST", "/score", request)
        assert status == 200
        assert answer["model"]["version"] == made.said["train"]["version"]
        assert answer["model"]["generation"] == made.said["materialize"]["generation"]
        assert answer["degraded"] == []
        assert all(0 < result["probability"] < 1 for result in answer["results"])
        assert service.ask("POST", "/score", request | {"history": []})[0] == 422
        assert service.ask("GET", "/v2/models/preference")[1]["versions"] == [made.said["train"]["version"]]
        assert service.stop() == 0


def test_a_service_started_again_gives_the_same_answers(made, serving):
    request = {"member_id": "m2", "wines": [{"wine_id": f"w{place:03}"} for place in range(1, 101)], "as_of": "2021-12-31T12:00:00Z"}
    answers = []
    for _ in range(2):
        with serving(made) as service:
            answers.append(service.ask("POST", "/score", request)[1]["results"])
    assert answers[0] == answers[1]


def test_a_recipe_is_evaluated_on_a_split(made, cellar, tmp_path):
    words = ("evaluate", "preference", "--data", made.data, "--no-baselines", "--split", "warm", "--epochs", "1", "--networks", "1")
    done = cellar(*words, "--threads", "1", "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["splits"] == ["warm"]
    evaluation = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    (split,) = evaluation["splits"]
    assert split["rows"] >= 100
    assert {"network", "wine rate"} <= set(split["contestants"])
    assert 0 < split["contestants"]["network"]["log_loss"]["value"] < 1
    assert "<html" in (tmp_path / "out" / "evaluation.html").read_text("utf-8")


def test_a_split_nobody_knows_is_refused_with_those_there_are(made, cellar, tmp_path):
    done = cellar("evaluate", "preference", "--data", made.data, "--split", "lukewarm", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "lukewarm" in done.stderr
    assert "warm, members_5" in done.stderr


def test_a_bundle_is_evaluated_on_rows_it_never_saw_alone(made, cellar, tmp_path):
    done = cellar("evaluate", "preference", "--data", made.data, "--bundle", made.bundle, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    fitted = Bundle.open(made.bundle, "preference").manifest.facts["rows"]
    unseen = made.said["simulate"]["ratings"] - fitted
    assert f"{fitted:,} rows that the bundle was fitted on are left out, {unseen:,} remain" in done.stderr
    evaluation = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert [(split["name"], split["rows"]) for split in evaluation["splits"]] == [
        ("unseen", unseen), ("unseen_5", unseen), ("unseen_0", unseen)
    ]  # fmt: skip


def test_a_bundle_that_saw_every_row_cannot_be_evaluated(made, cellar, tmp_path):
    world = DataFolder.open(made.data)
    through = Bundle.open(made.bundle, "preference").manifest.trained_through
    # A day dated without a time counts from its end; a day's margin keeps all that is left within what was learnt from.
    last = datetime.fromisoformat(through) - timedelta(days=1)
    with DataWriter(tmp_path / "seen", world.manifest.namespace, world.manifest.scale, "part of a world") as writer:
        writer.add("wines", world.scan("wines").collect())
        writer.add("ratings", world.scan("ratings").filter(pl.col("rated_at") < last).collect())
    done = cellar("evaluate", "preference", "--data", tmp_path / "seen", "--bundle", made.bundle, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "was fitted on every rating" in done.stderr
    assert "--hold-out" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((), ["data", "train", "evaluate", "materialize", "serve", "demo"]),
        (("data",), ["import", "check", "simulate"]),
        (("serve",), ["preference"]),
    ],
)
def test_help_lists_the_commands_there_are(cellar, words, named):
    done = cellar(*words, "--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in named)


@pytest.mark.parametrize("words", [("decant",), ("data", "decant"), ("serve", "decant")])
def test_a_command_there_is_not_is_a_wrong_use(cellar, words):
    done = cellar(*words)
    assert done.returncode == 2
    assert "decant" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("torch", ("train", "preference", "--data", "d", "--out", "o")),
        ("torch", ("demo",)),
        ("lightgbm", ("evaluate", "preference", "--data", "d", "--out", "o")),
        ("polars", ("data", "check", "d")),
        ("polars", ("materialize", "--data", "d", "--store", "lmdb://s")),
    ],
)
def test_a_command_without_its_module_says_which_extra_brings_it(module, words):
    done = subprocess.run([sys.executable, "-c", WITHOUT, module, *words], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert f"needs the module {module}" in done.stderr
    assert "extra" in done.stderr
    assert "Traceback" not in done.stderr
