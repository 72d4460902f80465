"""Puts a made-up world together, one run of members at a time, and writes it as a data folder; the command calls it.

A run of members is drawn from a random stream of its own, so memory does not grow with the number of members, the runs may
be made in any order, and a world with fewer members is the beginning of one with more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_shared.events.moments import MICROSECONDS_PER_DAY, Moments, midnight_before
from cellar_shared.events.scales import SCALES
from cellar_shared.events.simulate.catalogue import Catalogue, Floats32, make_catalogue
from cellar_shared.events.simulate.cellars.settings import CellarSettings
from cellar_shared.events.simulate.cellars.writing import Cellars, write_cellars
from cellar_shared.events.simulate.chances import appeal, chance_of, draw_stars, level_for
from cellar_shared.events.simulate.choices import choose_wines, draw_vintages
from cellar_shared.events.simulate.hierarchy import Ints
from cellar_shared.events.simulate.members import Occasions, draw_archetypes, draw_occasions
from cellar_shared.events.simulate.notes import NOTED, write_notes
from cellar_shared.events.simulate.settings import WorldSettings
from cellar_shared.events.tables import DataWriter

NAMESPACE: Final = "sim"
SCALE: Final = SCALES["1-5"]
LIKE_RATE: Final = 0.59  # X-Wines Slim: 74,692 of 126,564 ratings are 4 or more
MEMBERS_PER_RUN: Final = 8_192
PILOT_MEMBERS: Final = 4_000
NO_CELLARS: Final = CellarSettings()
DATED_BY_DAY: Final = 0.02  # share of ratings of which only the day is known


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of members did; one entry per rating, members ascending, each one's ratings in time's order."""

    first_member: int
    occasions: Occasions
    wine: Ints  # index into the catalogue
    vintage: Ints  # 0: non-vintage
    vintage_known: npt.NDArray[np.bool_]
    score: Floats32  # on the link's line before level and noise
    chance: npt.NDArray[np.float64]  # the truth
    stars: npt.NDArray[np.float64]
    by_day: npt.NDArray[np.bool_]
    notes: pl.DataFrame  # row, text


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """Rows written per table, and the mean chance of a like."""

    wines: int
    ratings: int
    notes: int
    mean_chance: float
    cellars: dict[str, int]  # rows of the tables that cellars add


@dataclass(frozen=True, slots=True)
class World:
    """A made-up world: its wines and kinds of taste are there, its members are drawn when asked for."""

    settings: WorldSettings
    catalogue: Catalogue
    archetypes: Floats32  # (archetypes, factors)
    level: float  # brings the mean chance to LIKE_RATE

    @classmethod
    def make(cls, settings: WorldSettings) -> World:
        """The world of these settings; a pilot of its own members sets the level."""
        catalogue = make_catalogue(settings)
        archetypes = draw_archetypes(settings.family, settings.generator(1))
        pilot = cls(settings, catalogue, archetypes, 0.0)._draw(0, PILOT_MEMBERS, settings.generator(2))
        noise = pilot.occasions.noise[pilot.occasions.member]
        return cls(settings, catalogue, archetypes, level_for(settings.family, pilot.score, noise, LIKE_RATE))

    @property
    def runs(self) -> int:
        """How many runs of members there are."""
        return -(-self.settings.members // MEMBERS_PER_RUN)

    def run(self, number: int) -> Run:
        """Run `number` (from 0), the same at every call; the last one may hold members beyond the world's."""
        return self._draw(number * MEMBERS_PER_RUN, MEMBERS_PER_RUN, self.settings.generator(3, number))

    def chances(self, occasions: Occasions, rows: Ints, wine: Ints) -> npt.NDArray[np.float64]:
        """The chance that the members of these rows would like these wines then, of a usual vintage."""
        score = self._score(occasions, rows, wine)
        return chance_of(self.settings.family, (score + np.float32(self.level)) / occasions.noise[occasions.member[rows]])

    def _score(self, occasions: Occasions, rows: Ints, wine: Ints) -> Floats32:
        wines = self.catalogue
        return occasions.lean[rows] + appeal(self.settings.family, occasions.taste[rows], wines.style[wine], wines.quality[wine])

    def _draw(self, first_member: int, members: int, rng: np.random.Generator) -> Run:
        family = self.settings.family
        occasions = draw_occasions(self.settings, members, self.archetypes, rng)
        wine, kept = choose_wines(family, self.catalogue, occasions, rng)
        occasions, wine = occasions.only(kept), wine[kept]
        vintage, effect, known = draw_vintages(self.catalogue, wine, _years(occasions.moment), rng)
        score = self._score(occasions, np.arange(len(wine)), wine) + effect
        chance = chance_of(family, (score + np.float32(self.level)) / occasions.noise[occasions.member])
        stars = draw_stars(chance, rng)
        by_day = rng.random(len(wine)) < DATED_BY_DAY
        noted = np.flatnonzero((rng.random(len(wine)) < NOTED) & ~by_day)
        text = write_notes(self.catalogue, wine[noted], occasions.taste[noted], stars[noted] >= SCALE.liked_from, rng)
        notes = pl.DataFrame({"row": noted, "text": text})
        return Run(first_member, occasions, wine, vintage, known, score, chance, stars, by_day, notes)


def _years(moments: Moments) -> Ints:
    days = (moments // MICROSECONDS_PER_DAY).astype("datetime64[D]")
    return days.astype("datetime64[Y]").astype(np.int64) + 1970


def tables_of(world: World, run: Run) -> dict[str, pl.DataFrame]:
    """The run's rows of the tables ratings, notes and truth, for the members that belong to the world."""
    member = run.first_member + run.occasions.member
    moment = np.where(run.by_day, midnight_before(run.occasions.moment), run.occasions.moment)
    rows = pl.DataFrame(
        {
            "row": np.arange(len(member)),
            "member": member,
            "wine_id": world.catalogue.table["wine_id"].gather(run.wine),
            "vintage": pl.select(pl.when(pl.Series(run.vintage_known)).then(pl.Series(run.vintage))).to_series(),
            "rating_raw": run.stars,
            "like": run.stars >= SCALE.liked_from,
            "rated_at": pl.Series(moment).cast(pl.Datetime("us", "UTC")),
            "time_precision": pl.Series(np.where(run.by_day, "date", "datetime")),
            "probability": run.chance,
        }
    ).filter(pl.col("member") < world.settings.members)
    nth = pl.int_range(pl.len()).over("member")
    rows = rows.with_columns(
        event_id=pl.format("r{}-{}", pl.col("member") + 1, nth + 1),
        member_id=pl.format("m{}", pl.col("member") + 1),
    )
    notes = rows.join(run.notes, on="row", maintain_order="left").with_columns(
        event_id=pl.format("n{}", pl.col("event_id").str.strip_prefix("r")),
        noted_at="rated_at",
    )
    constants = {"scale": pl.lit(SCALE.name), "defective": pl.lit(False), "source": pl.lit(NAMESPACE)}
    return {
        "ratings": rows.drop("row", "member", "probability").with_columns(**constants),
        "notes": notes.select("event_id", "member_id", "wine_id", "vintage", "text", "noted_at"),
        "truth": rows.select("event_id", "probability"),
    }


def simulate_world(
    settings: WorldSettings, out: Path, *, cellars: CellarSettings = NO_CELLARS, replace: bool = False, progress: Callable[[str], None]
) -> SimulationReport:
    """Write the world of `settings`, with its `cellars`, as the data folder `out`, whole or not at all; `progress` is called
    after each run of members, of bottles and of statements."""
    written = {"ratings": 0, "notes": 0, "truth": 0}
    chances = 0.0
    asked = {
        "family": settings.family.name,
        "members": settings.members,
        "wines": settings.wines,
        "seed": settings.seed,
        "ratings_per_member": settings.ratings_per_member,
    } | ({} if cellars.is_empty else cellars.asked())
    with DataWriter(out, NAMESPACE, SCALE.name, "simulate", replace=replace, notes=asked) as writer:
        world = World.make(settings)
        writer.add("wines", world.catalogue.table)
        for number in range(world.runs):
            tables = tables_of(world, world.run(number))
            for table, rows in tables.items():
                writer.add(table, rows)
                written[table] += rows.height
            chances += float(tables["truth"]["probability"].to_numpy().sum())
            progress("")
        of_cellars = {} if cellars.is_empty else write_cellars(Cellars.make(settings, cellars, world.catalogue), writer, progress)
    return SimulationReport(settings.wines, written["ratings"], written["notes"], chances / written["ratings"], of_cellars)
