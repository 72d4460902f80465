"""Golden cases: they come back as they were, and a changed answer is refused and named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.bundle.golden import REPLAY_TOLERANCE, GoldenCases
from cellar_shared.errors import Incompatible
from cellar_shared.features.counts import group_keys
from cellar_shared.features.fingerprint import built_in


def cases(probabilities):
    questions, counts = built_in()
    return GoldenCases(questions, counts, np.array(probabilities))


GOOD = [0.1, 0.9, 0.5, 0.25, 0.75]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(data=st.data())
def test_cases_come_back_as_they_were_and_carry_all_that_their_features_need(worlds, data):
    world = data.draw(worlds.worlds())
    asked = [world.asks(member, data.draw(worlds.moments), *data.draw(worlds.asked(world))) for member in range(worlds.MEMBERS)]
    questions, counts = worlds.together(asked), world.counts()
    history = questions.histories
    needed = np.concatenate([group_keys(questions.wines, questions.vintages), group_keys(history.wines, history.vintages)])
    written = GoldenCases(questions, counts.only(needed.ravel()), np.linspace(0, 1, len(questions.wines)))
    read = GoldenCases.from_bytes(written.to_bytes())
    assert read.to_bytes() == written.to_bytes()
    np.testing.assert_array_equal(read.probabilities, written.probabilities)
    worlds.require_same(world.encoder.encode(read.questions, read.counts), world.encoder.encode(questions, counts))


def test_a_replay_asks_the_questions_that_were_kept_and_says_the_largest_difference():
    golden = GoldenCases.from_bytes(cases(GOOD).to_bytes())

    def answer(questions, counts):
        assert questions is golden.questions
        assert counts is golden.counts
        return golden.probabilities + np.array([0, REPLAY_TOLERANCE / 2, 0, 0, -REPLAY_TOLERANCE / 4])

    assert golden.replay(answer) == pytest.approx(REPLAY_TOLERANCE / 2)


def test_no_case_at_all_replays():
    questions, counts = built_in()
    assert GoldenCases(questions, counts, np.zeros(0)).replay(lambda *_: np.zeros(0)) == 0


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 0.25 + 2 * REPLAY_TOLERANCE, 0.0])
def test_a_changed_answer_is_refused_and_its_case_named(wrong):
    golden = cases(GOOD)
    given = golden.probabilities.copy()
    given[3] = wrong
    with pytest.raises(Incompatible, match=r"golden case 3 answers .*, training had 0\.250000 .*: train again or go back"):
        golden.replay(lambda *_: given)
