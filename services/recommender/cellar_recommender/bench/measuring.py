"""Measures a recommender on one generation: building its index, searching it, one request, memory; `cellar bench recommender`."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

from cellar_recommender.bench.index import measure_index
from cellar_recommender.bench.memory import MIB, mapped_bytes, measure_memory
from cellar_recommender.bench.report import Report
from cellar_recommender.bench.request import Served, measure_requests
from cellar_recommender.serving import catalogue_files
from cellar_recommender.serving.catalogue import map_catalogue, own_day
from cellar_recommender.serving.member_vectors import MEMBERS, some_members, vectors_of
from cellar_recommender.serving.recommender import Recommender
from cellar_shared.errors import BadInput
from cellar_shared.store.generation import Generation
from cellar_shared.store.opening import open_store

ASKING: Final = 64  # members who ask


def measure(bundle: Path, store: str, work: Path, *, rounds: int, threads: int, say: Callable[[str], None]) -> Report:
    """Build the index of `bundle` on the current generation of `store` in the folder `work`, and measure what it costs.

    Searches and requests run on one thread; building on `threads`.
    """
    index = work / "index"
    index.mkdir(parents=True)
    figures = _measured_here(bundle, store, index, rounds, threads, say)
    gc.collect()  # what this process maps would count as shared with the workers
    say("starting workers")
    opened = open_store(store)
    mapped = mapped_bytes(opened.folder(opened.current_id()), index)
    report = Report(**figures, mapped_mib=mapped / MIB, memory=measure_memory(bundle, store, index))
    shutil.rmtree(index)
    return report


def _measured_here(bundle: Path, store: str, index: Path, rounds: int, threads: int, say: Callable[[str], None]) -> dict[str, Any]:
    """All of the report but memory."""
    recommender = Recommender.open(bundle)
    generation = Generation.open(open_store(store), recommender.manifest.feature_fingerprint)
    day = own_day(generation)
    # Not those that the index is probed with.
    asking = some_members(generation, ASKING, skipped=MEMBERS) or some_members(generation, ASKING)
    if not asking:
        raise BadInput(f"{store} holds no member with a dated rating; name a store with some, or none at all")
    begun, worked = perf_counter(), process_time()
    catalogue_files.build(recommender, generation, day, index, threads, say)
    built, build_cpu_s = perf_counter(), process_time() - worked
    catalogue = map_catalogue(index, recommender, generation, day)
    mapped = perf_counter()
    say(f"searching for {len(asking)} members")
    searched = measure_index(catalogue.index, vectors_of(recommender, generation, asking), rounds)
    say("answering requests")
    stages = measure_requests(Served.of(recommender, generation, catalogue), asking, max(1, rounds // 10))
    figures = {
        "bundle": recommender.manifest.version,
        "generation": generation.manifest.id,
        "members": generation.manifest.members,
        "threads": threads,
        "build_s": built - begun,
        "build_cpu_s": build_cpu_s,
        "open_s": mapped - built,
        "index": searched,
        "stages": stages,
    }
    generation.close()
    return figures
