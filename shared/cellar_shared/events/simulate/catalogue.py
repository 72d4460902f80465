"""Makes a world's wines: what nobody sees of them (style, quality, popularity) and when they appear; the world keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_shared.events.moments import MICROSECONDS_PER_DAY, Moments
from cellar_shared.events.simulate.hierarchy import Ints, Origins, draw_effects, draw_origins, wine_facts
from cellar_shared.events.simulate.labels import label_wines
from cellar_shared.events.simulate.settings import FEWEST_WINES, WORLD_BEGINS, WORLD_ENDS, WorldSettings

Floats32 = npt.NDArray[np.float32]

HERE_FROM_THE_START: Final = 0.6  # share of the catalogue that the first members already find (judgement)
FIRST_VINTAGE: Final = 1950
VINTAGE_SPREAD: Final = 0.25  # what a region's year adds to or takes from a score of spread about 2 (judgement)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A world's wines in the order they appear; index w of every array is one wine."""

    table: pl.DataFrame  # what members and models see: rows of the table `wines`
    style: Floats32  # (wines, factors), unit variance
    quality: Floats32  # (wines,), unit variance
    reach: npt.NDArray[np.float64]  # (wines,) running sum of popularity: draws among the wines that have appeared
    appears_at: Moments  # (wines,) ascending
    region: Ints  # (wines,)
    year_effect: Floats32  # (regions, years since FIRST_VINTAGE)
    usual_age: Floats32  # (wines,) years
    non_vintage: npt.NDArray[np.bool_]  # (wines,)
    origins: Origins
    aromas: pl.Series  # (2 * wines,) two words for each wine

    def appeared_by(self, moments: Moments) -> Ints:
        """How many wines had appeared at each moment; at least FEWEST_WINES from the world's first moment on."""
        return np.searchsorted(self.appears_at, moments, side="right")


def make_catalogue(settings: WorldSettings) -> Catalogue:
    """The wines of the world with these settings."""
    rng = settings.generator(0)
    wines, family, facts = settings.wines, settings.family, wine_facts()
    origins = draw_origins(wines, rng)
    style, quality = draw_effects(origins, family.taste_dimension, rng)
    popularity = np.exp(rng.normal(0.0, family.popularity, wines) + 0.2 * quality)
    types = list(facts["types"].values())
    non_vintage = rng.random(wines) < np.array([entry["non_vintage"] for entry in types])[origins.type]
    return Catalogue(
        table=label_wines(origins, style, quality, rng),
        style=style.astype(np.float32),
        quality=quality.astype(np.float32),
        reach=np.cumsum(popularity),
        appears_at=_appearances(wines, rng),
        region=origins.region,
        year_effect=rng.normal(0.0, VINTAGE_SPREAD, (len(facts["regions"]), 2100 - FIRST_VINTAGE)).astype(np.float32),
        usual_age=np.array([entry["age"] for entry in types], dtype=np.float32)[origins.type],
        non_vintage=non_vintage,
        origins=origins,
        aromas=_aromas(origins),
    )


def _appearances(wines: int, rng: np.random.Generator) -> Moments:
    """Ascending moments, whole days: the first share at the beginning, the others evenly until half a year before the end."""
    at_start = max(FEWEST_WINES, round(HERE_FROM_THE_START * wines))
    days = (WORLD_ENDS - WORLD_BEGINS) // MICROSECONDS_PER_DAY - 183
    later = np.sort(rng.integers(1, days, size=max(0, wines - at_start)))
    return WORLD_BEGINS + np.concatenate([np.zeros(wines - len(later), np.int64), later]) * MICROSECONDS_PER_DAY


def _aromas(origins: Origins) -> pl.Series:
    words = pl.Series([word for entry in wine_facts()["grapes"].values() for word in entry["aromas"]], dtype=pl.String)
    of_wines = 2 * origins.grapes[:, :1] + np.arange(2)
    return words.gather(of_wines.ravel())
