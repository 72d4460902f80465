"""Evaluation judges what it says: ranks, differences, candidates; and it is repeatable."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_recommender.serving.recommender import Recommender
from cellar_recommender.training.evaluate import evaluate_bundle, evaluate_recipe
from cellar_recommender.training.evaluation.contest import BY_FACTS, TOWERS_ALONE, WHOLE, Contest, Told
from cellar_recommender.training.evaluation.judge import Standings, judge_contestants
from cellar_recommender.training.evaluation.metrics import NEVER, measures, ranks_of
from cellar_recommender.training.evaluation.report import table_of, write
from cellar_recommender.training.evaluation.verdict import Evaluation
from cellar_recommender.training.rows import LikedRows
from cellar_recommender.training.train import train
from cellar_shared.display import Reporter
from cellar_shared.errors import BadInput
from cellar_shared.events.tables import DataFolder
from cellar_shared.store.looking_back import counts_of
from cellar_shared.store.rating_log import read_rating_log


@given(st.integers(0, 2**32 - 1))
def test_a_rank_is_the_place_in_a_stable_descending_order(seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, (6, 30)).astype(np.float32)
    answers = rng.integers(0, 30, 6)
    wanted = [int(np.flatnonzero(np.argsort(-row, kind="stable") == answer)[0]) for row, answer in zip(scores, answers, strict=True)]
    assert ranks_of(scores, answers).tolist() == wanted


def test_an_answer_that_may_not_be_recommended_never_comes():
    assert ranks_of(np.array([[1.0, -np.inf, 0.0]]), np.array([1])).tolist() == [NEVER]


def test_measures_of_known_ranks():
    found = measures(np.array([0, 9, 10, 49, 50, 299, 300]), 301)
    assert found["ndcg_10"].tolist() == [1.0, 1 / math.log2(11), 0, 0, 0, 0, 0]
    assert found["recall_10"].sum() == 2
    assert found["recall_50"].sum() == 4
    assert found["recall_300"].sum() == 6
    assert found["mrr"][1] == 0.1
    assert found["percentile"][[0, -1]].tolist() == [1.0, 0.0]


def test_a_better_contestant_is_ahead_and_an_equal_one_is_not():
    rng = np.random.default_rng(0)
    answers, year = rng.integers(0, 40, 400), np.ones(40)
    noise = rng.normal(size=(400, 40))
    better = noise.copy()
    better[np.arange(400), answers] += 1.5
    standings = {name: Standings(40) for name in ("good", "poor", "same")}
    for name, scores in (("good", better), ("poor", noise), ("same", noise)):
        standings[name].add(scores, answers, year)
    contestants, differences = judge_contestants(standings, np.arange(400) // 4, 1.0, [("good", "poor"), ("same", "poor")], 1)
    by_pair = {(of.first, of.measure): of.difference for of in differences}
    assert by_pair["good", "ndcg_10"].low > 0
    assert by_pair["same", "ndcg_10"].value == by_pair["same", "ndcg_10"].high == 0
    assert contestants["good"].popularity_lift == pytest.approx(1.0)
    assert contestants["poor"].coverage == 1.0


@pytest.fixture(scope="module")
def evaluation(small_world, tiny) -> Evaluation:
    return evaluate_recipe(
        small_world, tiny, only=("members_0", "frozen_12"), baselines=True, ablations=True, threads=1, reporter=Reporter(as_json=True)
    )


def test_every_contestant_is_judged_on_the_same_likes(evaluation, tmp_path):
    nobody, frozen = evaluation.splits
    assert {WHOLE, TOWERS_ALONE, "EASE", "iALS", "item kNN", "towers, no logQ", "without towers"} <= set(frozen.contestants)
    assert frozen.questions >= 100
    assert {of.second for of in frozen.differences if of.first == WHOLE} == set(frozen.contestants) - {WHOLE}
    # The whole catalogue is smaller than the candidates: all answers are among them.
    assert frozen.candidate_recall["merged"].value == 1.0
    # With no history nothing goes with it: the source has nothing to say.
    assert nobody.candidate_recall["item_item"].value == 0.0
    # New members are also asked once each, and everyone answers; known ones are not.
    assert set(nobody.at_once) == set(nobody.contestants)
    assert frozen.at_once == {}
    # Few questions: all are priced, and without diversity the list is the one that was judged.
    assert frozen.diversity[0].ndcg_10.value == pytest.approx(frozen.contestants[WHOLE].measures["ndcg_10"].value)
    write(evaluation, tmp_path)
    assert msgspec.json.decode((tmp_path / "evaluation.json").read_bytes(), type=Evaluation) == evaluation
    assert "NDCG@10" in table_of(evaluation)


def test_towers_that_see_facts_alone_know_nothing_of_popularity(line):
    recommender = Recommender.open(line.bundle)
    log = read_rating_log(DataFolder.open(line.data))
    everything = np.ones(len(log.events), dtype=bool)
    rows = LikedRows(log, everything, counts_of(log, everything), recommender.sources.encoder, np.arange(len(log.events)) % 11 == 0)
    contest = Contest(recommender.sources, recommender.forest, is_by_facts=True)
    split = contest.judge(rows, rows.latest(), Told("facts", "Facts alone", "wine", "2020-01-01", ""), seed=1)
    assert split.questions > 100
    lifts = {name: of.popularity_lift for name, of in split.contestants.items()}
    assert lifts[BY_FACTS] < lifts[TOWERS_ALONE] < lifts["popularity, 365 days"]
    assert (WHOLE, BY_FACTS) in {(of.first, of.second) for of in split.differences}


def test_too_little_data_is_refused_in_words(small_world, tiny):
    with pytest.raises(BadInput, match="not known"):
        evaluate_recipe(small_world, tiny, only=("lukewarm",), baselines=False, ablations=False, threads=1, reporter=Reporter(as_json=True))


def test_a_bundle_is_judged_on_what_it_never_saw(line):
    said = []
    evaluation = evaluate_bundle(line.data, line.bundle, baselines=True, seed=1, say=said.append)
    whole, five, nothing = evaluation.splits
    assert whole.questions == five.questions == nothing.questions > 50
    assert "EASE" in whole.contestants
    assert "left out" in said[0]


def test_a_bundle_that_saw_everything_is_not_judged(small_world, tiny, tmp_path):
    train(small_world, tmp_path / "bundle", hold_out_days=0, settings=tiny, threads=1, step=lambda _: None)
    with pytest.raises(BadInput, match="fitted on every like"):
        evaluate_bundle(small_world, tmp_path / "bundle", baselines=False, seed=1, say=lambda _: None)
