"""What training gathers is what the encoder makes of the same histories, and no later event changes it."""

from __future__ import annotations

import numpy as np
import pytest

from cellar_recommender.serving.recommender import tasted_of
from cellar_recommender.serving.towers import MemberInputs
from cellar_recommender.training.asking import tasted_wines
from cellar_recommender.training.rows import LikedRows
from cellar_shared.events.tables import DataFolder
from cellar_shared.features.encoder import Encoder
from cellar_shared.store.looking_back import counts_of, vocabulary_of
from cellar_shared.store.rating_log import RatingLog, read_rating_log


@pytest.fixture(scope="module")
def log(small_world):
    return read_rating_log(DataFolder.open(small_world))


def rows_of(log, known, asked) -> LikedRows:
    return LikedRows(log, known, counts_of(log, known), Encoder(vocabulary_of(log, np.ones(len(log.events), dtype=bool), 5)), asked)


def test_a_gathered_batch_is_what_the_encoder_makes_of_the_same_questions(log):
    everything = np.ones(len(log.events), dtype=bool)
    rows = rows_of(log, everything, everything)
    places = np.linspace(0, len(rows) - 1, 60).astype(np.int64)
    span = rows.latest().only(places)
    questions = rows.questions(places, span)
    encoded = MemberInputs.of(rows.encoder.encode(questions, rows.counts), questions.as_of)
    batch = rows.batch(places, span)
    for name, values in batch.inputs().items():
        np.testing.assert_array_equal(values, encoded.inputs()[name], err_msg=name)
    np.testing.assert_array_equal(tasted_wines(rows, span)["wine"], tasted_of(questions.histories)["wine"])


def test_only_first_likes_of_a_wine_are_asked_about(log):
    everything = np.ones(len(log.events), dtype=bool)
    seen, wanted = set(), []
    for place, (member, event) in enumerate(zip(log.members, log.events, strict=True)):
        if event["liked"] and (member, event["row"]) not in seen:
            wanted.append(place)
        seen.add((member, event["row"]))
    assert rows_of(log, everything, everything).index.tolist() == wanted


def test_a_wine_rated_again_is_no_question(log):
    again = np.flatnonzero((np.diff(log.members) == 0) & (log.events["liked"][1:] > 0))[0]
    events = log.events.copy()
    events["row"][again + 1] = events["row"][again]
    changed = RatingLog(log.wine_ids, log.wines, log.member_ids, log.members, events, log.event_ids)
    everything = np.ones(len(events), dtype=bool)
    assert again + 1 in rows_of(log, everything, everything).index
    assert again + 1 not in rows_of(changed, everything, everything).index


def test_no_event_at_or_after_the_moment_changes_what_is_seen(log):
    moment = int(np.quantile(log.events["moment"], 0.6))
    asked = np.zeros(len(log.events), dtype=bool)
    asked[np.flatnonzero((log.events["moment"] >= moment) & (log.events["liked"] > 0))[:200]] = True
    everything = np.ones(len(log.events), dtype=bool)
    whole = rows_of(log, everything, asked)
    for place in (0, 50, 150):
        known = log.events["moment"] < whole.as_of[place]
        cut = rows_of(log, known, asked)
        at = np.array([place])
        for name, values in cut.batch(at, cut.latest().only(at)).inputs().items():
            np.testing.assert_array_equal(values, whole.batch(at, whole.latest().only(at)).inputs()[name], err_msg=name)
