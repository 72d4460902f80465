"""Measures an index against faiss Flat: recall, and time to search, one query at a time, each in turn, also under filters."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Final

import faiss
import msgspec
import numpy as np

from cellar_recommender.serving.ann.exact import Allowed, Vectors
from cellar_recommender.serving.ann.index import RECALL_AT, Index, Tried
from cellar_recommender.serving.ann.probe import recall_at

SHARES: Final = (0.5, 0.1, 0.01)  # of the wines that a filter leaves
FILTERED: Final = 20  # queries under each filter


class FilteredFigures(msgspec.Struct, frozen=True):
    """What searching costs and finds where a filter leaves `share` of the wines."""

    share: float
    search_ms: float
    recall: float


class IndexFigures(msgspec.Struct, frozen=True):
    """What was measured: medians of one query at a time on one thread; `ratio` is that of each round's own two times."""

    wines: int
    dimensions: int
    tried: tuple[Tried, ...]
    queries: int
    recall: float
    rounds: int
    search_ms: float
    flat_ms: float
    ratio: float
    filtered: tuple[FilteredFigures, ...]


def measure_index(index: Index, asked: Vectors, rounds: int) -> IndexFigures:
    """Measure `index` with `asked` (queries, d), which should be none that it was probed with when it was built."""
    search_ms, flat_ms, ratio = _against_flat(index, asked, rounds)
    wines, dimensions = index.vectors.shape
    return IndexFigures(
        wines=wines,
        dimensions=dimensions,
        tried=index.tried,
        queries=len(asked),
        recall=recall_at(index, asked, RECALL_AT),
        rounds=rounds,
        search_ms=search_ms,
        flat_ms=flat_ms,
        ratio=ratio,
        filtered=tuple(_filtered(index, asked[:FILTERED], share) for share in SHARES),
    )


def _filtered(index: Index, asked: Vectors, share: float) -> FilteredFigures:
    allowed: Allowed = np.random.default_rng(1).random(len(index.vectors)) < share
    times = [_ms(partial(index.search, query[np.newaxis], RECALL_AT, allowed)) for query in asked]
    return FilteredFigures(share, statistics.median(times), recall_at(index, asked, RECALL_AT, allowed))


def _against_flat(index: Index, asked: Vectors, rounds: int) -> tuple[float, float, float]:
    """Medians of milliseconds, ours and faiss Flat's, and of each round's ratio."""
    flat = faiss.IndexFlatIP(index.vectors.shape[1])
    flat.add(index.vectors)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        ours, theirs = [], []
        for turn in range(rounds + 1):
            query = asked[turn % len(asked)][np.newaxis]
            ours.append(_ms(partial(index.search, query, RECALL_AT)))
            theirs.append(_ms(partial(flat.search, query, RECALL_AT)))
    finally:
        faiss.omp_set_num_threads(before)
    ratios = [mine / other for mine, other in zip(ours[1:], theirs[1:], strict=True)]  # the first one touches the pages
    return statistics.median(ours[1:]), statistics.median(theirs[1:]), statistics.median(ratios)


def _ms(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return (perf_counter() - start) * 1_000
