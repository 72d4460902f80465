"""Measures what workers hold that serve one index: their proportional memory, alone and two at a time, and the files they map."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from cellar_recommender.bench.request import Served
from cellar_recommender.serving.catalogue import Catalogue, map_catalogue, own_day
from cellar_recommender.serving.member_vectors import some_members
from cellar_recommender.serving.recommender import Recommender
from cellar_shared.errors import CellarError
from cellar_shared.features.counts import ARRAYS
from cellar_shared.store.generation import Generation
from cellar_shared.store.opening import open_store

MIB: Final = 1 << 20
REQUESTS: Final = 100
WORKERS: Final = (1, 2)
STEPS: Final = ("opened", "served", "touched")


class WorkerFigures(msgspec.Struct, frozen=True):
    """One worker's memory in MiB, (PSS, RSS) each: of its code, and beside it once it has opened, after REQUESTS, with every page read.

    PSS divides what several map among them: what workers hold together is the sum of theirs.
    """

    code_mib: tuple[float, float]
    opened_mib: tuple[float, float]
    served_mib: tuple[float, float]
    touched_mib: tuple[float, float]


def measure_memory(bundle: Path, store: str, index: Path) -> dict[int, list[WorkerFigures]]:
    """The memory of 1 and of 2 workers that open `bundle`, the current generation of `store` and the catalogue at `index`."""
    return {count: _workers(count, bundle, store, index) for count in WORKERS}


def mapped_bytes(generation: Path, index: Path) -> int:
    """The size of all files that every worker maps: the catalogue's, and the generation's wines, counts and index."""
    files = [*index.rglob("*"), generation / "wines.npy", *(generation / "counts").iterdir(), *(generation / "index").iterdir()]
    return sum(file.stat().st_size for file in files if file.is_file())


def _workers(count: int, bundle: Path, store: str, index: Path) -> list[WorkerFigures]:
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(count)]
    workers: list[BaseProcess] = [context.Process(target=_worker, args=(bundle, store, index, theirs), daemon=True) for _, theirs in pipes]
    ours = [mine for mine, _ in pipes]
    try:
        for worker, (_, theirs) in zip(workers, pipes, strict=True):
            worker.start()
            theirs.close()
        told = [_asked(ours) for _ in ("code", *STEPS)]
    finally:
        for pipe in ours:
            pipe.close()
        for worker in workers:
            worker.join(timeout=30)
            if worker.is_alive():
                worker.terminate()
    code, *steps = told
    return [WorkerFigures(code[place], *(_less(step[place], code[place]) for step in steps)) for place in range(count)]


def _asked(pipes: Sequence[Connection]) -> list[tuple[float, float]]:
    """What every worker holds now, once all have come so far; then they go on."""
    try:
        for pipe in pipes:
            pipe.recv()
        for pipe in pipes:
            pipe.send("measure")
        measured = [pipe.recv() for pipe in pipes]
        for pipe in pipes:
            pipe.send("go on")
    except EOFError as error:
        raise CellarError("a worker of the bench ended before it was measured; its error stands above") from error
    return measured


def _less(measured: tuple[float, float], before: tuple[float, float]) -> tuple[float, float]:
    return measured[0] - before[0], measured[1] - before[1]


def _worker(bundle: Path, store: str, index: Path, pipe: Connection) -> None:
    def measured() -> None:
        pipe.send("here")
        pipe.recv()
        pipe.send(_smaps())
        pipe.recv()

    with suppress(EOFError):  # whoever measures has gone
        measured()
        recommender = Recommender.open(bundle)
        generation = Generation.open(open_store(store), recommender.manifest.feature_fingerprint)
        catalogue = map_catalogue(index, recommender, generation, own_day(generation))
        served = Served.of(recommender, generation, catalogue)
        measured()
        for events in some_members(generation, REQUESTS):
            served(events, lambda _: None)
        measured()
        _touch(catalogue, generation)
        measured()


def _touch(catalogue: Catalogue, generation: Generation) -> None:
    """Read every page of what is mapped."""
    shelf, columns = catalogue.shelf, catalogue.columns
    arrays = [shelf.wines, shelf.features, shelf.likes, shelf.vectors, catalogue.popular, columns.wines, columns.log_prices]
    arrays += [column.codes for column in columns.named.values()]
    arrays += [
        generation.index.identities,
        generation.index.rows,
        *(getattr(generation.counts, name) for name in ARRAYS),
    ]
    if generation.counts.notes is not None:
        arrays += [getattr(generation.counts.notes, name) for name in generation.counts.notes.__slots__]
    for array in arrays:
        np.ascontiguousarray(array).reshape(-1).view(np.uint8)[::4096].sum()
    # Under a filter that leaves much, every code is scanned.
    catalogue.index.search(shelf.vectors[:1], 1, np.arange(len(shelf.wines) - 1))


def _smaps() -> tuple[float, float]:
    """This process's proportional share of its memory, and all of it, in MiB (Linux, /proc/PID/smaps_rollup)."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/smaps_rollup").read_text("utf-8").splitlines()[1:])
    return float(lines["Pss"].split()[0]) / 1_024, float(lines["Rss"].split()[0]) / 1_024
