"""The recorder adds up, from any thread, and never gets in a request's way."""

from __future__ import annotations

import math
import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.telemetry import names
from cellar_shared.telemetry.recorder import OVERFLOW, SERIES_MOST, Recorder


def numbers(recorder: Recorder, metric: names.Metric) -> dict[tuple[str | int, ...], float]:
    return next((dict(family.numbers) for family in recorder.families() if family.metric is metric), {})


@given(st.lists(st.floats(0, 20)))
def test_a_value_falls_into_the_first_bucket_whose_bound_it_does_not_pass(values):
    recorder = Recorder()
    labels = ("POST", "/score", 200, "")
    for value in values:
        recorder.observe(names.REQUEST_DURATION, value, labels)
    if not values:
        assert recorder.families() == []
        return
    (family,) = recorder.families()
    seen = family.distributions[labels]
    bounds = (-math.inf, *names.REQUEST_BOUNDS_S, math.inf)
    assert list(seen.counts) == [sum(low < value <= high for value in values) for low, high in pairwise(bounds)]
    assert seen.total == pytest.approx(math.fsum(values))
    assert (seen.lowest, seen.highest) == (min(values), max(values))


def test_threads_lose_nothing():
    recorder = Recorder()

    def work() -> None:
        for _ in range(5_000):
            recorder.count(names.REQUESTS_SHED)
            recorder.observe(names.STAGE_TIME, 0.001, ("model",))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers(recorder, names.REQUESTS_SHED) == {(): 40_000}
    (stages,) = [family for family in recorder.families() if family.metric is names.STAGE_TIME]
    assert sum(stages.distributions["model",].counts) == 40_000


def test_labels_past_every_closed_list_share_one_series():
    recorder = Recorder()
    for number in range(SERIES_MOST + 100):
        recorder.count(names.ANSWERS_DEGRADED, 1, (f"r{number}",))
        recorder.observe(names.STAGE_TIME, 0.1, (f"s{number}",))
    degraded = numbers(recorder, names.ANSWERS_DEGRADED)
    assert len(degraded) == SERIES_MOST + 1
    assert degraded[OVERFLOW,] == 100
    (stages,) = [family for family in recorder.families() if family.metric is names.STAGE_TIME]
    assert sum(stages.distributions[OVERFLOW,].counts) == 100


def test_what_makes_no_sense_is_left_out_and_raises_nothing():
    recorder = Recorder()
    recorder.count(names.REQUESTS_SHED, -1)
    recorder.count(names.REQUESTS_SHED, 1, ("one label too many",))
    recorder.count(names.ANSWERS_DEGRADED, 1, ([],))  # type: ignore[arg-type]
    recorder.observe(names.STAGE_TIME, math.nan, ("model",))
    recorder.observe(names.STAGE_TIME, None, ("model",))  # type: ignore[arg-type]
    recorder.watch(names.GENERATION_AGE, lambda: 1 / 0)
    assert numbers(recorder, names.REQUESTS_SHED) == {(): 1}
    assert [family for family in recorder.families() if family.distributions] == []
    assert numbers(recorder, names.GENERATION_AGE) == {}


def test_a_gauge_set_alone_ends_what_it_was_before():
    recorder = Recorder()
    recorder.set(names.GENERATION_INFO, 1, ("b1", "g1"), alone=True)
    recorder.set(names.GENERATION_INFO, 1, ("b1", "g2"), alone=True)
    assert numbers(recorder, names.GENERATION_INFO) == {("b1", "g2"): 1}


def test_a_watched_gauge_is_read_anew_each_time():
    recorder = Recorder()
    ages = iter((5.0, 6.0))
    recorder.watch(names.GENERATION_AGE, lambda: next(ages))
    assert [numbers(recorder, names.GENERATION_AGE)[()] for _ in range(2)] == [5.0, 6.0]
