"""The list's places: pins, caps and the place by lot, over any candidates."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_recommender.serving.placing import explore, place


@dataclass(frozen=True)
class Case:
    """Candidates in order, their producers (0 unknown), pins, a cap, a limit."""

    order: np.ndarray
    producers: np.ndarray
    pins: list[tuple[int, int]]
    per_producer: int | None
    limit: int

    def place(self):
        return place(self.order, self.producers, self.limit, self.pins, self.per_producer)


@st.composite
def cases(draw) -> Case:
    count = draw(st.integers(1, 12))
    order = draw(st.permutations(range(count)))
    producers = draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    pinned = draw(st.lists(st.integers(0, count - 1), max_size=3, unique=True))
    positions = draw(st.lists(st.integers(1, 14), min_size=len(pinned), max_size=len(pinned), unique=True))
    return Case(
        np.array(order), np.array(producers), list(zip(positions, pinned, strict=True)), draw(st.none() | st.integers(1, 3)),
        draw(st.integers(1, 12)),
    )  # fmt: skip


def counted(case: Case, places) -> Counter[int]:
    return Counter(producer for producer in case.producers[places].tolist() if producer != 0)


@settings(max_examples=300, deadline=None)
@given(cases())
def test_a_list_is_filled_as_far_as_the_cap_lets_it(case):
    places = case.place().places
    assert len(set(places.tolist())) == len(places)
    most = case.per_producer or len(case.order)
    could = sum(times if producer == 0 else min(times, most) for producer, times in Counter(case.producers.tolist()).items())
    assert len(places) == min(case.limit, could)
    assert all(times <= most for times in counted(case, places).values())


@settings(max_examples=300, deadline=None)
@given(cases())
def test_a_pin_stands_where_it_was_asked_for(case):
    listed = case.place()
    most, kept = case.per_producer or len(case.order), Counter()
    for position, wine in sorted(case.pins):
        producer = case.producers[wine]
        if position > case.limit or (producer != 0 and kept[producer] >= most):
            assert wine not in listed.pinned
            continue
        kept[producer] += 1
        assert wine in listed.pinned
        if position <= len(listed.places):
            assert listed.places[position - 1] == wine
        else:
            assert wine in listed.places.tolist()


@settings(max_examples=200, deadline=None)
@given(cases())
def test_what_is_not_pinned_keeps_its_order(case):
    listed = case.place()
    rest = [wine for wine in listed.places.tolist() if wine not in listed.pinned]
    ranks = [case.order.tolist().index(wine) for wine in rest]
    assert ranks == sorted(ranks)
    plain = place(case.order, case.producers, case.limit)
    assert plain.places.tolist() == case.order.tolist()[: case.limit]


@settings(max_examples=300, deadline=None)
@given(cases(), st.floats(0.01, 1), st.integers(0, 2**53 - 1))
def test_the_lot_changes_one_place_that_is_not_pinned_and_keeps_the_cap(case, share, seed):
    listed = case.place()
    scores = np.linspace(2, -1, len(case.order))
    drawn = explore(listed, case.order, scores, case.producers, share, seed, case.per_producer)
    free = [item for item, wine in enumerate(listed.places.tolist()) if wine not in listed.pinned]
    assert drawn.slot == (free[-1] if free else None)
    if drawn.slot is not None:
        assert np.delete(drawn.places, drawn.slot).tolist() == np.delete(listed.places, drawn.slot).tolist()
        assert 0 < drawn.propensity <= 1
    assert len(set(drawn.places.tolist())) == len(listed.places)
    assert all(times <= (case.per_producer or 99) for times in counted(case, drawn.places).values())
    again = explore(listed, case.order, scores, case.producers, share, seed, case.per_producer)
    assert (again.places.tolist(), again.propensity) == (drawn.places.tolist(), drawn.propensity)


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(0, 2**53 - 1))
def test_without_exploration_nothing_is_drawn(case, seed):
    listed = case.place()
    assert explore(listed, case.order, np.zeros(len(case.order)), case.producers, 0.0, seed, case.per_producer) is listed


def test_the_chances_of_all_who_could_stand_in_the_place_add_up_to_one():
    order, producers = np.arange(6), np.array([1, 1, 2, 2, 3, 0])
    listed = place(order, producers, 3, per_producer=1)  # 0, 2, 4: the pool is 4 and 5, whose producers have room
    scores = np.array([3.0, 2.5, 2.0, 1.5, 1.0, 0.0])
    found = {}
    for seed in range(200):
        drawn = explore(listed, order, scores, producers, 1.0, seed, per_producer=1)
        found[int(drawn.places[drawn.slot])] = drawn.propensity
    assert set(found) == {4, 5}
    np.testing.assert_allclose(sum(found.values()), 1, rtol=1e-12)


def test_a_pin_counts_once_towards_its_producers_cap():
    producers = np.array([1, 1, 1, 2, 2])
    listed = place(np.arange(5), producers, 4, pins=[(1, 2)], per_producer=2)
    assert listed.places.tolist() == [2, 0, 3, 4]
    assert place(np.arange(5), producers, 4, pins=[(1, 2), (4, 1)], per_producer=1).places.tolist() == [2, 3]
