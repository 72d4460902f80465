"""The way down: what there is time for by what ranking lately took, for one member and for several."""

from __future__ import annotations

import time

from cellar_recommender.serving import answering
from cellar_recommender.serving.ladder import Ladder
from cellar_recommender.serving.service import RecommenderService
from cellar_shared.store.lmdb_store import LmdbStore

AS_OF = "2021-12-30T12:00:00Z"
SLOW_MS = 40.0


def test_until_a_ranking_was_seen_everything_is_ranked():
    assert Ladder().rung(0.0, False) == Ladder().rung(0.0, True, 8) == "ranked"


def test_what_there_is_no_time_for_comes_from_the_list_or_is_popular():
    ladder = Ladder()
    ladder.took(10.0)
    assert ladder.rung(15.0, True) == "ranked"
    assert ladder.rung(14.0, True) == "precomputed"
    assert ladder.rung(14.0, False) == "popular"


def test_what_several_cost_says_nothing_of_one_and_grows_with_them():
    ladder = Ladder()
    ladder.took(10.0)
    ladder.took(400.0, 8)
    assert ladder.rung(15.0, False) == "ranked"
    assert ladder.rung(599.0, False, 8) == "popular"
    assert ladder.rung(300.0, False, 4) == "ranked"


def test_after_enough_answers_that_were_not_ranked_one_is_tried_again():
    ladder = Ladder()
    ladder.took(1000.0, 2)
    answers = [ladder.rung(30.0, False, 2) for _ in range(500)]
    assert (answers[0], answers[-1]) == ("popular", "ranked")
    assert ladder.single_ms == 0


def test_the_chances_that_order_for_several_are_a_part_of_what_ranking_takes(served, connect, busiest, monkeypatch):
    chances = answering._chances
    monkeypatch.setattr(answering, "_chances", lambda *asked: (time.sleep(SLOW_MS / 1000), chances(*asked))[1])
    ladder = Ladder()
    client = connect(RecommenderService(served.bundle, LmdbStore(served.store), ladder=ladder))
    client.ask(members=[{"member_id": busiest[0]}, {"member_id": busiest[1]}], as_of=AS_OF)
    assert ladder.several_ms >= SLOW_MS / 2
    assert ladder.single_ms == 0
    client.ask(member_id=busiest[0], as_of=AS_OF)
    assert ladder.single_ms >= SLOW_MS
