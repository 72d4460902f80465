"""The probe beside the requests: what it tells of an index is what the index finds for who asked, and nobody waits for it."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from cellar_recommender.serving.ann.compressed import Setting
from cellar_recommender.serving.ann.index import RECALL_AT, Index
from cellar_recommender.serving.ann.live import REMEMBERED, LiveRecall
from cellar_recommender.serving.ann.probe import probes_of, recall_at
from cellar_shared.telemetry.names import RETRIEVAL_RECALL
from cellar_shared.telemetry.recorder import Recorder

POOR = Setting(lists=16, probed=1, dims_a_code=4, reranked=400)
VECTORS = np.random.default_rng(0).normal(size=(24_000, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def poor() -> Index:
    """An index that misses much."""
    return Index.build(VECTORS, 1, exact_up_to=0, ladder=[POOR], least_recall=0.0)


def gauge(recorder: Recorder) -> float | None:
    numbers = {family.metric: family.numbers for family in recorder.families()}.get(RETRIEVAL_RECALL)
    return None if numbers is None else numbers[()]


def probing(index: Index) -> tuple[LiveRecall, Recorder]:
    recorder = Recorder()
    live = LiveRecall(recorder=recorder)
    live.follow(index)
    return live, recorder


def test_the_gauge_is_the_mean_recall_of_who_asked_lately(poor):
    live, recorder = probing(poor)
    asked = probes_of(VECTORS, seed=3)[:5]
    live.saw(asked[:2])
    live.saw(asked[2:])
    found = [live.probe() for _ in asked]
    assert found == [recall_at(poor, asked[place : place + 1], RECALL_AT) for place in (4, 3, 2, 1, 0)]  # the latest first
    assert max(found) < 0.95
    assert gauge(recorder) == pytest.approx(np.mean(found))


def test_each_vector_is_probed_once_and_old_ones_give_way(poor):
    live, recorder = probing(poor)
    assert live.probe() is None
    assert gauge(recorder) is None
    for vector in np.repeat(VECTORS[:1], REMEMBERED + 9, axis=0):
        live.saw(vector[np.newaxis])
    found = [live.probe() for _ in range(REMEMBERED + 1)]
    assert None not in found[:-1]
    assert found[-1] is None


def test_an_exact_index_is_not_probed(poor):
    live, recorder = probing(Index.build(VECTORS[:500], 1))
    live.saw(VECTORS[:3])
    assert live.probe() is None
    assert gauge(recorder) == 1.0


def test_another_index_begins_anew(poor):
    live, recorder = probing(poor)
    live.saw(VECTORS[:2])
    assert live.probe() < 0.95
    better = Index.build(VECTORS, 1, exact_up_to=0, ladder=[Setting(lists=16, probed=16, dims_a_code=1, reranked=6_000)])
    live.follow(better)
    assert live.probe() > 0.98
    assert gauge(recorder) > 0.98


class Heard(Recorder):
    """A recorder that says when a gauge was set."""

    def __init__(self) -> None:
        super().__init__()
        self.was_set = threading.Event()

    def set(self, *arguments, **named) -> None:
        super().set(*arguments, **named)
        self.was_set.set()


def test_the_thread_probes_by_itself_and_goes_on_after_a_failure(poor, caplog):
    recorder = Heard()
    live = LiveRecall(every_s=0.001, recorder=recorder)
    live.follow(poor)
    live.saw(VECTORS[:1])
    live.saw(np.full((1, 16), np.nan, dtype=np.float32))  # asked first, and refused
    live.start()
    assert recorder.was_set.wait(60)
    live.stop()
    assert gauge(recorder) == recall_at(poor, VECTORS[:1], RECALL_AT)
    assert "could not be probed" in caplog.text
    assert not any(thread.name == "recall-probe" for thread in threading.enumerate())
