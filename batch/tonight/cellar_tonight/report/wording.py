"""Numbers, dates, sizes and scores as people write them; the template's filters and the charts' labels."""

from __future__ import annotations

import math
import re
from datetime import date
from typing import Final

from cellar_tonight.evening import Standing, Taste, Wine, Wish

THIN: Final = "\u202f"  # between a number and its unit: never broken
DASH: Final = "\u2013"
ENDS: Final = (".", "!", "?", "\u2026", "")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LONG_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
LAST_YEAR: Final = 9999  # of the calendar: an end that far away is no end (ageing.curve.LAST_DAY)
SIZES: Final = {187: "quarter bottle", 375: "half bottle", 1500: "magnum", 3000: "double magnum"}
SMALL: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
SWEET: Final = re.compile(r"sweet|dessert|fortified|\bport\b")
COLOURS: Final = (("rosé", "rose"), ("rose", "rose"), ("white", "white"), ("red", "red"))


def day(when: date | None) -> str:
    """25 Nov 2026."""
    return DASH if when is None else f"{when.day}\u00a0{MONTHS[when.month - 1]}\u00a0{when.year}"


def long_day(when: date) -> str:
    """Wednesday, 25 November 2026."""
    return f"{DAYS[when.weekday()]}, {when.day} {LONG_MONTHS[when.month - 1]} {when.year}"


def month(when: date | None) -> str:
    """Nov 2026; the calendar's last year is no end."""
    if when is None:
        return DASH
    return "no end in sight" if when.year >= LAST_YEAR else f"{MONTHS[when.month - 1]}\u00a0{when.year}"


def interval(standing: Standing) -> str:
    """The 80 % interval of the day to drink by, empty where it is not known."""
    low, high = standing.drink_by_lo, standing.drink_by_hi
    if low is None or high is None:
        return ""
    return f"{month(low)} {DASH} {month(high)}" if month(low) != month(high) else month(low)


def percent(chance: float | None) -> str:
    """87 %; what is neither nothing nor all is not written as either."""
    if chance is None or not math.isfinite(chance):
        return DASH
    hundredths = round(100 * chance)
    if hundredths == 0 and chance > 0:
        return f"<{THIN}1{THIN}%"
    if hundredths == 100 and chance < 1:
        return f">{THIN}99{THIN}%"
    return f"{hundredths}{THIN}%"


def count(number: int, one: str, many: str | None = None) -> str:
    """No bottles, 1 bottle, 2,000 bottles."""
    return f"{f'{number:,}' if number else 'no'}\u00a0{one if number == 1 else many or one + 's'}"


def decimal(number: float, digits: int = 1) -> str:
    """A number with its thousands apart and a true minus; a dash for what is none."""
    if not math.isfinite(number):
        return DASH
    text = f"{number:,.{digits}f}"
    return (text if text.strip("-0.,") else text.lstrip("-")).replace("-", "\u2212")


def signed(number: float, digits: int = 1) -> str:
    """The same with its sign, a plus too."""
    text = decimal(number, digits)
    return f"+{text}" if math.isfinite(number) and float(f"{number:.{digits}f}") > 0 else text


def size(size_ml: int | None) -> str:
    """The bottle's content, after its name where it has one."""
    if size_ml is None:
        return "size not said"
    content = f"{size_ml / 1000:g}{THIN}l" if size_ml >= 1000 else f"{size_ml / 10:g}{THIN}cl"
    return f"{SIZES[size_ml]}, {content}" if size_ml in SIZES else content


def money(amount: float, currency: str | None) -> str:
    """EUR 1,240."""
    text = decimal(amount, 0)
    return f"{currency}\u00a0{text}" if currency else f"{text} (no currency said)"


def short(amount: float) -> str:
    """At most four characters or so, for a chart's label: 940, 1.2k, 34k, 1.2M."""
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if amount >= unit - 0.5:
            scaled = amount / unit
            return f"{scaled:.1f}{name}" if scaled < 9.95 else f"{scaled:,.0f}{name}"
    return f"{amount:.0f}"


def sentence(text: str) -> str:
    """With a capital and a full stop, unless it ends in a mark of its own."""
    return f"{text[:1].upper()}{text[1:]}{'' if text[-1:] in ENDS else '.'}"


def score(points: float) -> str:
    """A score out of 100; a decimal only where it says something."""
    return decimal(points, 0 if float(points).is_integer() else 1)


def taste(of: Taste) -> tuple[str, str]:
    """A figure and what it is a figure of."""
    if of.basis == "preference" and of.chance is not None:
        return percent(of.chance), "that you like it"
    if of.own_score is not None and of.basis in ("own", None):
        return score(of.own_score), "your score"
    if of.community_score is not None and of.basis in ("community", None):
        return score(of.community_score), "community"
    return (percent(of.chance), "that you like it") if of.chance is not None and of.basis else (DASH, "no score")


def wished(wish: Wish) -> list[str]:
    """What was asked for, in parts of a sentence; empty when nothing was."""
    said = []
    if wish.food:
        said.append(f"to go with {wish.food}")
    if wish.location:
        said.append(f"from {wish.location}")
    if wish.guests > 0:
        people = wish.guests + 1
        said.append(f"for {SMALL[people] if people < len(SMALL) else f'{people:,}'}")
    return said


def kind(wine: Wine) -> str:
    """The wine's kind as charts colour it: sparkling, sweet, rose, white, red or other; by the export's own type, then its colour."""
    said = (wine.type or "").casefold()
    if "sparkling" in said:
        return "sparkling"
    if SWEET.search(said):
        return "sweet"
    for text in (said, (wine.colour or "").casefold()):
        for word, name in COLOURS:
            if word in text:
                return name
    return "other"
