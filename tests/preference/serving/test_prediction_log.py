"""What the service writes to the prediction log is what it answered."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from cellar_preference.serving.service import PreferenceService
from cellar_shared.events.moments import iso_of, moment_of
from cellar_shared.events.predictions import read_predictions
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.telemetry import names, predictions
from cellar_shared.telemetry.member_hash import MemberHash
from cellar_shared.telemetry.prediction_files import FOLDER_LOCK
from cellar_shared.telemetry.predictions import PredictionSettings
from cellar_shared.telemetry.recorder import RECORDER

from .conftest import Client

AS_OF = "2021-06-15T12:00:00Z"
KEY = "k" * 32
PATIENCE_S = 60.0


def numbers(metric: names.Metric) -> dict[tuple[str | int, ...], float]:
    return next((dict(family.numbers) for family in RECORDER.families() if family.metric is metric), {})


@pytest.fixture
def logged(own, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(predictions, "CLOSED_WITHIN_S", 60.0)  # a busy disk is not what is asked about
    service = PreferenceService(own.bundle, LmdbStore(own.store), "green", PredictionSettings(tmp_path / "log", key=KEY))
    client = Client(service).start()
    yield client
    client.close()


def test_each_wine_answered_is_a_row_with_the_answers_own_numbers(logged, tmp_path, line, busiest, wine_ids):
    wines = [{"wine_id": wine_ids[0], "vintage": 2015}, {"wine_id": wine_ids[1], "vintage": "NV"}, {"wine_id": "unheard-of"}]
    request = {"wines": wines, "member_id": busiest[0], "as_of": AS_OF}
    answer = logged.post(request, x_ms_client_request_id="r-1", x_envoy_attempt_count="2").json()
    anonymous = logged.ask("w", history=[])
    assert logged.post({"wines": [], "history": []}).status_code == 422
    logged.let_go()
    rows = read_predictions(tmp_path / "log").sort("asked_at", "position").collect()
    assert rows["request_id"].to_list() == ["r-1"] * 3 + [anonymous["request_id"]]
    first = rows.head(3)
    assert first["probability"].to_list() == [result["probability"] for result in answer["results"]]
    assert first["wine_id"].to_list() == [wine["wine_id"] for wine in wines]
    assert (first["vintage"].to_list(), first["position"].to_list()) == ([2015, 0, None], [0, 1, 2])
    assert set(first["member_hash"]) == {MemberHash(KEY).of(busiest[0])}
    assert [iso_of(moment_of(moment)) for moment in first["as_of"]] == [answer["as_of"]] * 3
    assert (set(first["attempt"]), set(rows["deployment"]), set(rows["sample_rate"])) == ({2}, {"green"}, {1.0})
    assert set(rows["bundle"]) == {answer["model"]["version"]} == {line.manifest.version}
    assert (set(rows["generation"]), set(rows["feature_fingerprint"])) == (
        {answer["model"]["generation"]}, {line.manifest.feature_fingerprint},
    )  # fmt: skip
    last = rows.row(3, named=True)
    assert (last["member_hash"], last["attempt"], last["degraded"]) == (None, 1, anonymous["degraded"])


def test_the_raw_score_is_the_networks_logit(logged, tmp_path, wine_ids, monkeypatch):
    seen = []
    predictor = type(logged.service._following.pinned.predictor)
    predict = predictor.predict_encoded

    def noting(self, encoded, trailing=None):
        seen.append(predict(self, encoded, trailing))
        return seen[-1]

    monkeypatch.setattr(predictor, "predict_encoded", noting)
    logged.ask(*wine_ids[:5], history=[], as_of=AS_OF)
    logged.let_go()
    rows = read_predictions(tmp_path / "log").sort("position").collect()
    assert rows["raw_score"].to_list() == seen[0].logits.tolist()


def test_a_log_that_cannot_be_written_costs_no_answer(logged, tmp_path, wine_ids):
    end = time.monotonic() + PATIENCE_S
    while not (tmp_path / "log" / FOLDER_LOCK).exists():  # its thread has begun
        assert time.monotonic() < end
        time.sleep(0.01)
    for file in (tmp_path / "log").iterdir():
        file.unlink()
    (tmp_path / "log").rmdir()
    before = numbers(names.PREDICTION_ROWS).get(("dropped",), 0)
    assert len(logged.ask(*wine_ids[:4], history=[], as_of=AS_OF)["results"]) == 4
    logged.let_go()
    assert numbers(names.PREDICTION_ROWS)["dropped",] == before + 4


def test_generation_and_what_is_degraded_are_counted(logged, own, line, wine_ids, busiest):
    before = numbers(names.ANSWERS_DEGRADED).get(("features_stale",), 0), numbers(names.STORE_FAILURES).get(("lmdb",), 0)
    assert logged.ask(wine_ids[0], history=[])["degraded"] == ["features_stale"]
    logged.service._following.pinned.generation.close()
    shutil.rmtree(own.store / "generations")
    assert "store_unavailable" in logged.ask(wine_ids[0], member_id=busiest[0])["degraded"]
    assert numbers(names.ANSWERS_DEGRADED)["features_stale",] == before[0] + 2
    assert numbers(names.STORE_FAILURES)["lmdb",] == before[1] + 1
    generation = logged.service._following.pinned.generation.manifest
    assert list(numbers(names.GENERATION_INFO)) == [(line.manifest.version, generation.id)]
    assert numbers(names.GENERATION_AGE)[()] > 0
