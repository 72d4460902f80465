"""Runs the line step by step, each by the code behind its own command, and asks the served model; `cellar demo` calls it."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cellar_preference.demo.asking import show_answers
from cellar_preference.demo.server import running_service
from cellar_preference.training.fit import Recipe
from cellar_preference.training.learn import steps_of
from cellar_preference.training.train import train
from cellar_shared.bundle.manifest import BundleManifest
from cellar_shared.display import Reporter
from cellar_shared.errors import BadInput
from cellar_shared.events.manifest import MANIFEST
from cellar_shared.events.moments import moment_of
from cellar_shared.events.simulate.settings import WorldSettings
from cellar_shared.events.simulate.world import MEMBERS_PER_RUN, simulate_world
from cellar_shared.events.sources.intake import Terms
from cellar_shared.events.sources.xwines import import_xwines
from cellar_shared.events.tables import DataFolder
from cellar_shared.store.materialize import materialize
from cellar_shared.store.opening import open_store

MADE_BY_DEMO: Final = ".cellar-demo"
MEMBERS: Final = 4_000
WINES: Final = 1_000
SEED: Final = 1
HOLD_OUT_DAYS: Final = 30  # the model is asked about ratings it has not seen


def run_line(data: Path | None, work: Path, *, is_once: bool, threads: int, reporter: Reporter) -> None:
    """From ratings to printed answers; stays up until Ctrl-C unless `is_once`. What it makes lies in `work`."""
    # Whoever ends the demo, the service it started ends with it; a shell may have left Ctrl-C ignored.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    _empty(work)
    with _step(reporter, "1 ratings"):
        folder = _ratings(data, work / "data", reporter)
    recipe = Recipe()
    with _step(reporter, "2 training"), reporter.advancing("training", steps_of(recipe) + 3) as step:
        manifest = train(folder.path, work / "bundle", hold_out_days=HOLD_OUT_DAYS, recipe=recipe, threads=threads, step=step)
    reporter.say(_summary(manifest))
    store = f"lmdb://{work / 'store'}"
    with _step(reporter, "3 generation"):
        materialize(folder.path, open_store(store), say=reporter.say)
    began = time.monotonic()
    with running_service(work / "bundle", store, work / "service.log") as url:
        reporter.say(f"[4 service] {time.monotonic() - began:.1f} s")
        show_answers(url, folder, manifest.trained_through)
        if not is_once:
            reporter.say(f"The service stays up at {url} (try {url}/docs). Ctrl-C ends it.")
            _wait_for_interrupt()


def _ratings(data: Path | None, place: Path, reporter: Reporter) -> DataFolder:
    """The data folder to work on: the one given, the X-Wines release given, or a small made-up world."""
    if data is None:
        with reporter.advancing("making a world up", -(-MEMBERS // MEMBERS_PER_RUN)) as step:
            simulate_world(WorldSettings(MEMBERS, WINES, SEED), place, progress=step)
    elif (data / MANIFEST).is_file():
        place = data
    else:
        with reporter.counting("reading X-Wines") as tell:
            import_xwines(data, place, Terms(moment_of(datetime.now(UTC))), progress=tell)
    folder = DataFolder.open(place)
    sizes = ", ".join(f"{facts.rows:,} {name}" for name, facts in folder.manifest.tables.items())
    reporter.say(f"{place}: {sizes} ({folder.manifest.source})")
    return folder


def _summary(manifest: BundleManifest) -> str:
    metrics = manifest.metrics["calibration"]
    return (
        f"bundle {manifest.version}: {manifest.facts['rows']:,} ratings through {manifest.trained_through}; "
        f"on its calibration rows ECE {metrics['ece']:.4f}, noise floor {metrics['ece_noise_floor']:.4f}"
    )


def _empty(work: Path) -> None:
    """Make `work` an empty folder; only what a demo made before is deleted."""
    if work.exists():
        if not (work / MADE_BY_DEMO).is_file():
            raise BadInput(f"{work} exists and was not made by a demo; name another folder with --work")
        shutil.rmtree(work)
    work.mkdir(parents=True)
    (work / MADE_BY_DEMO).touch()


@contextmanager
def _step(reporter: Reporter, title: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    reporter.say(f"[{title}] {time.monotonic() - began:.1f} s")


def _wait_for_interrupt() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return
