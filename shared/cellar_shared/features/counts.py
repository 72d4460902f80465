"""Running counts: how often each wine, producer, region, ... was rated and liked up to any midnight; built once, read by all.

One step per key and day with an event. A question asked at T sees the steps of days before T's own (UTC): the day's own
events count from the next midnight on, in training, evaluation and serving alike.

Likes become more common through the years, so beside the plain likes each key gathers how far its likes and strengths lay
above what all members together gave in the year before: a wine that was rated in a strict year is not thought worse.
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
PRIOR_RATINGS: Final = 200.0  # weight of the long-run rate in the trailing one: a year with fewer ratings says little
PRIOR_LIKE: Final = 0.5  # before anything was rated
PRIOR_STRENGTH: Final = 0.0

TOTALS: Final = (("rated", "<i4"), ("liked", "<i4"), ("likes_above", "<f4"), ("strength_above", "<f4"))

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
    scale's units) lay above the trailing mean of everyone.
    """

    rated: Float64s
    liked: Float64s
    likes_above: Float64s
    strength_above: Float64s

    def __sub__(self, other: Tally) -> Tally:
        return Tally(
            self.rated - other.rated,
            self.liked - other.liked,
            self.likes_above - other.likes_above,
            self.strength_above - other.strength_above,
        )


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
    def of_events(
        cls,
        wines: Wines,
        rows: npt.NDArray[np.int32],
        vintages: npt.NDArray[np.int16],
        days: npt.NDArray[np.int32],
        liked: npt.NDArray[np.bool_],
        strengths: npt.NDArray[np.float32],
        first_day: int | None = None,
    ) -> RunningCounts:
        """Count events: `rows` index `wines` (-1: a wine unknown to the catalogue, counted for everyone only).

        With `first_day`, what happened before it becomes one step on the day before: questions from `first_day` on
        get the same counts, at less room.
        """
        order = np.argsort(days, kind="stable")
        rows, vintages, days, liked, strengths = rows[order], vintages[order], days[order], liked[order], strengths[order]
        like_rate, mean_strength = _trailing_means(days, liked, strengths)
        values = np.column_stack([np.ones(len(days)), liked, liked - like_rate, strengths - mean_strength])
        everyone = values.copy()
        everyone[:, 3] = strengths
        known = rows >= 0
        keys = group_keys(wines[rows[known]], vintages[known])
        # Everyone's steps, at most one a day, are all kept: trailing means look back a year from `first_day`.
        kept_days = days[known] if first_day is None else np.maximum(days[known], np.int32(first_day - 1))
        key = np.concatenate([np.full(len(days), EVERYONE), *keys.T])
        day = np.concatenate([days, *([kept_days] * keys.shape[1])])
        value = np.concatenate([everyone, *([values[known]] * keys.shape[1])])
        named = key != UNKNOWN
        return cls._of_values(key[named], day[named], value[named])

    @classmethod
    def _of_values(cls, key: Int64s, day: npt.NDArray[np.int32], value: Float64s) -> RunningCounts:
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
        for place, (name, _) in enumerate(TOTALS):
            totals[name] = within[:, place]
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

    def trailing(self, days: Days) -> tuple[Float64s, Float64s]:
        """Everyone's like rate and mean strength in the year before 00:00 UTC of each day, shrunk to the long run's."""
        everyone = np.full(days.shape, EVERYONE)
        ever = self.before(everyone, days)
        year = ever - self.before(everyone, days - YEAR_DAYS)
        return _shrunk(year.liked, year.rated, ever.liked, ever.rated, PRIOR_LIKE), _shrunk(
            year.strength_above, year.rated, ever.strength_above, ever.rated, PRIOR_STRENGTH
        )

    @classmethod
    def mapped(cls, folder: Path) -> RunningCounts:
        """The counts in `folder`, memory-mapped."""
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in cls.__slots__))

    def write(self, folder: Path) -> None:
        """Write one .npy file per array."""
        for name in self.__slots__:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)


def _shrunk(year: Float64s, year_rated: Float64s, ever: Float64s, ever_rated: Float64s, prior: float) -> Float64s:
    """A year's mean, drawn to the long-run mean by PRIOR_RATINGS ratings, and that to `prior` by as many."""
    long_run = (ever + PRIOR_RATINGS * prior) / (ever_rated + PRIOR_RATINGS)
    mean: Float64s = (year + PRIOR_RATINGS * long_run) / (year_rated + PRIOR_RATINGS)
    return mean


def _trailing_means(
    days: npt.NDArray[np.int32], liked: npt.NDArray[np.bool_], strengths: npt.NDArray[np.float32]
) -> tuple[Float64s, Float64s]:
    """`RunningCounts.trailing` for each event (days ascending), out of the events themselves."""
    likes = np.concatenate([[0.0], np.cumsum(liked, dtype=np.float64)])
    total = np.concatenate([[0.0], np.cumsum(strengths, dtype=np.float64)])
    now, year_ago = np.searchsorted(days, days), np.searchsorted(days, days - YEAR_DAYS)
    rated, year = now.astype(np.float64), (now - year_ago).astype(np.float64)
    return (
        _shrunk(likes[now] - likes[year_ago], year, likes[now], rated, PRIOR_LIKE),
        _shrunk(total[now] - total[year_ago], year, total[now], rated, PRIOR_STRENGTH),
    )
