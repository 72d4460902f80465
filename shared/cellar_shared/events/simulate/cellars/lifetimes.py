"""How each wine of a world, and each vintage of it, truly ages: drawn by its family, looked up for any wine and vintage at any time.

What follows from a wine's facts (type, grapes, region, quality, which its price shows) is what a model can learn; its own part is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_shared.ageing.bottle_size import SPARKLING_EXPONENT, STILL_EXPONENT
from cellar_shared.events.simulate.catalogue import Catalogue
from cellar_shared.events.simulate.cellars.curves import FORMS, QualityCurves, gamma_curves, power_curves
from cellar_shared.events.simulate.cellars.draws import Floats, normals, uniforms
from cellar_shared.events.simulate.cellars.families import AgeingFamily
from cellar_shared.events.simulate.hierarchy import Ints, wine_facts

Floats32 = npt.NDArray[np.float32]

FIRST_VINTAGE: Final = 1959  # the oldest that lies in any cellar
VINTAGES: Final = 64  # slot 0: non-vintage; slots 1 to 63: FIRST_VINTAGE to 2021

# Years from the vintage to the first and the last year of the window, of a wine one unit of quality above the mean, as critics choose.
# Median stated windows (all varieties 6 and 16): Nebbiolo, Sangiovese, Riesling, Cabernet Sauvignon, Pinot Noir, Shiraz. Others: judgement.
GRAPE_YEARS: Final = {
    "Nebbiolo": (8.0, 20.0), "Sangiovese": (8.0, 18.0), "Riesling": (4.0, 19.0), "Cabernet Sauvignon": (7.0, 16.0),
    "Pinot Noir": (5.0, 13.0), "Syrah/Shiraz": (6.0, 17.0), "Merlot": (6.0, 15.0), "Tannat": (7.0, 17.0), "Tempranillo": (6.0, 16.0),
    "Gamay": (3.0, 8.0), "Chardonnay": (4.0, 10.0), "Chenin Blanc": (4.0, 12.0), "Sémillon": (4.0, 12.0), "Furmint": (4.0, 12.0),
}  # fmt: skip
TYPE_YEARS: Final = {
    "Red": (6.5, 17.0), "White": (3.0, 8.5), "Sparkling": (4.0, 11.0), "Rosé": (1.2, 3.0), "Dessert": (5.5, 24.0),
    "Dessert/Port": (9.0, 30.0),
}  # fmt: skip
HURRY: Final = 0.4  # of the years of other wines, for those that are made for drinking at once
RELEASED: Final = {"Red": 1.8, "White": 0.9, "Sparkling": 2.0, "Rosé": 0.5, "Dessert": 1.5, "Dessert/Port": 2.5}  # years after the vintage
LEAST_EXPONENT: Final = 0.02  # a magnum never ages faster than a bottle

_OWN, _LENGTH, _BOTTLING, _ENERGY, _EXPONENT, _PLACE, _RISE, _FALL, _HURRY, _NON_VINTAGE = range(0, 40, 4)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How a world's wines truly age; arrays (wines,), index w of the catalogue."""

    seed: int
    family: AgeingFamily
    log_begin: Floats32  # of effective years, of a usual vintage
    log_length: Floats32  # of the years between begin and end
    energy_kj: Floats32
    exponent: Floats32
    place: Floats32  # curve: where the peak lies, 0 to 1; gamma: the skew
    rise: Floats32
    fall: Floats32
    released: Floats32  # years after the vintage; of a non-vintage wine, its effective age when it is sold
    region: Ints
    year_effect: Floats32  # (regions, VINTAGES)

    def curves(self, wine: Ints, slot: Ints) -> QualityCurves:
        """The true curves of vintages: `slot` as `slots_of` gives it."""
        effect = self.family.bottling * normals(self.seed, _BOTTLING, wine * VINTAGES + slot) + self.year_effect[self.region[wine], slot]
        begin = np.exp(self.log_begin[wine] + effect)
        end = begin + np.exp(self.log_length[wine] + effect)
        if self.family.curve == "gamma":
            return gamma_curves(begin, end, np.asarray(self.place[wine], np.float64))
        shape = (np.asarray(values[wine], np.float64) for values in (self.place, self.rise, self.fall))
        return power_curves(begin, end, *shape)

    def truth(self, catalogue: Catalogue, wine: Ints, slot: Ints) -> pl.DataFrame:
        """Rows of the table truth_ageing for these wines and vintages."""
        curves = self.curves(wine, slot)
        return pl.DataFrame(
            {
                "wine_id": catalogue.table["wine_id"].gather(wine),
                "vintage": np.where(slot > 0, slot + FIRST_VINTAGE - 1, 0),
                "begin_years": curves.begin,
                "end_years": curves.end,
                "energy_kj": self.energy_kj[wine].astype(np.float64),
                "size_exponent": self.exponent[wine].astype(np.float64),
                "curve": pl.Series([FORMS[0], FORMS[1]]).gather(curves.is_gamma.astype(np.int64)),
                "peak_years": curves.peak,
                "rise": curves.rise,
                "fall": curves.fall,
                "heat": np.full(len(wine), self.family.heat),
                "years_when_sold": pl.select(
                    pl.when(pl.Series(slot == 0)).then(pl.Series(self.released[wine].astype(np.float64)))
                ).to_series(),
            }
        )  # fmt: skip


def slots_of(vintage: npt.ArrayLike) -> Ints:
    """The slot of each vintage: 0 for non-vintage (0), its place for a year, -1 for a year out of the world's range."""
    years = np.asarray(vintage, np.int64)
    slot = years - FIRST_VINTAGE + 1
    return np.where(years == 0, 0, np.where((slot >= 1) & (slot < VINTAGES), slot, -1))


def draw_lifetimes(seed: int, family: AgeingFamily, catalogue: Catalogue) -> Lifetimes:
    """How the wines of this catalogue age in this family; the same for the same seed."""
    wines = np.arange(len(catalogue.quality))
    types = catalogue.origins.type
    names = list(wine_facts()["types"])
    begin, end = _years_by_facts(catalogue)
    quality = catalogue.quality.astype(np.float64) - 1
    regions = len(wine_facts()["regions"])
    shared = family.region * normals(seed, 40, np.arange(regions))[catalogue.region]
    shared = shared + family.producer * normals(seed, 44, catalogue.origins.producer)
    hurried = np.where(uniforms(seed, _HURRY, wines) < family.hurried, np.log(HURRY), 0.0)
    log_begin = np.log(begin) + family.quality_begin * quality + shared + family.own_begin * _spread(seed, _OWN, wines, family) + hurried
    length = np.log(end - begin) + family.quality_length * quality + shared
    log_length = length + family.own_length * _spread(seed, _LENGTH, wines, family) + hurried
    is_sparkling = types == names.index("Sparkling")
    year_effect = family.year * normals(seed, 48, np.arange(regions * VINTAGES)).reshape(regions, VINTAGES)
    year_effect[:, 0] = 0.0
    place, rise, fall = _shape(seed, wines, family)
    usual = np.array([RELEASED[name] for name in names])[types]
    sold_at = usual * np.exp(0.25 * normals(seed, _NON_VINTAGE, wines))
    return Lifetimes(
        seed=seed,
        family=family,
        log_begin=log_begin.astype(np.float32),
        log_length=log_length.astype(np.float32),
        energy_kj=_energy(seed, wines, family).astype(np.float32),
        exponent=_exponent(seed, wines, family, is_sparkling).astype(np.float32),
        place=place.astype(np.float32),
        rise=rise.astype(np.float32),
        fall=fall.astype(np.float32),
        released=np.where(catalogue.non_vintage, sold_at, usual).astype(np.float32),
        region=catalogue.region,
        year_effect=year_effect.astype(np.float32),
    )


def _years_by_facts(catalogue: Catalogue) -> tuple[Floats, Floats]:
    types, grapes = list(wine_facts()["types"]), list(wine_facts()["grapes"])
    of_type = np.array([TYPE_YEARS[name] for name in types])
    table = np.repeat(of_type[:, None, :], len(grapes), axis=1)  # (types, grapes, begin and end)
    for kind in ("Red", "White"):
        for grape, usual in GRAPE_YEARS.items():
            table[types.index(kind), grapes.index(grape)] = usual
    years = table[catalogue.origins.type, catalogue.origins.grapes[:, 0]]
    return years[:, 0], years[:, 1] + 1  # a stated last year is within as a whole


def _spread(seed: int, stream: int, ids: Ints, family: AgeingFamily) -> Floats:
    """Draws of the family's form, of mean 0 and unit variance."""
    if family.spread_form == "gumbel":
        return np.asarray((-np.log(-np.log(uniforms(seed, stream, ids))) - np.euler_gamma) * np.sqrt(6) / np.pi)
    draw = normals(seed, stream, ids)
    if family.spread_form == "student":
        # Of 4 degrees of freedom: a normal over the root of a chi-square over 4, that one from two uniforms; its variance is 2.
        chi = -2 * (np.log(uniforms(seed, stream + 2, ids)) + np.log(uniforms(seed, stream + 3, ids)))
        return np.asarray(np.clip(draw / np.sqrt(chi / 4) / np.sqrt(2), -5, 5))
    return draw


def _energy(seed: int, ids: Ints, family: AgeingFamily) -> Floats:
    draw = normals(seed, _ENERGY, ids)
    if family.energy_form == "uniform":
        draw = np.sqrt(12) * (uniforms(seed, _ENERGY, ids) - 0.5)
    elif family.energy_form == "two":
        draw = np.where(uniforms(seed, _ENERGY + 2, ids) < 0.5, -0.9, 0.9) + 0.436 * draw
    return np.asarray(family.energy_kj * np.exp(family.energy_spread * draw))


def _exponent(seed: int, ids: Ints, family: AgeingFamily, is_sparkling: npt.NDArray[np.bool_]) -> Floats:
    draw = normals(seed, _EXPONENT, ids)
    if family.exponent_form == "uniform":
        draw = np.sqrt(12) * (uniforms(seed, _EXPONENT, ids) - 0.5)
    elif family.exponent_form == "two":
        draw = np.where(uniforms(seed, _EXPONENT + 2, ids) < 0.5, -0.9, 0.9) + 0.436 * draw
    spread = family.exponent_spread * np.where(is_sparkling, 2 / 3, 1.0)
    return np.maximum(np.where(is_sparkling, SPARKLING_EXPONENT, STILL_EXPONENT) + spread * draw, LEAST_EXPONENT)


def _shape(seed: int, ids: Ints, family: AgeingFamily) -> tuple[Floats, Floats, Floats]:
    """Where the peak lies between begin and end (0 to 1; of a gamma curve the skew), and the powers on either side."""
    place, rise, fall = (uniforms(seed, stream, ids) for stream in (_PLACE, _RISE, _FALL))
    match family.curve:
        case "bump":
            return 0.4 + 0.2 * place, 1.7 + 0.6 * rise, 1.7 + 0.6 * fall
        case "plateau":
            return 0.35 + 0.3 * place, 2.5 + 4 * rise, 5 + 7 * fall
        case "lopsided":
            return 0.25 + 0.4 * place, 1.2 + rise, 3 + 5 * fall
        case "gamma":
            # Between -2.5 and 1.5, never near 0, where the form has no limit that floats reach.
            skew = -2.5 + 4 * place
            return np.where(np.abs(skew) < 0.05, 0.05, skew), np.ones(len(ids)), np.ones(len(ids))
