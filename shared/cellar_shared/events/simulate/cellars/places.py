"""Where the members of a world keep their bottles: constant cellars, rooms with seasons, some with a thermometer's trace, some unknown.

A member's places belong to the member's number, so any run of bottles can ask for them and nobody keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.events.simulate.cellars.draws import Floats, normals, uniforms
from cellar_shared.events.simulate.hierarchy import Ints
from cellar_shared.events.simulate.settings import WORLD_ENDS, WorldSettings

# Shares of members (judgement).
UNKNOWN: Final = 0.15  # nobody wrote down how warm it is
SEASONAL: Final = 0.4
SECOND_PLACE: Final = 0.25  # also keep some in a rack at home
TRACED: Final = 0.03
MOST_TRACES: Final = 200  # in a whole world, so that its traces stay small
HOT: Final = 0.05  # attics and garages

MEMBERS_AT_ONCE: Final = 100_000
_LAST_DAY: Final = WORLD_ENDS // MICROSECONDS_PER_DAY

_KNOWN, _KIND, _MEAN, _AMPLITUDE, _SECOND, _RACK, _HOT, _TRACE, _ROOM = range(60, 96, 4)

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Places:
    """Places of some bottles, arrays (bottles,): the temperatures of a year, and whether a trace tells what they were in truth.

    `number` is the member's number from 0; `is_known` says whether table storage has the place.
    """

    number: Ints
    is_second: Bools
    mean_c: Floats
    amplitude_c: Floats
    is_traced: Bools
    is_known: Bools

    def ids(self) -> pl.Series:
        """The storage_id of each place, null where the place is not in the table."""
        frame = pl.DataFrame({"number": self.number + 1, "second": self.is_second, "known": self.is_known})
        name = pl.when("second").then(pl.format("s{}b", "number")).otherwise(pl.format("s{}", "number"))
        return frame.select(pl.when("known").then(name).alias("storage_id")).to_series()


def places_of(settings: WorldSettings, number: Ints, is_second: Bools) -> Places:
    """The first or second place of the members with these numbers; the second of a member without one is the first."""
    seed = settings.seed
    second = is_second & (uniforms(seed, _SECOND, number) < SECOND_PLACE)
    seasonal = uniforms(seed, _KIND, number) < SEASONAL
    in_a_room = uniforms(seed, _ROOM, number) < 0.35
    spread = normals(seed, _MEAN, number)
    constant = np.where(in_a_room, 18.5 + 1.6 * spread, 12.5 + 1.0 * spread)
    mean = np.where(seasonal, 13.5 + 2.2 * spread, constant)
    mean = np.where(uniforms(seed, _HOT, number) < HOT, 22.0 + 1.5 * np.abs(spread), mean)
    amplitude = np.where(seasonal, 0.5 + 8 * uniforms(seed, _AMPLITUDE, number) ** 1.5, 0.0)
    rack = 19.5 + 1.2 * normals(seed, _RACK, number)
    traced = _is_traced(settings, number) & ~second
    return Places(
        number,
        second,
        np.asarray(np.round(np.where(second, rack, mean), 1), np.float64),
        np.asarray(np.round(np.where(second, 0.0, amplitude), 1), np.float64),
        traced,
        (uniforms(seed, _KNOWN, number) >= UNKNOWN) | traced,
    )


def _is_traced(settings: WorldSettings, number: Ints) -> Bools:
    share = min(TRACED, MOST_TRACES / settings.members)
    return np.asarray(uniforms(settings.seed, _TRACE, number) < share)


def trace_of(settings: WorldSettings, number: int) -> tuple[Floats, Floats]:
    """What a member's thermometer has measured in the first place: days since 1970, and degrees Celsius in tenths.

    Around the place's own year: hourly for two months or daily for one to three years, with the weather's wandering and a hot spell.
    """
    rng = settings.generator(11, number)
    place = places_of(settings, np.array([number]), np.zeros(1, np.bool_))
    ends = _LAST_DAY - int(rng.integers(0, 400))
    hourly = np.arange(-60 * 24, 0) / 24
    daily = np.arange(-int(rng.integers(366, 1_096)), 0) + 0.5
    days = np.asarray(ends + (hourly if rng.random() < 0.3 else daily), np.float64)
    step = np.sqrt(1 / 7 * (days[1] - days[0]))
    weather = np.zeros(len(days))
    draws = rng.normal(0.0, 0.6, len(days))
    for at in range(1, len(days)):
        weather[at] = weather[at - 1] * (1 - step**2 / 2) + draws[at] * step
    spell = rng.random() < 0.5
    hot = spell * 7.0 * np.exp(-0.5 * ((days - rng.choice(days)) / 5.0) ** 2)
    season = float(place.amplitude_c[0]) * np.sin(2 * np.pi * (days % 365.25 / 365.25 - 0.3))
    warm = np.asarray(float(place.mean_c[0]) + season + weather + hot, np.float64)
    return days, np.clip(np.round(warm, 1), -20.0, 60.0)


def storage_tables(settings: WorldSettings) -> Iterator[pl.DataFrame]:
    """The rows of table storage, some members at a time; then the traces."""
    for first in range(0, settings.members, MEMBERS_AT_ONCE):
        number = np.arange(first, min(first + MEMBERS_AT_ONCE, settings.members))
        for is_second in (False, True):
            places = places_of(settings, number, np.full(len(number), is_second))
            kept = places.is_known & ~places.is_traced & (places.is_second == is_second)
            if kept.any():
                yield _described(places, kept)
    number = np.concatenate(
        [
            (part := np.arange(first, min(first + MEMBERS_AT_ONCE, settings.members)))[_is_traced(settings, part)]
            for first in range(0, settings.members, MEMBERS_AT_ONCE)
        ]
    )
    if len(number):
        yield pl.concat(_trace(settings, int(each)) for each in number)


def _described(places: Places, kept: Bools) -> pl.DataFrame:
    is_seasonal = places.amplitude_c > 0
    rows = pl.DataFrame(
        {
            "storage_id": places.ids(),
            "member_id": pl.select(pl.format("m{}", pl.Series(places.number + 1))).to_series(),
            "kind": pl.Series(["constant", "seasonal"]).gather(is_seasonal.astype(np.int64)),
            "mean_c": places.mean_c,
            "amplitude_c": places.amplitude_c,
        }
    )
    rows = rows.with_columns(pl.when(pl.Series(is_seasonal)).then("amplitude_c"), at=pl.lit(None), temperature_c=pl.lit(None))
    return rows.filter(pl.Series(kept))


def _trace(settings: WorldSettings, number: int) -> pl.DataFrame:
    days, warm = trace_of(settings, number)
    moments = np.round(days * 24).astype(np.int64) * (MICROSECONDS_PER_DAY // 24)
    return pl.DataFrame({"at": pl.Series(moments).cast(pl.Datetime("us", "UTC")), "temperature_c": warm}).with_columns(
        storage_id=pl.lit(f"s{number + 1}"), member_id=pl.lit(f"m{number + 1}"), kind=pl.lit("trace"), mean_c=pl.lit(None),
        amplitude_c=pl.lit(None),
    )  # fmt: skip
