"""What is evaluated is what is served: a row of the log, looked back at as training does, has the answer that the service gives."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from cellar_preference.training.rows import RatedRows
from cellar_shared.calibration.trailing import WINDOW_DAYS, TrailingOffset
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, day_of, iso_of, moment_of
from cellar_shared.events.tables import DataFolder
from cellar_shared.store.looking_back import counts_of
from cellar_shared.store.rating_log import read_rating_log

# Float32 sums of batches padded to another length, then rounding to six decimals.
SAME = 2e-6


def test_rows_of_the_log_are_answered_as_the_service_answers_them(client, line, predictor):
    log = read_rating_log(DataFolder.open(line.data))
    moments = log.events["moment"]
    everything = np.ones(len(moments), dtype=bool)
    through = moment_of(datetime.fromisoformat(line.manifest.trained_through))
    recent = RatedRows(
        log, everything, counts_of(log, everything), predictor.encoder, moments >= through - WINDOW_DAYS * MICROSECONDS_PER_DAY
    )
    span = recent.latest(predictor.history_limit)
    encoded = recent.batch(np.arange(len(recent)), span)
    days = day_of(recent.as_of)
    track = TrailingOffset.of_outcomes(days, predictor.predict_encoded(encoded).probabilities, recent.labels)
    evaluated = predictor.predict_encoded(encoded, track.at(days))

    held_out = np.flatnonzero(recent.as_of >= through)
    assert len(held_out) > 50
    for place in held_out[:: len(held_out) // 50]:
        row = recent.index[place]
        vintage = int(log.events["vintage"][row])
        wine = {"wine_id": str(log.wine_ids[log.events["row"][row]]), "vintage": {0: "NV", -1: None}.get(vintage, vintage)}
        answer = client.ask(wine, member_id=str(log.member_ids[log.members[row]]), as_of=iso_of(recent.as_of[place]))
        (result,) = answer["results"]
        assert result["probability"] == pytest.approx(evaluated.probabilities[place], abs=SAME)
        assert result["evidence"]["own_tastings"] == evaluated.own_tastings[place] == span.lengths[place]
        assert result["evidence"]["wine_ratings"] == evaluated.wine_ratings[place]
