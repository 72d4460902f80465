"""Running counts: how often each wine, producer, region, ... was rated and liked up to any midnight; built once, read by all.

One step per key and day with an event. A question asked at T sees the steps of days before T's own (UTC): the day's own
events count from the next midnight on, in training, evaluation and serving alike.

Beside the plain likes each key gathers how far its likes lay above what could be expected of the time and of the rater
(`counting` says how): a wine is not thought worse for having been rated in a strict year or by strict members.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.features.identity import UNKNOWN, identity, mixed
from cellar_shared.features.wines import Wines

DAY_BITS: Final = 20  # 2**20 days reach the year 4840
EVERYONE: Final = identity("everyone", "everyone")
YEAR_DAYS: Final = 365
SEASON_DAYS: Final = 90
PRIOR_RATINGS: Final = 200.0  # weight of the long-run rate in the trailing one: a year with fewer ratings says little
PRIOR_LIKE: Final = 0.5  # before anything was rated
PRIOR_STRENGTH: Final = 0.0
PRIOR_TAIL: Final = 0.2  # share of poor, and of great

TOTALS: Final = (
    ("rated", "<i4"),
    ("liked", "<i4"),
    ("poor", "<i4"),
    ("great", "<i4"),
    ("likes_above", "<f4"),
    ("strength_above", "<f4"),
)
POOR: Final = -1.0  # strengths at most this are poor: 3 of 5 stars
GREAT: Final = 0.5  # strengths at least this are great: 4.5 of 5 stars

Int64s = npt.NDArray[np.int64]
Days = npt.NDArray[np.int32] | npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]

# The groups that a rating of a wine is counted under, beside everyone. Order is part of the fingerprint.
GROUPS: Final = ("type", "country_type", "region_type", "grape_type", "producer", "wine", "wine_vintage")


def group_keys(wines: Wines, vintages: npt.NDArray[np.int16]) -> Int64s:
    """The key of each wine in each of GROUPS; (wines, groups) int64, UNKNOWN where a fact is missing."""
    kind = wines["type"]
    keys = {
        "type": kind,
        "country_type": mixed(wines["country"], kind),
        "region_type": mixed(wines["region"], kind),
        "grape_type": mixed(wines["grapes"][:, 0], kind),
        "producer": wines["producer"],
        "wine": wines["wine"],
        # Shifted so that non-vintage (0) is a year of its own and only an unknown vintage has no key.
        "wine_vintage": mixed(wines["wine"], vintages.astype(np.int64) + 1),
    }
    return np.column_stack([keys[group] for group in GROUPS])


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted before a midnight, per key asked; float64 arrays of the keys' shape.

    `likes_above` and `strength_above` are sums over the ratings of how far the like (0 or 1) and the strength (in the
    scale's units) lay above everyone's trailing mean and the rater's own leniency; `poor` and `great` count the ends of
    the scale.
    """

    rated: Float64s
    liked: Float64s
    poor: Float64s
    great: Float64s
    likes_above: Float64s
    strength_above: Float64s

    def __sub__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, name) - getattr(other, name) for name, _ in TOTALS))

    def __mul__(self, shown: npt.NDArray[np.bool_]) -> Tally:
        return Tally(*(getattr(self, name) * shown for name, _ in TOTALS))

    def column(self, place: int) -> Tally:
        """One column of a tally of (rows, columns)."""
        return Tally(*(getattr(self, name)[:, place] for name, _ in TOTALS))


@dataclass(frozen=True, slots=True)
class Everyone:
    """All members together before a midnight: trailing-year means, and how far this season's likes lay above what was expected."""

    like_rate: Float64s
    mean_strength: Float64s
    poor_rate: Float64s
    great_rate: Float64s
    unexplained: Float64s


@dataclass(frozen=True, slots=True)
class RunningCounts:
    """Cumulative counts by key and day; the arrays may be memory-mapped.

    `keys` (keys,) int64 ascending; `steps` (steps,) int64 ascending: key index << DAY_BITS | day; `totals` (steps,)
    strengths of all ratings by the end of each of EVERYONE's days.
    """

    keys: Int64s
    steps: Int64s
    totals: npt.NDArray[np.void]

    @classmethod
    def of_values(cls, keys: Int64s, days: Days, values: Float64s) -> RunningCounts:
        """Count `values` (rows, TOTALS) under `keys` (rows,) on `days` (rows,); rows of an UNKNOWN key are left out."""
        named = keys != UNKNOWN
        key, day, value = keys[named], days[named].astype(np.int64), values[named]
        order = np.lexsort((day, key))
        key, day, value = key[order], day[order], value[order]
        new_key = np.ones(len(key), dtype=bool)
        new_key[1:] = key[1:] != key[:-1]
        last_of_step = np.ones(len(key), dtype=bool)
        last_of_step[:-1] = new_key[1:] | (day[1:] != day[:-1])
        running = np.cumsum(value, axis=0)
        starts = np.flatnonzero(new_key)
        before = running[starts] - value[starts]
        index = np.cumsum(new_key) - 1
        steps = np.flatnonzero(last_of_step)
        within = running[steps] - before[index[steps]]
        totals = np.empty(len(steps), dtype=list(TOTALS))
        for place, (name, kind) in enumerate(TOTALS):
            totals[name] = np.rint(within[:, place]) if kind == "<i4" else within[:, place]
        return cls(key[new_key], (index[steps] << DAY_BITS) | day[steps], totals)

    def before(self, keys: Int64s, days: Days) -> Tally:
        """What each key had gathered before 00:00 UTC of its day; `days` broadcasts against `keys`."""
        if not len(self.keys):
            return Tally(*(np.zeros(keys.shape) for _ in TOTALS))
        index = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        last = np.searchsorted(self.steps, (index << DAY_BITS) | np.maximum(days, 0)) - 1
        seen = (self.keys[index] == keys) & (keys != UNKNOWN) & (last >= 0)
        seen &= (self.steps[last] >> DAY_BITS) == index
        totals = self.totals[last]
        return Tally(*(np.where(seen, totals[name], 0).astype(np.float64) for name, _ in TOTALS))

    def everyone(self, days: Days) -> Everyone:
        """What all members together gave before 00:00 UTC of each day, lately and shrunk to the long run."""
        keys = np.full(days.shape, EVERYONE)
        ever = self.before(keys, days)
        year = ever - self.before(keys, days - YEAR_DAYS)
        season = ever - self.before(keys, days - SEASON_DAYS)

        def lately(total: str, prior: float) -> Float64s:
            return shrink_to_long_run(getattr(year, total), year.rated, getattr(ever, total), ever.rated, prior)

        return Everyone(
            like_rate=lately("liked", PRIOR_LIKE),
            mean_strength=lately("strength_above", PRIOR_STRENGTH),
            poor_rate=lately("poor", PRIOR_TAIL),
            great_rate=lately("great", PRIOR_TAIL),
            unexplained=season.likes_above / (season.rated + PRIOR_RATINGS),
        )

    def only(self, keys: Int64s) -> RunningCounts:
        """The counts of some keys, and of EVERYONE: what a golden case carries along."""
        kept = np.isin(self.keys, keys) | (self.keys == EVERYONE)
        rows = kept[self.steps >> DAY_BITS]
        index = (np.cumsum(kept) - 1)[self.steps[rows] >> DAY_BITS]
        return RunningCounts(self.keys[kept], (index << DAY_BITS) | (self.steps[rows] & ((1 << DAY_BITS) - 1)), self.totals[rows])

    @classmethod
    def mapped(cls, folder: Path) -> RunningCounts:
        """The counts in `folder`, memory-mapped."""
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in cls.__slots__))

    def write(self, folder: Path) -> None:
        """Write one .npy file per array."""
        for name in self.__slots__:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)


def shrink_to_long_run(year: Float64s, year_rated: Float64s, ever: Float64s, ever_rated: Float64s, prior: float) -> Float64s:
    """A year's mean, drawn to the long-run mean by PRIOR_RATINGS ratings, and that to `prior` by as many."""
    long_run = (ever + PRIOR_RATINGS * prior) / (ever_rated + PRIOR_RATINGS)
    mean: Float64s = (year + PRIOR_RATINGS * long_run) / (year_rated + PRIOR_RATINGS)
    return mean
