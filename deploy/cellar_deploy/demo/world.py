"""The data that the demo works on, and the evening on which it asks: a folder, a release of X-Wines, or a made-up world."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import polars as pl

from cellar_shared.display import Reporter
from cellar_shared.errors import BadInput
from cellar_shared.events.manifest import MANIFEST
from cellar_shared.events.moments import moment_of
from cellar_shared.events.simulate.cellars.settings import CellarSettings
from cellar_shared.events.simulate.cellars.writing import steps_of
from cellar_shared.events.simulate.settings import WorldSettings
from cellar_shared.events.simulate.world import MEMBERS_PER_RUN, simulate_world
from cellar_shared.events.sources.intake import Terms
from cellar_shared.events.sources.xwines import import_xwines
from cellar_shared.events.tables import DataFolder

WORLD: Final = WorldSettings(members=4_000, wines=1_000, seed=1)
CELLARS: Final = CellarSettings(bottles=40_000, windows=2_000)


def data_for(data: Path | None, place: Path, reporter: Reporter) -> DataFolder:
    """The data folder to work on: the one given, the X-Wines release given, or a small made-up world written to `place`."""
    if data is None:
        with reporter.advancing("making a world up", -(-WORLD.members // MEMBERS_PER_RUN) + steps_of(CELLARS)) as step:
            simulate_world(WORLD, place, cellars=CELLARS, progress=step)
    elif (data / MANIFEST).is_file():
        place = data
    else:
        with reporter.counting("reading X-Wines") as tell:
            import_xwines(data, place, Terms(moment_of(datetime.now(UTC))), progress=tell)
    folder = DataFolder.open(place)
    sizes = ", ".join(f"{facts.rows:,} {name}" for name, facts in folder.manifest.tables.items())
    reporter.say(f"{place}: {sizes} ({folder.manifest.source})")
    return folder


def has_cellars(folder: DataFolder) -> bool:
    """Whether there are bottles, and what critics stated to learn from how they age."""
    return {"bottles", "windows"} <= set(folder.manifest.tables)


def last_evening(folder: DataFolder) -> datetime:
    """The moment of the newest rating, as of which the demo asks what is next; BadInput where no rating has a date."""
    newest = folder.scan("ratings").select(pl.col("rated_at").max()).collect().item()
    if newest is None:
        raise BadInput(f"{folder.path}: no rating says when it was given; the demo needs dated ratings, so that it can hold the last out")
    moment: datetime = newest
    return moment
