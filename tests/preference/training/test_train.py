"""Training as a whole: repeatable, refused with a sentence where it cannot be, and nothing half written."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import msgspec
import polars as pl
import pytest

from cellar_shared.bundle.golden import GoldenCases
from cellar_shared.bundle.manifest import version_of
from cellar_shared.errors import BadInput
from cellar_shared.evaluation.days import days_of
from cellar_shared.features.identity import identity
from cellar_shared.liking.predictor import GOLDEN_FILE


def test_the_same_data_and_seed_give_the_same_bundle(line, tmp_path):
    line.train_again(tmp_path / "again")
    first, again = line.manifest, replace(line, bundle=tmp_path / "again").manifest
    assert again.files == first.files
    # A commit made while the tests run is not training's doing.
    facts = again.facts | {"commit": first.facts["commit"]}
    assert version_of(msgspec.structs.replace(again, facts=facts)) == first.version


def test_a_manifest_says_where_the_bundle_comes_from(line):
    manifest = line.manifest
    assert manifest.facts["data_source"] == "simulate"
    assert manifest.facts["members"] > 300
    assert set(manifest.facts["libraries"]) >= {"torch", "onnxruntime", "numpy"}
    assert manifest.settings["recipe"]["epochs"] == 1
    assert manifest.metrics["calibration"]["rows"] > 100
    assert 0 <= manifest.metrics["calibration"]["ece"] < 0.5


def test_an_existing_folder_is_refused_before_anything_is_read(line, tmp_path):
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "mine").write_text("keep")
    with pytest.raises(BadInput, match="already exists and a bundle is never changed"):
        line.train_again(out, data=tmp_path / "nowhere")
    assert [file.name for file in out.iterdir()] == ["mine"]


def test_too_little_data_is_refused_with_how_much_is_needed(line, ratings, data_of, tmp_path):
    few = data_of(tmp_path / "few", ratings.head(199))
    with pytest.raises(BadInput, match="199 ratings are too few to learn from; 200 is the least"):
        line.train_again(tmp_path / "bundle", data=few, hold_out_days=0)
    assert not (tmp_path / "bundle").exists()


def test_a_hold_out_longer_than_the_data_leaves_too_little(line, tmp_path):
    with pytest.raises(BadInput, match="0 ratings are too few"):
        line.train_again(tmp_path / "bundle", hold_out_days=20_000)


def test_ratings_without_any_date_are_refused(line, ratings, data_of, tmp_path):
    undated = ratings.with_columns(rated_at=pl.lit(None, dtype=ratings.schema["rated_at"]), time_precision=pl.lit("unknown"))
    data = data_of(tmp_path / "undated", undated)
    with pytest.raises(BadInput, match="no rating with a date"):
        line.train_again(tmp_path / "bundle", data=data)


@pytest.mark.parametrize(("text", "days"), [("30d", 30), ("0d", 0), ("6w", 42), (" 1d ", 1)])
def test_spans_of_days_are_read(text, days):
    assert days_of(text) == days


@pytest.mark.parametrize("text", ["", "30", "d", "-3d", "1.5d", "30 d", "3m", "30days", "999999d"])
def test_what_is_no_span_of_days_is_refused_with_an_example(text):
    with pytest.raises(BadInput, match="for example 30d"):
        days_of(text)


@pytest.mark.slow
def test_the_command_refuses_a_bad_hold_out_before_it_trains(cellar, line, tmp_path):
    done = cellar("train", "preference", "--data", line.data, "--out", tmp_path / "bundle", "--hold-out", "soon")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'soon' is no span of days" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_golden_case_holds_what_a_member_tasted(line, ratings):
    golden = GoldenCases.from_bytes((line.bundle / GOLDEN_FILE).read_bytes()).questions
    histories = golden.histories
    wines, offsets = histories.wines["wine"].tolist(), histories.offsets.tolist()
    assert len(wines) > 50
    real = [(row["member_id"], identity("wine", row["wine_id"]), row["moment"]) for row in ratings.iter_rows(named=True)]
    assert not {(wine, moment) for _, wine, moment in real} & set(zip(wines, histories.moments.tolist(), strict=True))
    tasted: dict[str, list[int]] = {}
    for member, wine, _ in real:
        tasted.setdefault(member, []).append(wine)
    for begin, end in pairwise(offsets):
        run = wines[begin:end]
        if len(run) >= 5:  # shorter runs of popular wines meet by chance
            assert not any(run == own[at : at + len(run)] for own in tasted.values() for at in range(len(own)))


def test_golden_moments_lie_before_the_question_and_rise(line):
    golden = GoldenCases.from_bytes((line.bundle / GOLDEN_FILE).read_bytes()).questions
    histories = golden.histories
    for member, (begin, end) in enumerate(pairwise(histories.offsets.tolist())):
        moments = histories.moments[begin:end].tolist()
        assert moments == sorted(moments)
        assert all(moment < golden.as_of[member] for moment in moments)
