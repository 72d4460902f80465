"""A whole night: curves, then score, then close, each restartable by itself; the command and the bench call it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from cellar_drinkability.scoring import pool
from cellar_drinkability.scoring.close import closed, prune
from cellar_drinkability.scoring.inputs import Inputs, read_inputs
from cellar_drinkability.scoring.layout import Broken, Folder, Part
from cellar_drinkability.scoring.manifest import NightManifest, write_manifest
from cellar_drinkability.scoring.part import MODEL, Terms
from cellar_drinkability.scoring.pool import Outcome, Step
from cellar_shared.durable import locked

Engine = Callable[[Terms, Step, Sequence[Part], int], Iterator[Outcome]]
Watch = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
Only = Literal["curves", "score", "close"]
STEPS: Final[tuple[Only, ...]] = ("curves", "score", "close")
NIGHTS_KEPT: Final = 7  # judgement: a week to look back on


@dataclass(slots=True)
class Report:
    """What a run did: seconds and what was computed by step, the parts set aside, and the manifest where it closed the night."""

    seconds: dict[str, float] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    curves_computed: int = 0
    answers_computed: int = 0
    peak_bytes: int = 0  # of the largest worker
    set_aside: list[Broken] = field(default_factory=list)
    manifest: NightManifest | None = None

    @contextmanager
    def timing(self, step: str) -> Iterator[None]:
        """Adds the seconds of the block."""
        began = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - began

    def facts(self) -> dict[str, Any]:
        """The report for machines."""
        return {
            "seconds": {step: round(value, 3) for step, value in self.seconds.items()},
            "rows_per_s": {step: round(self.rows[step] / max(self.seconds[step], 1e-9)) for step in self.rows},
            "curves_computed": self.curves_computed,
            "answers_computed": self.answers_computed,
            "peak_worker_bytes": self.peak_bytes,
            "set_aside": msgspec.to_builtins(self.set_aside),
        }


def run_night(
    data: Path,
    bundle: Path,
    out: Path,
    as_of: date,
    *,
    steps: Sequence[Only] = STEPS,
    workers: int = 2,
    engine: Engine = pool.run,
    previous: Path | None = None,
    keep: int = NIGHTS_KEPT,
    model: str = MODEL,
    watch: Watch,
    say: Callable[[str], None],
) -> Report:
    """Run the steps of the night of `as_of` over the bottles of `data` and write them to `out`, whose parts `close` lists.

    What stands is not computed again, whoever was killed over it. A part that cannot be done is set aside with its error, the others go
    on. BadInput or Incompatible when data or bundle cannot be taken. One runs at a time on a folder; another waits for it.
    """
    report = Report()
    with locked(out):
        folder = Folder(out)
        folder.clear_scratch()
        inputs = read_inputs(data, bundle, out, as_of, model=model, say=say)
        if "curves" in steps:
            with report.timing("curves"):
                _run(report, "curves", inputs, inputs.parts, engine, workers, watch)
            say(f"curves: {report.curves_computed:,} computed, {report.answers_computed:,} asked of the model")
        if "score" in steps:
            with report.timing("score"):
                ready = [part for part in inputs.parts if _has_curves(folder, inputs.terms, part)]
                _run(report, "score", inputs, ready, engine, workers, watch)
        if "close" in steps:
            with report.timing("close"):
                manifest = closed(inputs, previous, say=say)
            report.manifest = msgspec.structs.replace(manifest, times=report.facts())
            report.set_aside = manifest.set_aside
            write_manifest(report.manifest, folder.night(as_of), folder.manifest)
            aside = {each.part_digest for each in manifest.set_aside}
            prune(folder, as_of, keep, {inputs.terms.bottles_name(part) for part in inputs.parts if part.digest in aside})
    return report


def _has_curves(folder: Folder, terms: Terms, part: Part) -> bool:
    if folder.curves_receipt(terms.curves_name(part)) is not None:
        return True
    name = terms.bottles_name(part)
    if folder.broken(name) is None:
        folder.write_receipt("broken", name, Broken(part.name, part.digest, "it has no curves; run step curves"))
    return False


def _run(report: Report, step: Step, inputs: Inputs, parts: Sequence[Part], engine: Engine, workers: int, watch: Watch) -> None:
    """Run a step over the parts; an error is written beside the part's rows, and taken away when the part goes well."""
    folder = Folder(Path(inputs.terms.out))
    report.rows[step] = 0
    with watch(step, inputs.rows) as tell:
        for outcome in engine(inputs.terms, step, parts, workers):
            name = inputs.terms.bottles_name(outcome.part)
            report.peak_bytes = max(report.peak_bytes, outcome.peak_bytes)
            if outcome.error is not None:
                broken = Broken(outcome.part.name, outcome.part.digest, outcome.error)
                folder.write_receipt("broken", name, broken)
                report.set_aside.append(broken)
                continue
            folder.mend(name)
            report.rows[step] += outcome.rows
            report.curves_computed += outcome.curves
            report.answers_computed += outcome.answers
            tell(outcome.rows)
