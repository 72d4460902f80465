"""Running counts: how often each wine, producer, region, ... was rated and liked up to any midnight; built once, read by all.

One step per key and day with an event. A question asked at T sees the steps of days before T's own (UTC): the day's own
events count from the next midnight on, in training, evaluation and serving alike.

Beside the plain likes each key gathers how far its likes lay above what could be expected of the time and of the rater
(`counting` says how): a wine is not thought worse for having been rated in a strict year or by strict members.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cellar_shared.features.identity import UNKNOWN, mixed
from cellar_shared.features.note_counts import NoteCounts
from cellar_shared.features.wines import Wines
from cellar_shared.npy import map_npy

DAY_BITS: Final = 20  # 2**20 days reach the year 4840
YEAR_DAYS: Final = 365
SEASON_DAYS: Final = 90
ROWS_AT_ONCE: Final = 100_000
PRIOR_RATINGS: Final = 200.0  # weight of the long-run rate in the trailing one: a year with fewer ratings says little

# What is added up per key and day, column by column: ratings, likes, poor and great ones, and how far likes and strengths
# lay above what time and rater let expect. For everyone the last two are what wine, time and rater together left
# unexplained of the likes, and the plain strengths.
TOTALS: Final = ("rated", "liked", "poor", "great", "likes_above", "strength_above")
RATED, LIKED, POOR, GREAT, LIKES_ABOVE, STRENGTH_ABOVE = range(len(TOTALS))
ABOVE: Final = slice(LIKES_ABOVE, STRENGTH_ABOVE + 1)

POOR_AT_MOST: Final = -1.0  # strength: 3 of 5 stars
GREAT_FROM: Final = 0.5  # strength: 4.5 of 5 stars

# Everyone's means before anything was rated: likes, poor and great shares, strength.
LIKE_PRIOR: Final = 0.5
TAIL_PRIOR: Final = 0.2
STRENGTH_PRIOR: Final = 0.0
_PRIORS: Final = np.array([0.0, LIKE_PRIOR, TAIL_PRIOR, TAIL_PRIOR, 0.0, STRENGTH_PRIOR])

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]

ARRAYS: Final = ("keys", "steps", "totals", "days", "everyone")

# The groups that a rating of a wine is counted under, beside everyone. Order is part of the fingerprint.
GROUPS: Final = ("type", "country_type", "region_type", "grape_type", "producer", "wine", "wine_vintage")


def group_keys(wines: Wines, vintages: npt.NDArray[np.int16]) -> Int64s:
    """The key of each wine in each of GROUPS; (wines, groups) int64, UNKNOWN where a fact is missing."""
    kind = wines["type"]
    keys = np.empty((len(wines), len(GROUPS)), dtype=np.int64)
    keys[:, 0] = kind
    # One mixing for all pairs of names; the vintage is shifted so that non-vintage (0) is a year of its own and only an
    # unknown vintage has no key.
    one = np.stack([wines["country"], wines["region"], wines["grapes"][:, 0], wines["wine"]], axis=1)
    other = np.stack([kind, kind, kind, vintages.astype(np.int64) + 1], axis=1)
    keys[:, [1, 2, 3, 6]] = mixed(one, other)
    keys[:, 4] = wines["producer"]
    keys[:, 5] = wines["wine"]
    return keys


@dataclass(frozen=True, slots=True)
class Everyone:
    """All members together before some midnights, each (days,) float64: trailing-year means, shrunk to the long run's.

    `unexplained`: how far this season's likes lay above what wine, time and rater let expect.
    """

    like_rate: Float64s
    mean_strength: Float64s
    poor_rate: Float64s
    great_rate: Float64s
    unexplained: Float64s


@dataclass(frozen=True, slots=True)
class RunningCounts:
    """Cumulative counts by key and day; the arrays may be memory-mapped.

    `keys` (keys,) int64 ascending; `steps` (steps,) int64 ascending: key index << DAY_BITS | day; `totals` (steps, TOTALS)
    float32: what the key had gathered by the end of the day. `days` (days,) int64 ascending and `everyone` (days, TOTALS)
    float64: the same for everyone together. `notes`: what tasting notes say, where there are any.
    """

    keys: Int64s
    steps: Int64s
    totals: npt.NDArray[np.float32]
    days: Int64s
    everyone: Float64s
    notes: NoteCounts | None = None

    @classmethod
    def of_values(cls, keys: Int64s, days: Int64s, values: Float64s, everyone_days: Int64s, everyone_values: Float64s) -> RunningCounts:
        """Count `values` (rows, TOTALS) under `keys` (rows,) on `days` (rows,), and everyone's; UNKNOWN keys are left out."""
        at = np.argsort(everyone_days, kind="stable")
        of_day, last = np.unique(everyone_days[at][::-1], return_index=True)
        everyone = np.cumsum(everyone_values[at], axis=0)[len(at) - 1 - last]
        return cls(*added_up(keys[:, None], np.arange(len(keys)), days, values.__getitem__), of_day, everyone)

    def before(self, keys: Int64s, days: Int64s) -> Float64s:
        """What each key had gathered before 00:00 UTC of its day: `keys` and `days`, each broadcast against the other, + (TOTALS,)."""
        if not len(self.keys):
            return np.zeros((*np.broadcast_shapes(keys.shape, days.shape), len(TOTALS)))
        index = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        last = np.searchsorted(self.steps, (index << DAY_BITS) | np.maximum(days, 0)) - 1
        seen = (self.keys[index] == keys) & (keys != UNKNOWN) & (self.steps[last] >> DAY_BITS == index) & (last >= 0)
        gathered: Float64s = self.totals[last].astype(np.float64) * seen[..., None]
        return gathered

    def everyone_before(self, days: Int64s) -> Everyone:
        """What all members together gave before 00:00 UTC of each day."""
        padded = np.concatenate([np.zeros((1, len(TOTALS))), self.everyone])
        ever, until_year, until_season = padded[np.searchsorted(self.days, np.stack([days, days - YEAR_DAYS, days - SEASON_DAYS]))]
        year, season = ever - until_year, ever - until_season
        mean = shrink_to_long_run(year, year[:, RATED, None], ever, ever[:, RATED, None], _PRIORS)
        return Everyone(
            like_rate=mean[:, LIKED],
            mean_strength=mean[:, STRENGTH_ABOVE],
            poor_rate=mean[:, POOR],
            great_rate=mean[:, GREAT],
            unexplained=season[:, LIKES_ABOVE] / (season[:, RATED] + PRIOR_RATINGS),
        )

    def only(self, keys: Int64s) -> RunningCounts:
        """The counts of some keys, and of everyone: what a golden case carries along."""
        kept = np.isin(self.keys, keys)
        rows = kept[self.steps >> DAY_BITS]
        index = (np.cumsum(kept) - 1)[self.steps[rows] >> DAY_BITS]
        steps = (index << DAY_BITS) | (self.steps[rows] & ((1 << DAY_BITS) - 1))
        notes = None if self.notes is None else self.notes.only(keys)
        return RunningCounts(self.keys[kept], steps, self.totals[rows], np.asarray(self.days), np.asarray(self.everyone), notes)

    @classmethod
    def mapped(cls, folder: Path) -> RunningCounts:
        """The counts in `folder`, memory-mapped, without notes."""
        arrays: dict[str, Any] = {name: map_npy(folder / f"{name}.npy") for name in ARRAYS}
        return cls(**arrays)

    def write(self, folder: Path) -> None:
        """Write one .npy file per array, without notes."""
        for name in ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)


def added_up(
    keys: Int64s, row_keys: npt.NDArray[np.integer[Any]], days: Int64s, values_of: Callable[[Int64s], Float64s]
) -> tuple[Int64s, Int64s, npt.NDArray[np.float32]]:
    """`keys`, `steps` and `totals` of RunningCounts out of rows that each count under several keys.

    `keys` (sets, keys of a set) int64, UNKNOWN left out; `row_keys` (rows,): each row's set; `days` (rows,); `values_of` gives
    the values (n, TOTALS) of some rows. What is added must be exact in any order. Beside the result and a few bytes a row,
    ROWS_AT_ONCE rows are in memory.
    """
    rows = np.argsort(row_keys, kind="stable")  # those of a set one after the other
    rows_of_set = np.bincount(row_keys, minlength=len(keys))
    first_row = np.cumsum(rows_of_set) - rows_of_set
    named = np.flatnonzero(keys.ravel() != UNKNOWN)
    in_order = named[np.argsort(keys.ravel()[named], kind="stable")]
    distinct, first = np.unique(keys.ravel()[in_order], return_index=True)
    sets = in_order // keys.shape[1]
    reached = np.concatenate([[0], np.cumsum(rows_of_set[sets])])  # rows counted under the keys before
    of_key = np.append(reached[first], reached[-1])
    steps, totals = np.zeros(0, dtype=np.int64), np.zeros((0, len(TOTALS)), dtype=np.float32)
    start = 0
    while start < len(distinct):
        # As many whole keys as fit, or one that is larger.
        end = max(int(np.searchsorted(of_key, of_key[start] + ROWS_AT_ONCE, side="right")) - 1, start + 1)
        parts = []
        for least in range(int(of_key[start]), int(of_key[end]), ROWS_AT_ONCE):
            counted = np.arange(least, min(least + ROWS_AT_ONCE, int(of_key[end])))
            place = np.searchsorted(reached, counted, side="right") - 1
            row = rows[first_row[sets[place]] + counted - reached[place]]
            key = np.searchsorted(of_key, counted, side="right") - 1
            parts.append(_by_step(key << DAY_BITS | np.maximum(days[row], 0), values_of(row)))  # a step holds no day before 1970
        step, added = _by_step(*(np.concatenate(part) for part in zip(*parts, strict=True))) if len(parts) > 1 else parts[0]
        running = np.cumsum(added, axis=0)
        is_new = np.diff(step >> DAY_BITS, prepend=-1) > 0
        before = (running - added)[is_new][np.cumsum(is_new) - 1]
        done = len(steps)
        for grown in (steps, totals):  # in place: a copy of all there is would be the most that is in memory
            grown.resize((done + len(step), *grown.shape[1:]), refcheck=False)
        steps[done:], totals[done:] = step, running - before
        start = end
    return distinct, steps, totals


def _by_step(steps: Int64s, values: Float64s) -> tuple[Int64s, Float64s]:
    """The distinct steps in their order, and the sum of each one's values."""
    order = np.argsort(steps, kind="stable")
    distinct, first = np.unique(steps[order], return_index=True)
    return distinct, np.add.reduceat(values[order], first, axis=0) if len(first) else values


def shrink_to_long_run(year: Float64s, year_rated: Float64s, ever: Float64s, ever_rated: Float64s, prior: float | Float64s) -> Float64s:
    """A year's mean, drawn to the long-run mean by PRIOR_RATINGS ratings, and that to `prior` by as many."""
    long_run = (ever + PRIOR_RATINGS * prior) / (ever_rated + PRIOR_RATINGS)
    mean: Float64s = (year + PRIOR_RATINGS * long_run) / (year_rated + PRIOR_RATINGS)
    return mean
