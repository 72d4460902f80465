"""Hands parts to Daft, which spreads them over its own processes, or over Ray where the user's Daft says so; same work, same bytes.

Set Daft up as you do elsewhere (`daft.set_runner_ray(...)`, DAFT_RUNNER=ray); the folders must be reachable by every machine. The
command imports this module when `--engine daft` asks for it, and nothing else does: Daft is an extra.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from cellar_drinkability.scoring.environment import environment
from cellar_drinkability.scoring.layout import Part
from cellar_drinkability.scoring.part import PartWork, Terms
from cellar_drinkability.scoring.pool import Outcome, Step, done


def run(terms: Terms, step: Step, parts: Sequence[Part], workers: int) -> Iterator[Outcome]:
    """The outcome of `step` on each of `parts`, as pool.run has it, computed by `workers` processes of Daft."""
    # Before Daft is imported, which otherwise tells its makers so over the network; and it draws no bars of its own.
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
    import daft  # noqa: PLC0415

    class Worker:
        def __init__(self, terms: str) -> None:
            self._work = PartWork(msgspec.json.decode(terms, type=Terms))

        @daft.method(return_dtype=daft.DataType.string())
        def outcome(self, part: str) -> str:
            return msgspec.json.encode(done(self._work, step, msgspec.json.decode(part, type=Part))).decode()

    if not parts:
        return
    with environment():
        worker: Any = daft.cls(Worker, max_concurrency=workers, use_process=True)(msgspec.json.encode(terms).decode())
        # A part a batch: Daft would otherwise hand all of them to one process.
        listed = daft.from_pydict({"part": [msgspec.json.encode(part).decode() for part in parts]}).into_batches(1)
        for row in listed.select(worker.outcome(listed["part"]).alias("outcome")).iter_rows():
            yield msgspec.json.decode(row["outcome"], type=Outcome)
