"""The rows a window model learns from and is judged on: table windows as facts, ages and groups; training and evaluation read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_shared.errors import BadInput
from cellar_shared.events.tables import DataFolder, dtypes_of
from cellar_shared.store.rating_log import event_hashes

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEWEST: Final = 50  # statements of each side; below that nothing about a side can be learnt
YOUNGEST: Final = 0.7  # years: a wine stated to be ready in its vintage's own year is taken as ready late in it (judgement)
# Statements that one model learns from. A process's arrays grow with the square of them, its time with the cube: 6,000 take about 3 GB and
# some minutes on one core.
MOST: Final = 6_000
OLDEST_VINTAGE: Final = 1990  # older wines are a handful that were judged at sixty and more: not learnt from, counted


@dataclass(frozen=True, slots=True)
class Rows:
    """Statements; all (rows,). Ages in years from 1 January of the vintage, NaN where that side was not stated (censored).

    `begin` is the first day of the stated year, `end` the last day of the stated year. `winery` numbers the groups that splits keep
    together: one winery's statements; without a winery those with equal facts.
    """

    wines: pl.DataFrame
    begin: Floats
    end: Floats
    kind: npt.NDArray[np.str_]
    winery: Ints
    reviewer: npt.NDArray[np.str_]
    digest: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.begin)

    def take(self, places: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Rows:
        """Only those rows; groups keep their numbers."""
        chosen = np.arange(len(self))[places]
        return Rows(
            self.wines[chosen], self.begin[chosen], self.end[chosen], self.kind[chosen], self.winery[chosen],
            self.reviewer[chosen], self.digest[chosen],
        )  # fmt: skip

    def at_most(self, count: int, seed: int) -> Rows:
        """These rows, or `count` of them drawn at random, in their order."""
        if len(self) <= count:
            return self
        return self.take(np.sort(np.random.default_rng([seed, 3]).choice(len(self), count, replace=False)))

    @property
    def ages(self) -> Floats:
        """Both sides, (2, rows)."""
        return np.stack([self.begin, self.end])

    @classmethod
    def of(cls, table: pl.DataFrame) -> Self:
        """Rows of a frame of table windows, all with a vintage."""
        vintage = table["vintage"].cast(pl.Float64).to_numpy()
        begin = table["start"].cast(pl.Float64).fill_null(float("nan")).to_numpy() - vintage
        end = table["end"].cast(pl.Float64).fill_null(float("nan")).to_numpy() + 1 - vintage
        facts = pl.struct(name for name in ("type", "country", "region", "grapes", "price", "points", "vintage") if name in table.columns)
        key = table.select(pl.coalesce("producer", pl.format("\x1f{}", facts.hash(0)))).to_series()
        _, winery = np.unique(key.to_numpy().astype(str), return_inverse=True)
        return cls(
            table,
            np.maximum(begin, YOUNGEST),
            np.maximum(end, YOUNGEST),
            table["kind"].to_numpy().astype(str),
            winery.astype(np.int64),
            table["reviewer"].fill_null("").to_numpy().astype(str),
            event_hashes(table["window_id"].to_list()),
        )


def read_rows(folder: DataFolder) -> Rows:
    """The statements of `folder` with a vintage that says something; BadInput when they are too few."""
    table = folder.scan("windows").filter(pl.col("vintage") >= OLDEST_VINTAGE).collect()
    # Columns that a source need not have: nobody knows them.
    table = table.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in dtypes_of("windows").items() if name not in table.columns)
    rows = Rows.of(table) if table.height else None
    sides = (0, 0) if rows is None else tuple(int(np.isfinite(side).sum()) for side in rows.ages)
    if rows is None or min(sides) < FEWEST:
        raise BadInput(
            f"{folder.path} has {sides[0]} windows with a start and {sides[1]} with an end, expected {FEWEST} of each at least; "
            "import more (cellar data import windows)"
        )
    return rows
