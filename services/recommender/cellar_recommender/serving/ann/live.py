"""Watches an index while it serves: how much of the exact answer it finds for those who ask, one query at a time beside the requests."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Final

import numpy as np

from cellar_recommender.serving.ann.exact import Vectors
from cellar_recommender.serving.ann.index import RECALL_AT, Index
from cellar_recommender.serving.ann.probe import recall_at
from cellar_shared.telemetry import names
from cellar_shared.telemetry.recorder import RECORDER, Recorder

logger = logging.getLogger("cellar.recommender")

EVERY_S: Final = 10.0  # judgement: an exact scan of a million wines takes about 30 ms of one processor
REMEMBERED: Final = 64  # vectors that wait to be probed, and probes that the gauge is the mean of


class LiveRecall:
    """Probes the index that is served with the latest members' vectors, in a thread of its own; the gauge is the mean of late probes.

    Requests only leave their vectors here. An index that scans everything finds everything: it is not probed.
    """

    def __init__(self, *, every_s: float = EVERY_S, recorder: Recorder = RECORDER) -> None:
        self._every_s = every_s
        self._recorder = recorder
        self._waiting: deque[Vectors] = deque(maxlen=REMEMBERED)
        self._followed: tuple[Index, deque[float]] | None = None  # one value, so that a probe books to the index it asked
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, index: Index) -> None:
        """Probe `index` from now on; what was found of the one before is forgotten, and the index let go."""
        self._followed = (index, deque(maxlen=REMEMBERED))
        if index.compressed is None:
            self._recorder.set(names.RETRIEVAL_RECALL, 1.0)

    def saw(self, vectors: Vectors) -> None:
        """Remember the vectors (members, d) that a request searched with."""
        self._waiting.extend(vector[np.newaxis] for vector in vectors)

    def probe(self) -> float | None:
        """Ask the index and the exact scan for the latest vector that nobody has probed, and tell the gauge.

        That one's recall; None where there is nothing to ask, or no need to.
        """
        followed = self._followed
        if followed is None or followed[0].compressed is None or not self._waiting:
            return None
        index, found = followed
        found.append(recall_at(index, self._waiting.pop(), RECALL_AT))
        self._recorder.set(names.RETRIEVAL_RECALL, sum(found) / len(found))
        return found[-1]

    def start(self) -> None:
        """Probe every `every_s` from now on."""
        self._thread = threading.Thread(target=self._run, name="recall-probe", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Probe no longer, and let go of the index."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self._followed = None

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            try:
                self.probe()
            except Exception:  # a probe that fails is no reason to stop probing
                logger.exception("the index could not be probed")
