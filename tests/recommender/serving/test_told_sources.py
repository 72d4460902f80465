"""From proposals to what an answer tells of its sources: each gets its quota, all adds up, and filters act before the cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_recommender.serving.choosing import tell
from cellar_recommender.serving.merging import NONE, merge
from cellar_recommender.serving.sources import propose

NAMES = ("towers", "item_item", "popular")


@dataclass(frozen=True)
class Case:
    """Each source's proposals, best first, its quota, and how many candidates are wanted."""

    lists: dict[str, list[int]]
    quotas: dict[str, int]
    limit: int

    def merged(self) -> tuple[list[int], list[str]]:
        longest = max(1, *(len(ranked) for ranked in self.lists.values()))
        proposals = {name: np.array([ranked + [NONE] * (longest - len(ranked))]) for name, ranked in self.lists.items()}
        candidates, owed = merge(proposals, self.quotas, self.limit)
        assert ((candidates == NONE) == (owed == NONE)).all()
        kept = candidates[0] != NONE
        return candidates[0][kept].tolist(), [NAMES[source] for source in owed[0][kept]]


@st.composite
def cases(draw) -> Case:
    wines = draw(st.integers(1, 15))
    lists = {name: draw(st.permutations(range(wines)))[: draw(st.integers(0, wines))] for name in NAMES}
    return Case(lists, {name: draw(st.integers(0, 6)) for name in NAMES}, draw(st.integers(1, 15)))


@settings(max_examples=300, deadline=None)
@given(cases())
def test_a_source_gets_its_quota_unless_its_wines_count_for_others(case):
    candidates, owed = case.merged()
    if sum(case.quotas.values()) > case.limit:
        return
    for name, ranked in case.lists.items():
        others = {wine for wine, source in zip(candidates, owed, strict=True) if source != name}
        assert owed.count(name) >= min(case.quotas[name], len(set(ranked) - others))


@settings(max_examples=200, deadline=None)
@given(cases())
def test_what_is_told_adds_up(case):
    candidates, owed = case.merged()
    shown = owed[: len(owed) // 2]
    told = tell(case.quotas, owed, shown)
    assert list(told) == list(case.quotas)
    assert sum(source.proposed for source in told.values()) == len(candidates)
    assert sum(source.returned for source in told.values()) == len(shown)
    assert [source.quota for source in told.values()] == list(case.quotas.values())


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 12))
def test_filters_act_before_the_cut_so_that_what_may_be_offered_fills_the_candidates(seed, wines, limit):
    generator = np.random.default_rng(seed)
    scores = {name: generator.normal(size=(1, wines)).astype(np.float32) for name in NAMES}
    scores["item_item"][generator.random((1, wines)) < 0.8] = -np.inf
    excluded = generator.random((1, wines)) < 0.6
    rows = propose(scores, excluded, {"towers": 3, "item_item": 2, "popular": 2}, limit).rows[0]
    rows = rows[rows != NONE]
    assert not excluded[0, rows].any()
    assert len(rows) == min(limit, np.count_nonzero(~excluded))
