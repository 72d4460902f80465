"""Runs the line step by step, each by the code behind its own command, and asks the served models; `cellar demo` calls it."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cellar_deploy.demo.asking import Demo
from cellar_deploy.demo.chances import show_chances
from cellar_deploy.demo.learning import learn_preference, learn_recommender, score_night
from cellar_deploy.demo.recommending import show_recommendations
from cellar_deploy.demo.server import running_services
from cellar_deploy.demo.world import data_for, has_cellars, last_evening
from cellar_shared.display import Reporter
from cellar_shared.errors import BadInput
from cellar_shared.store.indexes import build_ahead
from cellar_shared.store.materialize import materialize
from cellar_shared.store.opening import open_store

MADE_BY_DEMO: Final = ".cellar-demo"


def run_line(data: Path | None, work: Path, *, is_once: bool, threads: int, reporter: Reporter) -> None:
    """From events to printed answers; stays up until Ctrl-C unless `is_once`. What it makes lies in `work`."""
    # Whoever ends the demo, the services it started end with it; a shell may have left Ctrl-C ignored.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    _empty(work)
    bundles = {model: work / model for model in ("preference", "recommender")}
    with _step(reporter, "1 events"):
        folder = data_for(data, work / "data", reporter)
        evening = last_evening(folder)
    with _step(reporter, "2 preference"):
        learnt = learn_preference(folder.path, bundles["preference"], threads, reporter)
    with _step(reporter, "3 recommender"):
        learn_recommender(folder.path, bundles["recommender"], bundles["preference"], threads, reporter)
    night = None
    if has_cellars(folder):
        with _step(reporter, "4 night"):
            night = score_night(folder.path, work, evening.date(), threads, reporter)
    store = f"lmdb://{work / 'store'}"
    with _step(reporter, "5 generation"):
        _materialize(folder.path, store, night, bundles, reporter)
    began = time.monotonic()
    with running_services(bundles, store, work) as urls:
        reporter.say(f"[6 services] {time.monotonic() - began:.1f} s")
        demo = Demo.of(folder, urls, evening, learnt.trained_through)
        show_chances(demo)
        show_recommendations(demo)
        if not is_once:
            for model, url in urls.items():
                reporter.say(f"{model} stays up at {url} (try {url}/docs)")
            reporter.say("Ctrl-C ends it.")
            _wait_for_interrupt()


def _materialize(data: Path, store: str, night: Path | None, bundles: dict[str, Path], reporter: Reporter) -> None:
    """The generation of `data`, with the dates of `night` and what the bundles need ready beside it."""
    opened = open_store(store)

    def build_indexes(generation_id: str) -> None:
        for bundle in bundles.values():
            build_ahead(bundle, opened, generation_id, reporter.say)

    materialize(data, opened, night=night, ahead=build_indexes, say=reporter.say)


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
