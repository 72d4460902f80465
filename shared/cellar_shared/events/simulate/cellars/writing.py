"""Writes a world's cellars into its data folder, run by run: storage, bottles, outcomes, windows and the truth behind them.

Memory holds one run of bottles at a time and a bit for each vintage of each wine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_shared.events.simulate.catalogue import Catalogue
from cellar_shared.events.simulate.cellars.bottles import bottle_rows, outcome_rows
from cellar_shared.events.simulate.cellars.critics import STATEMENTS_PER_RUN, statement_rows
from cellar_shared.events.simulate.cellars.lifetimes import VINTAGES, Lifetimes, draw_lifetimes
from cellar_shared.events.simulate.cellars.lots import ROWS_PER_RUN, Lots, draw_lots, members_of_rows
from cellar_shared.events.simulate.cellars.places import storage_tables
from cellar_shared.events.simulate.cellars.settings import CellarSettings
from cellar_shared.events.simulate.hierarchy import Ints
from cellar_shared.events.simulate.settings import WorldSettings
from cellar_shared.events.slices import write_slices
from cellar_shared.events.tables import DataWriter

RUNS_PER_PART: Final = 8  # of 125,000 bottles each: a million
TRUTH_PER_PART: Final = 150_000
BYTES_AT_ONCE: Final = 16_384
_BITS: Final = 8


@dataclass(frozen=True, slots=True)
class Cellars:
    """A world's cellars: how its wines age is drawn, bottles and statements are drawn when asked for."""

    settings: WorldSettings
    asked: CellarSettings
    catalogue: Catalogue
    lifetimes: Lifetimes

    @classmethod
    def make(cls, settings: WorldSettings, asked: CellarSettings, catalogue: Catalogue) -> Cellars:
        """The cellars of a world with this catalogue."""
        return cls(settings, asked, catalogue, draw_lifetimes(settings.seed, asked.ageing, catalogue))

    @property
    def runs(self) -> int:
        """How many runs of bottles there are."""
        return -(-self.asked.bottles // ROWS_PER_RUN)

    def run(self, number: int) -> tuple[pl.DataFrame, pl.DataFrame, Lots]:
        """Bottles and outcomes of run `number` (from 0) and the lots behind them; the same at every call."""
        first = number * ROWS_PER_RUN
        rows = min(ROWS_PER_RUN, self.asked.bottles - first)
        rng = self.settings.generator(10, number)
        member = members_of_rows(self.settings, number, self.runs, rows)
        lots = draw_lots(self.settings, self.catalogue, self.lifetimes, member, rng)
        # A lot is one member's, also where it reaches past the end of what was that member's.
        owner = np.repeat(member[lots.first], lots.bottles)
        bottles, lot = bottle_rows(self.catalogue, lots, owner, first, rng)
        return bottles, outcome_rows(bottles, lots, lot, rng), lots

    def statements(self) -> Iterator[tuple[pl.DataFrame, Ints, Ints]]:
        """The rows of table windows, some at a time, with each one's wine and slot."""
        for number, first in enumerate(range(0, self.asked.windows, STATEMENTS_PER_RUN)):
            count = min(STATEMENTS_PER_RUN, self.asked.windows - first)
            yield statement_rows(self.settings, self.catalogue, self.lifetimes, first, count, self.settings.generator(12, number))


def steps_of(asked: CellarSettings) -> int:
    """How many steps of progress writing such cellars takes."""
    return -(-asked.bottles // (ROWS_PER_RUN * RUNS_PER_PART)) + -(-asked.windows // STATEMENTS_PER_RUN)


def write_cellars(cellars: Cellars, writer: DataWriter, progress: Callable[[str], None]) -> dict[str, int]:
    """Add the tables of these cellars; how many rows each has. `progress` is called after each step."""
    written: dict[str, int] = {}
    met = np.zeros(len(cellars.catalogue.quality) * VINTAGES // _BITS, np.uint8)

    def add(table: str, rows: pl.DataFrame) -> None:
        writer.add(table, rows)
        written[table] = written.get(table, 0) + rows.height

    if cellars.asked.bottles:
        for rows in storage_tables(cellars.settings):
            add("storage", rows)
    for first in range(0, cellars.runs, RUNS_PER_PART):
        numbers = range(first, min(first + RUNS_PER_PART, cellars.runs))
        bottles, outcomes = _write_bottles(cellars, writer, numbers, met)
        written["bottles"] = written.get("bottles", 0) + bottles
        add("outcomes", outcomes)
        progress("bottles")
    for rows, wine, slot in cellars.statements():
        add("windows", rows)
        _note(met, wine, slot)
        progress("windows")
    for wine, slot in _met(met):
        add("truth_ageing", cellars.lifetimes.truth(cellars.catalogue, wine, slot))
    return written


def _write_bottles(cellars: Cellars, writer: DataWriter, numbers: range, met: npt.NDArray[np.uint8]) -> tuple[int, pl.DataFrame]:
    """Write these runs as one part of table bottles: how many rows, and their outcomes. Notes which wines and vintages they are of."""
    outcomes = []

    def slices() -> Iterator[pl.DataFrame]:
        for number in numbers:
            bottles, opened, lots = cellars.run(number)
            outcomes.append(opened)
            _note(met, lots.wine, lots.slot)
            yield bottles

    rows = writer.add_written("bottles", lambda file: write_slices(file, "bottles", slices()))
    return rows, pl.concat(outcomes)


def _note(met: npt.NDArray[np.uint8], wine: Ints, slot: Ints) -> None:
    at = wine * VINTAGES + slot
    np.bitwise_or.at(met, at // _BITS, np.left_shift(1, at % _BITS).astype(np.uint8))


def _met(met: npt.NDArray[np.uint8]) -> Iterator[tuple[Ints, Ints]]:
    """The wines and slots that were noted, in their order, some at a time."""
    waiting: list[Ints] = []
    for first in range(0, len(met), BYTES_AT_ONCE):
        waiting.append(np.flatnonzero(np.unpackbits(met[first : first + BYTES_AT_ONCE], bitorder="little")) + first * _BITS)
        if first + BYTES_AT_ONCE >= len(met) or sum(map(len, waiting)) >= TRUTH_PER_PART:
            at = np.concatenate(waiting)
            waiting = []
            if len(at):
                yield at // VINTAGES, at % VINTAGES
