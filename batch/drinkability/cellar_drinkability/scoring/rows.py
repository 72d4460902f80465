"""From bottles, their row numbers and their curves to the rows of a night: gathers, no arithmetic per bottle; pure, the parts call it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_drinkability.scoring.curves import ALL_DATES
from cellar_drinkability.scoring.reasons import CODES, FUTURE, WITHOUT_A_CURVE
from cellar_shared.ageing.curve import DATES, PHASES, Curves, phase_of
from cellar_shared.ageing.storage import DAYS_PER_YEAR
from cellar_shared.events.tables import dtypes_of

SCHEMA: Final[dict[str, pl.DataType]] = dtypes_of("night/bottles")
# Columns of table bottles that pass through, and of the curves that are read.
PASSED: Final = ("bottle_id", "member_id", "wine_id", "vintage")
READ: Final = ("vintage", "m1", "s1", "m2", "s2", "age_from", "age_years", "rate", "rate_before", *ALL_DATES, "reason")
_ANSWER: Final = ("drinkability", "phase", *ALL_DATES, "effective_age_years", "reason")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Night:
    """What is the same in every row of a part: the day, the bundle's version, the digest of what was read."""

    as_of: date
    bundle: str
    fingerprint: str

    @property
    def day(self) -> int:
        """The night's day in days since 1970."""
        return (self.as_of - date(1970, 1, 1)).days


@dataclass(frozen=True, slots=True)
class Standing:
    """How curves stand on a day: a row per curve, then one per code of WITHOUT_A_CURVE; phases and reasons as numbers, -1 for none."""

    table: pl.DataFrame  # _ANSWER
    phases: npt.NDArray[np.int8]
    reasons: npt.NDArray[np.int8]

    @classmethod
    def of(cls, curves: pl.DataFrame, night: Night) -> Standing:
        """How `curves` (READ) stand."""
        age = age_on(curves, night.day)
        m1, s1, m2, s2 = (curves[name].to_numpy() for name in ("m1", "s1", "m2", "s2"))
        days = np.stack([curves[name].to_physical().to_numpy().astype(np.int64) for name in DATES])
        is_answered = (curves["vintage"].fill_null(0) <= night.as_of.year).to_numpy()
        phases = np.where(is_answered, phase_of(night.day, days), np.int8(-1)).astype(np.int8)
        table = curves.select(
            pl.Series("drinkability", Curves(m1, s1, m2, s2).drinkability(age)),
            pl.Series("phase", PHASES).gather(np.maximum(phases, 0).astype(np.uint32)),
            *ALL_DATES,
            pl.Series("effective_age_years", age),
            "reason",
        )
        if not is_answered.all():
            future = pl.lit(FUTURE)
            shown = pl.Series(is_answered)
            table = table.select(
                *(pl.when(shown).then(pl.col(name)).alias(name) for name in table.columns if name != "reason"),
                pl.when(shown).then("reason").otherwise(future).alias("reason"),
            )
        codes = table["reason"].cast(pl.Enum(CODES)).to_physical().cast(pl.Int8).fill_null(-1).to_numpy()
        lost = pl.DataFrame({"reason": list(WITHOUT_A_CURVE)})
        return cls(
            pl.concat([table, lost], how="diagonal"),
            np.append(phases, [-1] * len(WITHOUT_A_CURVE)).astype(np.int8),
            np.append(codes, [CODES.index(code) for code in WITHOUT_A_CURVE]).astype(np.int8),
        )


def age_on(curves: pl.DataFrame, day: int) -> Floats:
    """Effective years on `day`, days since 1970, of rows of night/curves; 0 before a bottle's age begins."""
    since = (day - curves["age_from"].to_physical().to_numpy().astype(np.float64)) / DAYS_PER_YEAR
    rate = np.where(since >= 0, curves["rate"].to_numpy(), curves["rate_before"].to_numpy())
    return np.maximum(curves["age_years"].to_numpy() + rate * since, 0.0)


@dataclass(slots=True)
class Counts:
    """Bottles of a part by phase and by reason, numbers of PHASES and CODES; the last of each is none."""

    phases: npt.NDArray[np.int64]
    reasons: npt.NDArray[np.int64]

    @classmethod
    def none(cls) -> Counts:
        return cls(np.zeros(len(PHASES) + 1, np.int64), np.zeros(len(CODES) + 1, np.int64))

    def add(self, standing: Standing, read: npt.NDArray[np.int32]) -> None:
        """Count bottles that read these rows of `standing`."""
        bottles = np.bincount(read, minlength=len(standing.phases))
        self.phases += _by_code(standing.phases, bottles, len(self.phases))
        self.reasons += _by_code(standing.reasons, bottles, len(self.reasons))


def _by_code(codes: npt.NDArray[np.int8], bottles: npt.NDArray[np.int64], places: int) -> npt.NDArray[np.int64]:
    return np.bincount(np.where(codes < 0, places - 1, codes), weights=bottles, minlength=places).astype(np.int64)


def rows_of(bottles: pl.DataFrame, rows: npt.NDArray[np.int32], curves: pl.DataFrame, night: Night, counts: Counts) -> pl.DataFrame:
    """The rows of the night (SCHEMA) of `bottles` (PASSED) that are not consumed; `rows` (bottles,) are their row numbers in `curves`."""
    standing = Standing.of(curves, night)
    is_here = rows != -1
    if not is_here.all():
        bottles, rows = bottles.filter(pl.Series(is_here)), rows[is_here]
    # Behind the curves lie the rows of those without one, in the order of their codes: -2, -3, ...
    read = np.where(rows >= 0, rows, curves.height - 2 - rows)
    counts.add(standing, read)
    answer = standing.table.select(pl.all().gather(pl.Series(read)))
    return pl.concat([bottles.select(PASSED), answer], how="horizontal").select(
        *PASSED,
        pl.lit(night.day, dtype=pl.Int32).cast(pl.Date).alias("as_of"),
        *_ANSWER,
        pl.lit(night.bundle).alias("bundle"),
        pl.lit(night.fingerprint).alias("input_fingerprint"),
    )
