"""Measures an index against faiss Flat: time to build, recall, time to search, and the memory of processes that share it."""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Final

import faiss
import numpy as np

from cellar_recommender.serving.ann.exact import Allowed, Vectors
from cellar_recommender.serving.ann.index import EXACT_UP_TO, LADDER, RECALL_AT, Index, Tried
from cellar_recommender.serving.ann.probe import recall_at

_PROCESSES: Final = 2
_MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class IndexFigures:
    """What was measured; times are medians of one query at a time on one thread, interleaved with faiss Flat's.

    `filtered_ms` and `filtered_recall` are by the share of wines allowed; `folder_mib` is the files' size. `rss_mib` and `pss_mib`
    are what opening and searching added to each of two processes open at once: all pages, and with shared pages divided among
    those that map them.
    """

    wines: int
    dimensions: int
    tried: tuple[Tried, ...]
    build_s: float
    save_s: float
    open_s: float
    recall: float
    search_ms: float
    flat_ms: float
    ratio: float
    filtered_ms: dict[float, float]
    filtered_recall: dict[float, float]
    folder_mib: float
    rss_mib: list[float]
    pss_mib: list[float]


def bench_index(
    vectors: Vectors, queries: Vectors, *, threads: int = 2, rounds: int = 60, exact_up_to: int = EXACT_UP_TO, folder: Path | None = None
) -> IndexFigures:
    """Build an index of `vectors` (wines, d) with `threads`, keep it in `folder` (else a temporary one), open it and measure.

    `queries` (q, d) are members' vectors: half of them are the build's probes, the others are what is measured here.
    """
    probes, asked = queries[: len(queries) // 2], queries[len(queries) // 2 :]
    with tempfile.TemporaryDirectory() as scratch:
        place = (folder or Path(scratch)) / "index"
        start = perf_counter()
        built = Index.build(vectors, threads, probes=probes, exact_up_to=exact_up_to, ladder=LADDER)
        built_at = perf_counter()
        built.save(place)
        saved_at = perf_counter()
        index = Index.open(place)
        opened_at = perf_counter()
        search_ms, flat_ms, ratio = _against_flat(index, asked, rounds)
        filtered = {share: _filter(len(vectors), share) for share in (0.5, 0.1, 0.01)}
        rss, pss = _memory(place, asked)
        return IndexFigures(
            wines=len(vectors),
            dimensions=vectors.shape[1],
            tried=built.tried,
            build_s=built_at - start,
            save_s=saved_at - built_at,
            open_s=opened_at - saved_at,
            recall=recall_at(index, asked, RECALL_AT),
            search_ms=search_ms,
            flat_ms=flat_ms,
            ratio=ratio,
            filtered_ms={share: _median_ms(index, asked, allowed) for share, allowed in filtered.items()},
            filtered_recall={share: recall_at(index, asked, RECALL_AT, allowed) for share, allowed in filtered.items()},
            folder_mib=sum(file.stat().st_size for file in place.iterdir()) / _MIB,
            rss_mib=rss,
            pss_mib=pss,
        )


def _filter(wines: int, share: float) -> Allowed:
    return np.random.default_rng(1).random(wines) < share


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


def _median_ms(index: Index, asked: Vectors, allowed: Allowed) -> float:
    return statistics.median(_ms(partial(index.search, query[np.newaxis], RECALL_AT, allowed)) for query in asked[:20])


def _ms(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return (perf_counter() - start) * 1_000


def _memory(folder: Path, asked: Vectors) -> tuple[list[float], list[float]]:
    """RSS and PSS in MiB of the index's mapped files and of what searching added, in each of two processes open at once."""
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(_PROCESSES)]
    workers = [context.Process(target=_worker, args=(folder, asked, theirs), daemon=True) for _, theirs in pipes]
    try:
        for worker in workers:
            worker.start()
        ours = [mine for mine, _ in pipes]
        for pipe in ours:
            pipe.recv()
        for pipe in ours:
            pipe.send("measure")
        figures = [pipe.recv() for pipe in ours]
        for pipe in ours:
            pipe.send("end")
        for worker in workers:
            worker.join()
    finally:
        for worker in workers:
            if worker.is_alive():
                worker.terminate()
    return [rss for rss, _ in figures], [pss for _, pss in figures]


def _worker(folder: Path, asked: Vectors, pipe: Connection) -> None:
    before = _smaps()
    index = Index.open(folder)
    index.search(asked, RECALL_AT)
    pipe.send("ready")
    pipe.recv()
    after = _smaps()
    pipe.send((after[0] - before[0], after[1] - before[1]))
    pipe.recv()


def _smaps() -> tuple[float, float]:
    """This process's resident set and its proportional share of it, in MiB (Linux, /proc/PID/smaps_rollup)."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
    return float(lines["Rss"].split()[0]) / 1_024, float(lines["Pss"].split()[0]) / 1_024
