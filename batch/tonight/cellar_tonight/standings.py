"""Where each bottle stands on its curve: by a drinkability bundle, or without one by what was stated of it and by physics alone.

The arithmetic is the night's own, on a cellar that fits into memory. Without a bundle a side of a window that nobody stated is not
known, and what rests on it is left open rather than guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_drinkability.scoring import curves as of_curves
from cellar_drinkability.scoring.curves import Keys, curve_rows, facts_of, wines_asked
from cellar_drinkability.scoring.places import KnownPlaces
from cellar_drinkability.scoring.reasons import FUTURE, WITHOUT_A_CURVE
from cellar_drinkability.scoring.rows import Night, age_on
from cellar_drinkability.scoring.rows import Standing as NightStanding
from cellar_drinkability.scoring.windows import FACT_SCHEMA, FACTS, Model, answers, digested
from cellar_shared.ageing.curve import Curves
from cellar_shared.ageing.storage import UNKNOWN_PLACE, Place
from cellar_tonight.evening import Standing

# A year's drinkability is read in its middle, this year's today where that is later.
MIDDLE: Final = (7, 1)
NO_WINDOW, BEGIN_UNKNOWN, END_UNKNOWN = "no_window", "begin_unknown", "end_unknown"
# What is missing or was taken for granted, as the member reads it.
SAYS: Final = {
    "future_vintage": "its vintage lies ahead",
    "vintage_unknown": "its vintage is not known, and nobody states a window",
    "non_vintage_undated": "it has no vintage, the day it came is not known, and nobody states a window",
    "non_vintage": "it has no vintage: taken as two years old when it came",
    "wine_unknown": "nothing is known of the wine: what holds for wine at large",
    "no_facts": "neither type, country, region nor grapes of it are known: what holds for wine at large",
    "window_stated": "it has no vintage: its age is read off the stated window",
    "window_refused": "the stated window ends before it begins and is not used",
    "size_unknown": "its size is not known: taken as 750 ml",
    "storage_unknown": "nobody says how warm it lies: taken as 13 °C",
    "acquired_unknown": "when it came is not known: taken to have lain there all its life",
    NO_WINDOW: "nobody states a window of it; a drinkability bundle would tell one (--drinkability)",
    BEGIN_UNKNOWN: "only the end of its window is stated",
    END_UNKNOWN: "only the begin of its window is stated",
}
# Not worth a word beside every line of a cellar that says nothing of its temperature: the report says it once.
COMMON: Final = ("storage_unknown", "acquired_unknown")
HOME: Final = "home"  # the one place that a member can describe


class _Facts(NamedTuple):
    """Distinct wine facts with the years asked of them, and what physics needs of each wine."""

    known: pl.DataFrame
    pairs: pl.DataFrame


class Unlearnt:
    """Stands in for a bundle: it knows nothing, so that a statement beside it stands as it is.

    A statement's precision is 10^10 times this one's: it moves a stated date by less than a second.
    """

    scale: Final = 1e4

    def windows(self, facts: pl.DataFrame) -> Curves:
        """One window per row, as wide as no wine's."""
        begin, end = np.zeros(facts.height), np.full(facts.height, np.log(10.0))
        return Curves(begin, np.full(facts.height, self.scale), end, np.full(facts.height, self.scale))


@dataclass(frozen=True, slots=True)
class Home:
    """How warm the member's own cellar is; None: nobody says, taken as 13 degrees."""

    place: Place | None = None

    def places(self) -> KnownPlaces:
        """What the curves look up."""
        schema = {"storage_id": pl.String, "place": pl.Int32, "is_broken_place": pl.Boolean}
        if self.place is None:
            return KnownPlaces([UNKNOWN_PLACE], pl.DataFrame(schema=schema))
        return KnownPlaces([UNKNOWN_PLACE, self.place], pl.DataFrame([(HOME, 1, False)], schema=schema, orient="row"))


def standings(
    bottles: pl.DataFrame, wines: pl.DataFrame, as_of: date, years: Sequence[int], home: Home, model: Model | None
) -> list[Standing | None]:
    """How each of `bottles` (rows of table bottles) stands on `as_of` and in the middle of `years`; None for one not there then.

    A middle that lies before `as_of` is `as_of`. `wines` are rows of table wines. Without `model` a bottle of which nobody states a
    window has no curve.
    """
    if not bottles.height:
        return []
    lies = pl.lit(HOME if home.place is not None else None, dtype=pl.String)
    there = bottles.with_columns(storage_id=pl.when(pl.col("state") == "pending").then(None).otherwise(lies))
    places = home.places()
    last_gone = bottles["consumed_at"].max()
    as_it_stood = as_of if isinstance(last_gone, date) and last_gone >= as_of else None
    asked = there.select(of_curves.READ)
    keys = Keys.of(asked, places, as_it_stood)
    found = _known(asked, wines, as_it_stood)
    windows = answers(model or Unlearnt(), _facts(found, wines))  # type: ignore[arg-type]  # Unlearnt has no manifest
    told = found.pairs.with_columns(m1=windows.m1, s1=windows.s1, m2=windows.m2, s2=windows.s2)
    curves = pl.concat([pl.DataFrame(schema=of_curves.SCHEMA), *curve_rows(keys.table, found.known, places, told)])
    shown = _shown(curves, as_of, years, has_model=model is not None)
    lost = {code: _without(code) for code in WITHOUT_A_CURVE}
    by_number = {number: lost[code] for code, number in WITHOUT_A_CURVE.items()}
    return [shown[row] if row >= 0 else by_number.get(row) for row in keys.rows.tolist()]


def _known(bottles: pl.DataFrame, wines: pl.DataFrame, as_it_stood: date | None) -> _Facts:
    known = pl.concat([pl.DataFrame(schema=FACT_SCHEMA), *digested(wines.lazy())])
    asked = facts_of(wines_asked(bottles, as_it_stood), known)
    return _Facts(known, asked.select("facts", "year").unique(maintain_order=True))


def _facts(found: _Facts, wines: pl.DataFrame) -> pl.DataFrame:
    """The facts of each pair as the model is told them; of wines with equal facts any stands for all."""
    told = [name for name in FACTS if name in wines.columns]
    named = found.known.select("facts", "wine_id").unique("facts", keep="first", maintain_order=True)
    about = named.join(wines.select("wine_id", *told), on="wine_id", how="left").drop("wine_id")
    asked = found.pairs.rename({"year": "vintage"}).join(about, on="facts", how="left", maintain_order="left")
    return asked.drop("facts")


def _without(code: str) -> Standing:
    return Standing(None, None, None, None, None, None, None, None, reason=code, says=SAYS[code])


def _shown(curves: pl.DataFrame, as_of: date, years: Sequence[int], *, has_model: bool) -> list[Standing]:
    """A Standing per curve."""
    standing = NightStanding.of(curves, Night(as_of, "", "")).table.head(curves.height)
    days = [(max(date(year, *MIDDLE), as_of) - date(1970, 1, 1)).days for year in years]
    days.append((as_of - date(1970, 1, 1)).days + 365)
    by_year = np.stack([_chance_on(curves, day) for day in days], axis=1)  # (curves, years + 1)
    rows = zip(standing.iter_rows(named=True), curves.iter_rows(named=True), by_year.tolist(), strict=True)
    return [_standing(row, curve, chances, as_of, has_model=has_model) for row, curve, chances in rows]


def _chance_on(curves: pl.DataFrame, day: int) -> npt.NDArray[np.float64]:
    m1, s1, m2, s2 = (curves[name].to_numpy() for name in ("m1", "s1", "m2", "s2"))
    return Curves(m1, s1, m2, s2).drinkability(age_on(curves, day))


def _standing(row: dict[str, object], curve: dict[str, object], chances: list[float], as_of: date, *, has_model: bool) -> Standing:
    dates = {name: _day(row[name]) for name in ("ready_from", "peak_from", "peak_to", "drink_by", "drink_by_lo", "drink_by_hi")}
    code = row["reason"] if isinstance(row["reason"], str) else None
    if code == FUTURE:
        return _without(code)
    missing = None if has_model else _missing(curve)
    if missing is None:
        phase, chance = row["phase"], row["drinkability"]
        return Standing(
            phase if isinstance(phase, str) else None,
            chance if isinstance(chance, float) else None,
            **dates,
            by_year=tuple(chances[:-1]),
            next_year=chances[-1],
            reason=code,
            says=SAYS.get(code) if code and code not in COMMON else None,
        )
    return _half_known(missing, dates, as_of)


def _missing(curve: dict[str, object]) -> str | None:
    """The code of what nobody stated; None where both sides are stated."""
    begin, end = curve["window_from"] is not None, curve["window_to"] is not None
    if begin and end:
        return None
    return END_UNKNOWN if begin else BEGIN_UNKNOWN if end else NO_WINDOW


def _half_known(code: str, dates: dict[str, date | None], as_of: date) -> Standing:
    """What one stated side tells: before a begin a bottle is to be held, after an end it is past; nothing else is known."""
    ready, until = dates["ready_from"], dates["drink_by"]
    if code == END_UNKNOWN:
        phase = "hold" if ready and as_of < ready else None
        return Standing(phase, None, ready, None, None, None, None, None, reason=code, says=SAYS[code])
    if code == BEGIN_UNKNOWN:
        phase = "past" if until and as_of > until else None
        lo, hi = dates["drink_by_lo"], dates["drink_by_hi"]
        return Standing(phase, None, None, None, None, until, lo, hi, reason=code, says=SAYS[code])
    return _without(code)


def _day(value: object) -> date | None:
    return value if isinstance(value, date) else None
