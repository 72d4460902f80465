"""What members of a world buy, lot by lot: which wine and vintage, when, what size, where it lies and what window was stated for it.

A lot is some bottles of one wine bought together. A run of lots is drawn from a random stream of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cellar_shared.ageing.storage import DAYS_PER_YEAR, place_of_trace
from cellar_shared.ageing.trajectory import day_of_year
from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.events.simulate.catalogue import Catalogue
from cellar_shared.events.simulate.cellars.ages import TrueAges, true_ages
from cellar_shared.events.simulate.cellars.draws import Floats, normals, uniforms
from cellar_shared.events.simulate.cellars.lifetimes import FIRST_VINTAGE, VINTAGES, Lifetimes, slots_of
from cellar_shared.events.simulate.cellars.places import Places, places_of, trace_of
from cellar_shared.events.simulate.hierarchy import Ints
from cellar_shared.events.simulate.settings import WORLD_BEGINS, WORLD_ENDS, WorldSettings

ROWS_PER_RUN: Final = 125_000
FIRST_DAY: Final = 13_880  # 2008-01-02: what early members already had when the world began
LAST_DAY: Final = WORLD_ENDS // MICROSECONDS_PER_DAY - 1

# Shares (judgement).
LOT_SIZES: Final = np.array([1, 2, 3, 6, 12])
LOT_SHARES: Final = np.array([0.45, 0.2, 0.15, 0.14, 0.06])
SIZES_ML: Final = np.array([375, 750, 1_500, 3_000])
SIZE_SHARES: Final = np.array([0.035, 0.9, 0.055, 0.01])
CELLAR_SPREAD: Final = 1.0  # of the log of a cellar's size
IN_SECOND_PLACE: Final = 0.3
KEPT_BACK: Final = 1.6  # years that a wine is bought after its release, on average
STATED: Final = 0.12  # lots with a window of their own
PERSONAL: Final = 0.3
COMMUNITY: Final = 0.6
ONE_SIDED: Final = 0.25
STATED_NOISE: Final = 0.12  # on the log of years; what a community's consensus is off by

_CELLAR: Final = 100  # stream of draws


@dataclass(frozen=True, slots=True)
class Lots:
    """Lots of one run; arrays (lots,), index l."""

    first: Ints  # the run's row of the lot's first bottle
    bottles: Ints
    wine: Ints
    slot: Ints  # of the vintage, as slots_of gives it
    size_ml: Ints
    acquired: Ints  # day since 1970
    place: Places
    ages: TrueAges
    begin: Floats  # of its true window, effective years; the end as heat leaves it
    end: Floats
    window_from: Floats  # stated years, NaN where none was
    window_to: Floats
    window_source: Ints  # 0 none, 1 personal, 2 community, 3 critic

    @property
    def vintage(self) -> Ints:
        """The year, 0 for non-vintage."""
        return np.where(self.slot > 0, self.slot + FIRST_VINTAGE - 1, 0)


def members_of_rows(settings: WorldSettings, run: int, runs: int, rows: int) -> Ints:
    """The number of the member to whom each row of a run belongs, ascending; cellars differ in size. (rows,)"""
    first, last = (settings.members * edge // runs for edge in (run, run + 1))
    number = np.arange(first, max(last, first + 1))
    reach = np.cumsum(np.exp(CELLAR_SPREAD * normals(settings.seed, _CELLAR, number)))
    bounds = np.rint(reach / reach[-1] * rows).astype(np.int64)
    return np.repeat(number, np.diff(bounds, prepend=0))


def draw_lots(
    settings: WorldSettings, catalogue: Catalogue, lifetimes: Lifetimes, member: Ints, rng: np.random.Generator
) -> Lots:  # fmt: skip
    """Lots that fill the rows of a run; `member` is each row's (rows,)."""
    rows = len(member)
    sizes = rng.choice(LOT_SIZES, size=rows, p=LOT_SHARES)
    first = np.cumsum(sizes) - sizes
    first = first[first < rows]
    bottles = np.diff(first, append=rows)
    lots = len(first)
    number = member[first]

    joined = uniforms(settings.seed, _CELLAR + 2, number)
    passed = joined + (1 - joined) * rng.random(lots)
    acquired = FIRST_DAY + (passed * (LAST_DAY + 1 - FIRST_DAY)).astype(np.int64)
    wine = _wines(catalogue, acquired, rng)
    slot = _slots(catalogue, lifetimes, wine, acquired, rng)
    size_ml = rng.choice(SIZES_ML, size=lots, p=SIZE_SHARES)
    place = places_of(settings, number, rng.random(lots) < IN_SECOND_PLACE)
    born = np.where(slot > 0, day_of_year(slot + FIRST_VINTAGE - 1), acquired - lifetimes.released[wine] * DAYS_PER_YEAR)

    traces = {}
    for each in np.unique(number[place.is_traced]):
        traces[int(each)] = trace_of(settings, int(each))
    energy = lifetimes.energy_kj[wine].astype(np.float64)
    ages = true_ages(
        place.mean_c,
        place.amplitude_c,
        [(int(lot), place_of_trace(*traces[int(number[lot])], float(energy[lot]))) for lot in np.flatnonzero(place.is_traced)],
        energy_kj=energy,
        exponent=lifetimes.exponent[wine].astype(np.float64),
        heat=np.full(lots, lifetimes.family.heat),
        size_ml=size_ml.astype(np.float64),
        born=born,
        stored_from=acquired.astype(np.float64),
    )
    curves = lifetimes.curves(wine, slot)
    end = np.maximum(ages.end_in_place(curves.end), curves.begin)
    stated = _stated(ages, curves.begin, curves.end, end, rng)
    return Lots(first, bottles, wine, slot, size_ml, acquired, place, ages, curves.begin, end, *stated)


def _wines(catalogue: Catalogue, acquired: Ints, rng: np.random.Generator) -> Ints:
    """By popularity, among the wines that had appeared; what was bought before the world began is of its first wines."""
    appeared = catalogue.appeared_by(np.maximum(acquired * MICROSECONDS_PER_DAY, WORLD_BEGINS))
    drawn = rng.random(len(acquired)) * catalogue.reach[appeared - 1]
    return np.minimum(np.searchsorted(catalogue.reach, drawn, side="right"), appeared - 1)


def _slots(catalogue: Catalogue, lifetimes: Lifetimes, wine: Ints, acquired: Ints, rng: np.random.Generator) -> Ints:
    kept = lifetimes.released[wine] + KEPT_BACK * rng.gamma(0.7, 1 / 0.7, len(wine))
    year = np.floor(1970 + acquired / DAYS_PER_YEAR - np.maximum(kept, 0.1)).astype(np.int64)
    slot = slots_of(np.clip(year, FIRST_VINTAGE, FIRST_VINTAGE + VINTAGES - 2))
    return np.where(catalogue.non_vintage[wine], 0, slot)


def _stated(
    ages: TrueAges, begin: Floats, end_in_a_cellar: Floats, end: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats, Ints]:  # fmt: skip
    """First and last year stated for each lot and who stated them: owners for where it lies, others for a cellar of 13 degrees."""
    lots = len(begin)
    who = rng.random(lots)
    source = np.where(who < PERSONAL, 1, np.where(who < PERSONAL + COMMUNITY, 2, 3)) * (rng.random(lots) < STATED)
    noise = np.exp(STATED_NOISE * rng.normal(0.0, 1.0, (2, lots)))
    in_place = (ages.day_of(begin * noise[0]), ages.day_of(end * noise[1]))
    in_a_cellar = (ages.born + begin * noise[0] * DAYS_PER_YEAR, ages.born + end_in_a_cellar * noise[1] * DAYS_PER_YEAR)
    opens, closes = (1970 + np.where(source == 1, own, other) / DAYS_PER_YEAR for own, other in zip(in_place, in_a_cellar, strict=True))
    window_from, window_to = np.clip(np.rint(opens), 1900, 2250), np.clip(np.rint(closes) - 1, 1900, 2250)
    window_to = np.maximum(window_to, window_from)
    side = rng.random(lots)
    window_from[(source == 0) | (side < ONE_SIDED / 2)] = np.nan
    window_to[(source == 0) | (side > 1 - ONE_SIDED / 2)] = np.nan
    return window_from, window_to, source
