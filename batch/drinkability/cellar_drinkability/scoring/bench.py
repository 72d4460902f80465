"""Measures a night on made-up bottles: its steps, `score` against its floor, what the second night computes, memory by size."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl

from cellar_drinkability.scoring import bench_data, bench_floor
from cellar_drinkability.scoring.inputs import MODEL_NAME
from cellar_drinkability.scoring.night import STEPS, Only, Report, run_night
from cellar_drinkability.scoring.part import MODEL
from cellar_drinkability.scoring.windows import BATCH
from cellar_shared.ageing.curve import Curves
from cellar_shared.bundle.manifest import FORMAT, Bundle, BundleManifest, write_bundle
from cellar_shared.display import Reporter
from cellar_shared.errors import CellarError

AS_OF: Final = date(2026, 1, 1)
STAND_IN: Final = f"{__name__}:StandIn"
SEED: Final = 3
SAMPLED_EVERY_S: Final = 0.1
SOME_ANSWERS: Final = 50 * BATCH
MIB: Final = 1 << 20


class StandIn:
    """Answers by arithmetic, where no bundle is named: the work of `score` does not depend on the model."""

    def __init__(self, bundle: Bundle) -> None:
        self.manifest = bundle.manifest

    @classmethod
    def open(cls, path: Path) -> StandIn:
        return cls(Bundle.open(path, MODEL_NAME))

    def windows(self, facts: pl.DataFrame) -> Curves:
        year = facts["vintage"].fill_null(2000).cast(pl.Float64).to_numpy()
        price = facts["price"].fill_null(20.0).to_numpy()
        m1 = 1.0 + 0.2 * np.log(price) + 0.05 * np.sin(year)
        return Curves(m1, 0.1 + 0.02 * np.cos(year), m1 + 0.6 + 0.1 * np.cos(price), 0.12 + 0.02 * np.sin(price))


class SizeReport(msgspec.Struct, frozen=True):
    """One size: seconds by step, memory in bytes, what was computed. `tree_bytes` is the proportional memory of all processes together."""

    rows: int
    curves: int
    answers: int
    seconds: dict[str, float]
    rows_per_s: dict[str, int]
    worker_bytes: int
    tree_bytes: int
    second_night_curves: int


class BenchReport(msgspec.Struct, frozen=True):
    """What the bench found; seconds are medians of `score_s` and the floors, taken in turn."""

    wines: int
    workers: int
    sizes: list[SizeReport]
    rows: int
    score_s: list[float]
    floor_s: list[float]
    stream_floor_s: list[float]
    score_over_floor: float
    score_over_stream_floor: float
    model_s: float | None
    curves_over_model: float | None

    def text(self) -> str:
        """The report for a person."""
        lines = [f"{self.wines:,} wines, {self.workers} processes"]
        for size in self.sizes:
            rates = ", ".join(f"{step} {size.seconds[step]:.1f} s ({rate:,} rows/s)" for step, rate in size.rows_per_s.items())
            lines.append(
                f"{size.rows:,} bottles: {rates}, close {size.seconds['close']:.1f} s; {size.curves:,} curves, {size.answers:,} answers of "
                f"the model; peak {size.worker_bytes / MIB:.0f} MiB in a worker, {size.tree_bytes / MIB:.0f} MiB in all; "
                f"second night {size.second_night_curves} curves"
            )
        score, floor, stream = (statistics.median(each) for each in (self.score_s, self.floor_s, self.stream_floor_s))
        lines.append(
            f"score of {self.rows:,}: {score:.2f} s, floor {floor:.2f} s from memory: {self.score_over_floor:.2f} x; "
            f"{stream:.2f} s read and written: {self.score_over_stream_floor:.2f} x"
        )
        if self.curves_over_model is not None:
            lines.append(f"curves take {self.curves_over_model:.1f} x the model's own time for the same answers ({self.model_s:.1f} s)")
        return "\n".join(lines)


def bench(
    work: Path, bundle: Path | None, sizes: Sequence[int], wines: int, *, workers: int, rounds: int, reporter: Reporter
) -> BenchReport:
    """Run nights over made-up bottles of each of `sizes` in the folder `work`, which is emptied; the last size is scored `rounds` times."""
    model = MODEL if bundle is not None else STAND_IN
    shutil.rmtree(work, ignore_errors=True)
    used = bundle if bundle is not None else _stand_in_bundle(work / "bundle")
    reports = []
    for rows in sizes:
        run = _Size(work, rows, wines, used, model, workers, reporter)
        reports.append(run.report())
        if rows == sizes[-1]:
            score_s, floor_s, stream_s = run.score_and_floor(rounds)
        run.clear()
    model_s = _model_seconds(used, reports[-1].answers, wines) if bundle is not None else None
    shutil.rmtree(work)
    score = statistics.median(score_s)
    return BenchReport(
        wines=wines,
        workers=workers,
        sizes=reports,
        rows=sizes[-1],
        score_s=score_s,
        floor_s=floor_s,
        stream_floor_s=stream_s,
        score_over_floor=score / statistics.median(floor_s),
        score_over_stream_floor=score / statistics.median(stream_s),
        model_s=model_s,
        curves_over_model=None if model_s is None else reports[-1].seconds["curves"] / (model_s / workers),
    )


@dataclass(slots=True)
class _Size:
    """A data folder of one size, and the nights over it."""

    work: Path
    rows: int
    wines: int
    bundle: Path
    model: str
    workers: int
    reporter: Reporter

    def report(self) -> SizeReport:
        """Make the bottles, then two nights, the second with nothing but the day moved."""
        with self.reporter.measuring(f"making {self.rows:,} bottles", self.rows) as tell:
            _made_elsewhere(self.work / "data", self.rows, self.wines, tell)
        with _watched() as peak:
            first = self._night(AS_OF)
        second = self._night(AS_OF + timedelta(days=1))
        facts = first.facts()
        return SizeReport(
            rows=self.rows,
            curves=first.curves_computed,
            answers=first.answers_computed,
            seconds=facts["seconds"],
            rows_per_s=facts["rows_per_s"],
            worker_bytes=first.peak_bytes,
            tree_bytes=peak[0],
            second_night_curves=second.curves_computed,
        )

    def score_and_floor(self, rounds: int) -> tuple[list[float], list[float], list[float]]:
        """Seconds of `score` and of its floors, in turn."""
        found: list[tuple[float, float, float]] = []
        bottles = self.work / "out" / "bottles"
        for number in range(rounds):
            shutil.rmtree(bottles)
            seconds = self._night(AS_OF + timedelta(days=2 + number), steps=("score",)).seconds["score"]
            found.append((seconds, *bench_floor.measured(sorted(bottles.glob("*.parquet")))))
            self.reporter.say(f"score {seconds:.2f} s, floors {found[-1][1]:.2f} s and {found[-1][2]:.2f} s")
        score, floor, stream = zip(*found, strict=True)
        return list(score), list(floor), list(stream)

    def clear(self) -> None:
        for name in ("data", "out"):
            shutil.rmtree(self.work / name, ignore_errors=True)

    def _night(self, as_of: date, steps: Sequence[Only] = STEPS) -> Report:
        return run_night(
            self.work / "data",
            self.bundle,
            self.work / "out",
            as_of,
            steps=steps,
            workers=self.workers,
            model=self.model,
            watch=self.reporter.measuring,
            say=self.reporter.say,
        )


def _made_elsewhere(out: Path, rows: int, wines: int, tell: Callable[[int], None]) -> None:
    """Make the data in a process of its own: its memory is not the night's."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_make, args=(str(out), rows, wines, theirs))
    process.start()
    theirs.close()
    try:
        while True:
            tell(int(ours.recv_bytes()))
    except EOFError:
        process.join()
    if process.exitcode:
        raise CellarError(f"the bench's bottles could not be made (exit status {process.exitcode}); see that {out.parent} has room")


def _make(out: str, rows: int, wines: int, told: Connection) -> None:
    bench_data.make_data(Path(out), rows, wines, SEED, lambda count: told.send_bytes(str(count).encode()))


@contextmanager
def _watched() -> Iterator[list[int]]:
    """The most memory, in bytes, that this process and those below it have had together: pages that several share count once."""
    peak = [0]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(SAMPLED_EVERY_S):
            peak[0] = max(peak[0], sum(_proportional_bytes(process_id) for process_id in _family(os.getpid())))

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield peak
    finally:
        ended.set()
        watching.join()


def _family(process_id: int) -> list[int]:
    found = [process_id]
    for tasks in Path(f"/proc/{process_id}/task").glob("*/children"):
        with suppress(OSError):
            found += [each for child in tasks.read_text().split() for each in _family(int(child))]
    return found


def _proportional_bytes(process_id: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


def _stand_in_bundle(path: Path) -> Path:
    manifest = BundleManifest(FORMAT, MODEL_NAME, "", "", "", "", "bench", "1-5", {}, {"made": "by the bench"}, {}, {})
    write_bundle(path, manifest, {"stand-in": b"arithmetic"})
    return path


def _model_seconds(bundle: Path, answers: int, wines: int) -> float:
    """Seconds that the model alone takes for so many answers, in this process, on one thread; measured on some of them."""
    from cellar_drinkability.scoring.model import WindowModel  # noqa: PLC0415

    model = WindowModel.open(bundle)
    some = bench_data.wines_of(min(wines, SOME_ANSWERS), SEED).with_columns(vintage=pl.lit(2010, dtype=pl.Int32))
    model.windows(some.head(BATCH))
    began = time.perf_counter()
    for batch in some.iter_slices(BATCH):
        model.windows(batch)
    return (time.perf_counter() - began) * answers / some.height
