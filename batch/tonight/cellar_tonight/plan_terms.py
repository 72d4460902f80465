"""The terms of a drink plan: how much is drunk, on which evenings, and what counts how much; `plan` and its baseline obey them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from cellar_shared.errors import BadInput

EVERYDAY: Final = "everyday"
GUESTS: Final = "guests"
MOST: Final = 10_000  # evenings or bottles a year: beyond is a slip of the pen


def easter(year: int) -> date:
    """Easter Sunday of a Gregorian year (the anonymous algorithm, Nature 13, 1876, as in Meeus, Astronomical Algorithms, chapter 8)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    l_ = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * l_) // 451
    month, day = divmod(h + l_ - 7 * m + 114, 31)
    return date(year, month, day + 1)


@dataclass(frozen=True, slots=True)
class Holiday:
    """A day of each year on which a special bottle is wanted: `on` is month and day, or Easter Sunday.

    A wine whose type does not have the word `prefers` in it counts less there (PlanTerms.other_kind); None takes any. BadInput for a day
    that not every year has.
    """

    name: str
    on: tuple[int, int] | Literal["easter"]
    prefers: str | None = None

    def __post_init__(self) -> None:
        """Refuse a day that some years lack."""
        try:
            self.day_in(2001)  # no leap year
        except ValueError:
            raise BadInput(f"holiday {self.name}: found {self.on}, expected month and day that each year has; change it") from None

    def day_in(self, year: int) -> date:
        """Its day in a year."""
        return easter(year) if self.on == "easter" else date(year, *self.on)


# Days on which many open a better bottle (judgement). A birthday that nobody named is taken to be in the middle of the year.
HOLIDAYS: Final = (
    Holiday("Christmas", (12, 25)),
    Holiday("New Year's Eve", (12, 31), prefers="sparkling"),
    Holiday("Easter", "easter"),
    Holiday("birthday", (7, 1)),
)


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """What the plan is made under; every default is a judgement.

    Enjoyment is counted in everyday evenings: a bottle at its best, of a wine that is sure to be liked, on an everyday evening is 1.
    BadInput where a value makes no sense.
    """

    bottles_a_year: int | None = None  # of any size, at most; None: from the stock (plan_setting.pace_of)
    everyday_evenings: int | None = None  # a year, one bottle each, at most; None: as many as bottles_a_year leaves
    guest_evenings: int = 4  # a year: one a season
    guests: int = 6  # people at the table on a guest evening, the member among them
    ml_a_person: int = 250  # of the one wine on a guest evening: a third of a bottle each
    holidays: tuple[Holiday, ...] = HOLIDAYS
    guest_bonus: float = 0.25  # what a guest evening adds to the bottles that it takes, in shares of their everyday worth
    holiday_bonus: float = 1.0  # what a holiday adds to its bottle, likewise
    # How far value tells on special days: a holiday's bonus is multiplied by 1 - this for the cheapest line of the cellar, by 1 + this for
    # the dearest, a guest evening's by half as much. At .25 the dearest displaces the cheapest if it gives 60 % of what that gives.
    value_weight: float = 0.25
    other_kind: float = 0.5  # of a holiday's bonus, for a wine that is not of the kind it prefers
    # What the first, second, ... evening with the same line in one year loses of its enjoyment; the last holds for all beyond.
    repeat_loss: tuple[float, ...] = (0.0, 0.15, 0.3, 0.45)
    discount: float = 0.02  # a year: breakage, corks and impatience
    least_drinkability: float = 0.2  # below it a bottle is not planned
    least_special: float = 0.5  # the same for guests and holidays: rather in its window than not
    neutral_taste: float = 0.6  # for a line without a chance of its own: about the share of liked ratings among members at large
    from_day: date | None = None  # the evening's day: the first year has only what is left of it; None: all of it
    time_limit_s: float = 10.0  # for the solver; a plan that it cuts short may differ from run to run, and says so
    relative_gap: float = 1e-4  # a plan this near to the best possible is good enough

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        counts = {name: getattr(self, name) for name in ("bottles_a_year", "everyday_evenings", "guest_evenings")}
        for name, count in counts.items():
            _need(count is None or 0 <= count <= MOST, name, count, f"a whole number from 0 to {MOST}")
        for name in ("guests", "ml_a_person", "time_limit_s"):
            _need(0 < getattr(self, name) < math.inf, name, getattr(self, name), "a number above 0")
        for name in ("guest_bonus", "holiday_bonus", "relative_gap"):
            _need(0 <= getattr(self, name) < math.inf, name, getattr(self, name), "a number from 0")
        for name in ("value_weight", "other_kind", "least_drinkability", "least_special", "neutral_taste"):
            _need(0 <= getattr(self, name) <= 1, name, getattr(self, name), "a share from 0 to 1")
        _need(0 <= self.discount < 1, "discount", self.discount, "a share from 0, below 1")
        rises = bool(self.repeat_loss) and list(self.repeat_loss) == sorted(self.repeat_loss)
        _need(rises and 0 <= self.repeat_loss[0] <= self.repeat_loss[-1] <= 1, "repeat_loss", self.repeat_loss, "shares that never fall")
        names = [EVERYDAY, GUESTS, *(holiday.name for holiday in self.holidays)]
        _need(len(set(names)) == len(names), "holidays", names[2:], f"each name once, and neither {EVERYDAY} nor {GUESTS}")


def _need(holds: bool, field: str, found: object, expected: str) -> None:
    if not holds:
        raise BadInput(f"plan terms, {field}: found {found!r}, expected {expected}; change it or leave it out")
