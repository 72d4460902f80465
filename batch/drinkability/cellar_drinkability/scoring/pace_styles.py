"""How much of a lot should have been drunk by a day, in CellarTracker's styles: its pace, in bottles. Not drinkability.

CellarTracker's help ("Ready to drink report") gives the linear index: days into the window / days of the window x bottles ever had or
awaited - bottles consumed. The other styles bend the first factor. Their curves are published nowhere; they were read off two
public exports (May 2020 and August 2023, nine windows, 45 values), all of which they give to the printed digits: a window is twelve
parts of as many whole days, and within a part the share due goes evenly.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from cellar_shared.errors import BadInput

Style = Literal["linear", "bell", "early", "late", "fast", "twin_peak", "simple"]
STYLES: Final[tuple[Style, ...]] = ("linear", "bell", "early", "late", "fast", "twin_peak", "simple")
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PARTS: Final = 12
# Percent of a lot that each twelfth of its window is to see drunk. Bell is the same from either end and late is early from its end:
# so every value that either export shows, and by it the second twelfth of the three, which no row shows by itself. For fast and twin
# peak only the sum of the second and the third is known (32 and 12): a middle is taken.
PERCENTS: Final[dict[Style, tuple[float, ...]]] = {
    "bell": (4, 5, 8, 10, 11, 12, 12, 11, 10, 8, 5, 4),
    "early": (4, 13, 15, 15, 13, 10.5, 8.5, 6, 4.5, 4, 3.5, 3),
    "late": (3, 3.5, 4, 4.5, 6, 8.5, 10.5, 13, 15, 15, 13, 4),
    "fast": (25, 18.5, 13.5, 11, 9, 7, 5.5, 4, 3, 2, 1, 0.5),
    "twin_peak": (15, 7.5, 4.5, 3, 7.5, 10.5, 12, 12, 11, 8, 5, 4),
}
# By how much the share due at the end of the second twelfth may be off, where the parts go down from the first to the fourth as the
# others do: the second then lies between half of that sum and what leaves the third as large as the fourth.
MOST_OFF: Final[dict[Style, float]] = {"fast": 0.025, "twin_peak": 0.015}
# Past its window a lot is charged this many points more (help). No export shows such a row.
PAST_PENALTY: Final = 100.0
CLOSE_TO_A_DAY: Final = 0.01  # days: an export's linear index has fifteen digits, a wrong window or count misses by more


def share_due(style: Style, days_in: Ints, window_days: Ints) -> tuple[Floats, Floats]:
    """The share of a lot that should be gone `days_in` days after its window began, and by how much it may be off. Both (lots,).

    `window_days` from the first to the last day. Before the window the share goes on along its straight line, below 0; after
    it, above 1. There only the linear style follows the help; how far off others are nobody has shown: NaN.
    """
    straight = days_in / window_days
    inside = (straight >= 0) & (straight <= 1)
    if style == "linear":
        return straight, np.where(straight <= 1, 0.0, np.nan)
    days_a_part = np.maximum(window_days // PARTS, 2)
    part = np.clip((days_in - 1) // days_a_part, 0, PARTS - 1)
    # The first part begins on the window's first day, each other one the day after the last has ended.
    begins, length = np.where(part == 0, 0, part * days_a_part + 1), np.where(part == 0, days_a_part, days_a_part - 1)
    gone = np.clip((days_in - begins) / length, 0, 1)
    due = np.concatenate([[0.0], np.cumsum(PERCENTS[style])]) / 100
    share = due[part] + gone * (due[part + 1] - due[part])
    # What is not known is the corner between the second part and the third: in full there, nothing at the other ends of both.
    off = MOST_OFF.get(style, 0.0) * np.where(part == 1, gone, np.where(part == 2, 1 - gone, 0.0))
    return np.where(inside, share, straight), np.where(inside, off, np.nan)


def paces(style: Style, as_of: date, first_year: Ints, last_year: Ints, bottles: Ints, consumed: Ints) -> tuple[Floats, Floats]:
    """Bottles by which lots are behind (above 0) or ahead, and by how many that may be off (NaN: nobody has shown it). Both (lots,).

    Windows go from 1 January of `first_year` to 31 December of `last_year`; `bottles` were ever had or are awaited, `consumed` of
    them are gone. Style simple is bottles left per year left, this one counted.
    """
    if style == "simple":
        from_now, left = np.maximum(first_year, as_of.year), bottles - consumed
        years = np.maximum(last_year - from_now + 1, 1)
        is_known = (first_year <= as_of.year) & (as_of.year <= last_year)
        return left / years, np.where(is_known, 0.0, np.nan)
    begin = first_january(first_year)
    window_days = first_january(last_year + 1) - 1 - begin
    days_in = (as_of - date(1970, 1, 1)).days - begin
    share, off = share_due(style, days_in, window_days)
    penalty = np.where(days_in > window_days, PAST_PENALTY, 0.0)
    return share * bottles - consumed + penalty, off * bottles


def first_january(year: Ints) -> Ints:
    """1 January of each year, in days since 1970."""
    return np.asarray((np.asarray(year, np.int64) - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64))


def day_of_export(linear: Floats, first_year: Ints, last_year: Ints, bottles: Ints, consumed: Ints) -> date:
    """The day on which an export was made, which it does not say: the one that its Linear column (lots,) leaves.

    BadInput where there is no lot to tell it by, or where lots say different days.
    """
    tells = np.asarray(bottles) > 0
    if not tells.any():
        raise BadInput("Linear: no lot with bottles to tell the export's day by; name the day, or export Availability with bottles in it")
    begin = first_january(first_year)
    window_days = first_january(last_year + 1) - 1 - begin
    share = (linear[tells] + consumed[tells]) / bottles[tells]
    days = begin[tells] + share * window_days[tells]
    day = int(np.round(np.median(days)))
    odd = np.flatnonzero(np.abs(days - day) > CLOSE_TO_A_DAY)
    if len(odd):
        found = ", ".join(f"{date(1970, 1, 1) + timedelta(days=float(days[i]))} (lot {np.flatnonzero(tells)[i] + 1})" for i in odd[:3])
        raise BadInput(
            f"Linear: most lots say {date(1970, 1, 1) + timedelta(days=day)}, {len(odd)} others, among them {found}; "
            "an export is made on one day: look at those lots' windows and counts, or leave out lots that are past their window"
        )
    return date(1970, 1, 1) + timedelta(days=day)
