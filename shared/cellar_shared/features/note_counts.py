"""Running counts of what tasting notes say: in how many of a wine's notes each hashed term stood up to any midnight.

One step per wine and day with a note, as in `counts`: a question asked at T sees the steps of days before T's own (UTC), in training,
evaluation and serving alike. Notes without a date are in no step: nobody knows what they came after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from cellar_shared.features.terms import TERMS
from cellar_shared.npy import map_npy

DAY_BITS: Final = 20  # as in `counts`
NOTES: Final = TERMS  # the column behind the terms': how many notes there were
COLUMNS: Final = TERMS + 1
NOTES_AT_ONCE: Final = 20_000  # 10 MB of bits

Int64s = npt.NDArray[np.int64]
Counts = npt.NDArray[np.uint32]
Reserve = Callable[[tuple[int, int]], Counts]  # room for so many steps' totals


@dataclass(frozen=True, slots=True)
class NoteCounts:
    """Cumulative counts by wine and day; the arrays may be memory-mapped.

    `wines` (wines,) int64 identities, ascending; `steps` (steps,) int64 ascending: wine's place << DAY_BITS | day; `totals` (steps,
    COLUMNS) uint32: how many of the wine's notes by the end of the day held each term, and how many there were.
    """

    wines: Int64s
    steps: Int64s
    totals: Counts

    def before(self, wines: Int64s, day: int) -> Counts:
        """What had been noted of each wine before 00:00 UTC of `day`; (wines, COLUMNS), zeros for a wine without a note."""
        if not len(self.wines):
            return np.zeros((len(wines), COLUMNS), dtype=np.uint32)
        place = np.minimum(np.searchsorted(self.wines, wines), len(self.wines) - 1)
        last = np.searchsorted(self.steps, (place << DAY_BITS) | max(day, 0)) - 1
        seen = (self.wines[place] == wines) & (last >= 0) & (self.steps[last] >> DAY_BITS == place)
        counted = np.zeros((len(wines), COLUMNS), dtype=np.uint32)
        counted[seen] = self.totals[last[seen]]
        return counted

    def only(self, wines: Int64s) -> NoteCounts:
        """The counts of some wines: what a golden case carries along."""
        kept = np.isin(self.wines, wines)
        rows = kept[self.steps >> DAY_BITS]
        place = (np.cumsum(kept) - 1)[self.steps[rows] >> DAY_BITS]
        return NoteCounts(self.wines[kept], (place << DAY_BITS) | (self.steps[rows] & ((1 << DAY_BITS) - 1)), self.totals[rows])

    @classmethod
    def mapped(cls, folder: Path) -> Self:
        """The counts in `folder`, memory-mapped."""
        return cls(*(map_npy(folder / f"{name}.npy") for name in cls.__slots__))


def count_notes(wines: Int64s, days: Int64s, bags: npt.NDArray[np.uint64], reserve: Reserve | None = None) -> NoteCounts:
    """Count notes of `wines` (notes,) identities on `days` (notes,) with the terms in `bags` (notes,), in whatever order.

    Totals are written from front to back into what `reserve` gives (by default, memory). Beside them a few bytes a note are in memory.
    """
    distinct, place = np.unique(wines, return_inverse=True)
    steps_of_notes = place << DAY_BITS | np.maximum(days, 0)  # a step holds no day before 1970
    order = np.argsort(steps_of_notes, kind="stable")
    steps, first = np.unique(steps_of_notes[order], return_index=True)
    del place, steps_of_notes
    ends = np.append(first[1:], len(order))
    totals = np.zeros((len(steps), COLUMNS), dtype=np.uint32) if reserve is None else reserve((len(steps), COLUMNS))
    start, gathered = 0, np.zeros(COLUMNS, dtype=np.uint32)
    while start < len(steps):
        # As many whole steps as fit, or one that is larger.
        end = max(int(np.searchsorted(ends, first[start] + NOTES_AT_ONCE, side="right")), start + 1)
        added = np.add.reduceat(_bits(bags[order[first[start] : ends[end - 1]]]), first[start:end] - first[start], axis=0, dtype=np.uint32)
        wine = steps[start:end] >> DAY_BITS
        if start and wine[0] == steps[start - 1] >> DAY_BITS:
            added[0] += gathered
        running = np.cumsum(added, axis=0, dtype=np.uint32)
        is_new = np.diff(wine, prepend=-1) != 0
        totals[start:end] = running - (running - added)[is_new][np.cumsum(is_new) - 1]
        gathered = np.array(totals[end - 1])
        start = end
    return NoteCounts(distinct, steps, totals)


def write_note_counts(folder: Path, wines: Int64s, days: Int64s, bags: npt.NDArray[np.uint64]) -> None:
    """`count_notes` into one .npy file per array in the new `folder`."""
    folder.mkdir()

    def reserve(shape: tuple[int, int]) -> Counts:
        return np.lib.format.open_memmap(folder / "totals.npy", mode="w+", dtype=np.uint32, shape=shape)

    counts = count_notes(wines, days, bags, reserve)
    for name in ("wines", "steps"):
        np.save(folder / f"{name}.npy", getattr(counts, name), allow_pickle=False)


def _bits(bags: npt.NDArray[np.uint64]) -> Counts:
    """Which terms each bag holds, and a 1 for the note itself; (bags, COLUMNS)."""
    bits = np.ones((len(bags), COLUMNS), dtype=np.uint32)
    bits[:, :TERMS] = (bags[:, None] >> np.arange(TERMS, dtype=np.uint64)) & np.uint64(1)
    return bits
