"""Rated rows: what training gathers is what the encoder makes of the same questions, and what a generation answers."""

from __future__ import annotations

import asyncio

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_preference.training.rows import HISTORY_LIMIT, RatedRows
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, NEVER
from cellar_shared.events.tables import DataFolder
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.features.histories import history_of, wines_of
from cellar_shared.store.generation import Generation
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.looking_back import Span, counts_of
from cellar_shared.store.materialize import materialize
from cellar_shared.store.rating_log import read_rating_log

LAW = settings(max_examples=50, deadline=None, derandomize=True)


def some(data, rows):
    """A mask over a log's ratings."""
    return np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), dtype=bool)


def drawn_rows(worlds, data):
    """A world and rows of its log; visible, counted and asked ratings are any, and a member's last one may have no moment."""
    world = data.draw(worlds.worlds(fewest=1))
    log = world.log()
    last = np.append(log.members[1:] != log.members[:-1], True)
    log.events["moment"][last & some(data, len(last))] = NEVER
    visible, counted, asked = (some(data, len(last)) for _ in range(3))
    asked &= log.events["moment"] != NEVER
    return log, visible, RatedRows(log, visible, counts_of(log, counted), world.encoder, asked)


def drawn_span(data, rows, places):
    """Any stretch of each row's past."""
    begin, end = rows.full.begin[places], rows.full.end[places]
    cuts = [
        sorted((data.draw(st.integers(int(b), int(e))), data.draw(st.integers(int(b), int(e))))) for b, e in zip(begin, end, strict=True)
    ]
    return Span(*np.array(cuts, dtype=np.int64).reshape(-1, 2).T)


@LAW
@given(data=st.data())
def test_a_batch_is_what_the_encoder_makes_of_the_same_questions(worlds, data):
    _, _, rows = drawn_rows(worlds, data)
    places = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6) if len(rows) else st.just([])), dtype=np.int64)
    span = drawn_span(data, rows, places)
    worlds.require_same(rows.batch(places, span), rows.encoder.encode(rows.questions(places, span), rows.counts))
    is_hidden = some(data, len(places))
    batch = rows.batch(places, span, (*rows.hidden_wine_features(), is_hidden))
    worlds.require_same(batch, rows.encoder.encode(rows.questions(places, span), rows.counts, is_hidden))


@LAW
@given(data=st.data())
def test_a_row_looks_back_at_its_members_visible_ratings_before_its_own_moment(worlds, data):
    log, visible, rows = drawn_rows(worlds, data)
    most = data.draw(st.integers(0, 4))
    places = np.arange(len(rows))
    for span, cut in (
        (rows.full, slice(None)),
        (rows.latest(), slice(-HISTORY_LIMIT, None)),
        (rows.latest(most), slice(-most if most else NEVER, None)),
        (rows.first(most), slice(most)),
    ):
        questions = rows.questions(places, span)
        for place, rating in enumerate(rows.index):
            seen = visible & (log.members == log.members[rating]) & (log.events["moment"] < log.events["moment"][rating])
            begin, end = questions.histories.offsets[place : place + 2]
            assert questions.histories.moments[begin:end].tolist() == log.events["moment"][seen].tolist()[cut]
            assert questions.histories.wines[begin:end].tobytes() == wines_of(log.wines, log.events["row"][seen])[cut].tobytes()
            assert questions.histories.liked[begin:end].tolist() == log.events["liked"][seen].astype(bool).tolist()[cut]


@LAW
@given(data=st.data())
def test_ratings_after_a_row_change_nothing_in_its_batch(worlds, data):
    world = data.draw(worlds.worlds(fewest=1))
    log = world.log()
    asked = data.draw(st.integers(0, len(world.ratings) - 1))
    moment = log.events["moment"][asked]
    own = log.members == log.members[asked]
    is_before = log.events["moment"] < np.where(own, moment, moment - moment % MICROSECONDS_PER_DAY)
    one = np.arange(len(own)) == asked

    def batch(visible, counted):
        rows = RatedRows(log, visible, counts_of(log, counted), world.encoder, one)
        return rows.batch(np.array([0]), rows.latest())

    everything = np.ones(len(own), dtype=bool)
    worlds.require_same(batch(everything, everything), batch(is_before, is_before))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_generation_answers_the_features_that_the_rows_were_learnt_from(worlds, tmp_path_factory, data):
    world = data.draw(worlds.worlds(fewest=1))
    folder = tmp_path_factory.mktemp("line")
    log = read_rating_log(DataFolder.open(world.write(folder / "data")))
    everything = np.ones(len(log.events), dtype=bool)
    rows = RatedRows(log, everything, counts_of(log, everything), world.encoder, everything)
    store = LmdbStore(folder / "store")
    materialize(folder / "data", store, horizon_days=data.draw(st.sampled_from([1, 3650])), say=lambda _: None)
    generation = Generation.open(store, feature_fingerprint())
    limit = data.draw(st.sampled_from([1, HISTORY_LIMIT]))
    try:
        for place in range(len(rows)):
            as_of, only = int(rows.as_of[place]), np.array([place])
            stored = asyncio.run(generation.members.events_of(str(log.member_ids[rows.members[place]])))
            histories, _ = history_of(stored, generation.wines, as_of, limit)
            vintage = int(log.events["vintage"][place])
            online = worlds.questions_of(histories, generation.wines, as_of, [int(rows.wine_rows[place])], [vintage])
            assert online.features_as_of.tolist() == [generation.clamp(as_of)]
            expected = rows.batch(only, rows.latest(limit).only(only))
            worlds.require_same(world.encoder.encode(online, generation.counts), expected)
    finally:
        generation.close()


def test_labels_and_strengths_are_those_of_the_ratings_asked_about(worlds):
    stars = (1.0, 4.0, 5.0, 3.5)
    world = worlds.World((worlds.WineFacts(),), tuple(worlds.Rating(0, 0, -1, star, day, 0) for day, star in enumerate(stars)))
    log = world.log()
    asked = np.array([True, False, True, True])
    rows = RatedRows(log, ~asked, counts_of(log, ~asked), world.encoder, asked)
    assert rows.labels.tolist() == [0.0, 1.0, 0.0]
    assert rows.strengths.tolist() == [-3.0, 1.0, -0.5]
    assert rows.full.lengths.tolist() == [0, 1, 1]
    assert len(rows) == 3


def test_a_rating_without_a_moment_is_never_counted(worlds):
    world = worlds.World((worlds.WineFacts(),), (worlds.Rating(0, 0, -1, 4.0, 0, 0), worlds.Rating(0, 0, -1, 5.0, 1, 0)))
    log = world.log()
    log.events["moment"][1] = NEVER
    counts = counts_of(log, np.ones(2, dtype=bool))
    assert counts.days.tolist() == [worlds.START // MICROSECONDS_PER_DAY]
    assert counts.everyone[:, 0].tolist() == [1.0]
