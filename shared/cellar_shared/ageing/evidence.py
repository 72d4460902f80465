"""How a window that was stated for a bottle and the model's own window become one: by their precisions; the night and `tonight` call it.

A statement is taken as one more observation of begin and end. What the community or a critic states is meant for a good cellar and is
read at 13 degrees; what the member stated is meant for this very bottle where it lies, and is read on its own way of ageing: its days
stay where they are when the place is found to be warmer.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.ageing.arrhenius import Floats
from cellar_shared.ageing.curve import NARROWEST, Curves
from cellar_shared.ageing.storage import DAYS_PER_YEAR
from cellar_shared.ageing.trajectory import Trajectories, day_of_year

# Scales of a statement's own error on the log of years. Critics who judge the same bottling differ by 1.2 years in the begin and 3.6 in
# the end on average, around medians of 6 and 16 years: each lies off by a standard deviation of about .18 and .20, scales .10 and .11.
STATED_BEGIN: Final = 0.10
STATED_END: Final = 0.11
# A member's own statement is what they mean to go by (judgement): it moves the model's window almost wholly.
PERSONAL: Final = 0.03
YOUNGEST: Final = 0.25  # years: a statement for the vintage's own year has no log


def curves_of_bottles(
    windows: Curves, bottles: Trajectories, first_year: Floats, last_year: Floats, is_personal: npt.NDArray[np.bool_]
) -> Curves:
    """The curves of bottles: the model's `windows`, what others stated, what their places do to them, what their owners stated.

    Stated are years `first_year` to `last_year` (bottles,), that whole year within; NaN where that side was not stated.
    """
    others = np.where(is_personal, np.nan, 1.0)
    owners = np.where(is_personal, 1.0, np.nan)
    known = _with_statements(windows, bottles, first_year * others, last_year * others, is_personal)
    return _with_statements(known.worn_by(bottles), bottles, first_year * owners, last_year * owners, is_personal)


def _with_statements(
    curves: Curves, bottles: Trajectories, first_year: Floats, last_year: Floats, is_personal: npt.NDArray[np.bool_]
) -> Curves:
    if np.isnan(first_year).all() and np.isnan(last_year).all():
        return Curves(curves.m1, curves.s1, np.maximum(curves.m2, curves.m1 + NARROWEST), curves.s2)
    begin = _log_age(bottles, first_year, is_personal)
    end = _log_age(bottles, last_year + 1, is_personal)
    m1, s1 = _combined(curves.m1, curves.s1, begin, np.where(is_personal, PERSONAL, STATED_BEGIN))
    m2, s2 = _combined(curves.m2, curves.s2, end, np.where(is_personal, PERSONAL, STATED_END))
    # A stated side and a modelled one may cross: the stated one stands.
    crossed = m2 < m1 + NARROWEST
    m1 = np.where(crossed & ~np.isnan(end) & np.isnan(begin), m2 - NARROWEST, m1)
    return Curves(m1, s1, np.maximum(m2, m1 + NARROWEST), s2)


def _log_age(bottles: Trajectories, year: Floats, is_personal: npt.NDArray[np.bool_]) -> Floats:
    stated = ~np.isnan(year)
    day = day_of_year(np.where(stated, year, 2000).astype(np.int64))
    in_a_cellar = (day - bottles.born) / DAYS_PER_YEAR
    age = np.where(is_personal, bottles.age_on(day), in_a_cellar)
    return np.where(stated, np.log(np.maximum(age, YOUNGEST)), np.nan)


def _combined(m: Floats, s: Floats, stated: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """Mean and scale of both, weighted by precision; where nothing was stated, the model's, to the last digit."""
    nothing, mine, theirs = np.isnan(stated), 1 / s**2, 1 / scale**2
    total = mine + theirs
    return np.where(nothing, m, (theirs * stated + mine * m) / total), np.where(nothing, s, np.sqrt(1 / total))
