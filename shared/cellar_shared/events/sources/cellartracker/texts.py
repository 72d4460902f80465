"""What a cell of an export says: numbers, years, days, sizes, truths and texts, with the site's ways of saying nothing.

Every reader answers None for a cell that says nothing, and raises Unreadable for one that cannot be read.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from cellar_shared.events.vocabulary.words import folded

NON_VINTAGE: Final = 1001
NO_YEARS: Final = (0, NON_VINTAGE, 9999)  # of a window; of a vintage 0 and 9999
MOST_OF_A_LOT: Final = 10_000  # bottles that one row may stand for (judgement): more is a slip, not a cellar
SMALLEST_ML, LARGEST_ML = 50, 30_000

_NOTHING: Final = frozenset({"", "unknown", "(unknown)", "n/a", "(n/a)", "none", "(none)", "null"})
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BLANKS: Final = re.compile(r"\s+")
_MONEY: Final = re.compile(r"^[^\d+\-.,]*|[^\d.,]*$")
_DAY: Final = re.compile(r"^(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})(?:[T ]+\d{1,2}:\d{2}.*)?$")
_SIZE: Final = re.compile(r"^([\d.,]+)\s*(ml|cl|dl|l|ltr|lt|litre|liter|litres|liters)?\.?$", re.IGNORECASE)
_UNITS: Final = {"ml": 1.0, "cl": 10.0, "dl": 100.0}
_ANY_SIZE: Final = frozenset({"other", "various", "mixed"})
# Formats by name; the larger ones differ between regions, these are Champagne's and Burgundy's.
_NAMED_SIZES: Final = {
    "split": 187, "piccolo": 187, "quarter": 187, "demi": 375, "half": 375, "half bottle": 375, "bottle": 750, "standard": 750,
    "magnum": 1500,
    "double magnum": 3000, "jeroboam": 3000, "rehoboam": 4500, "methuselah": 6000, "imperial": 6000, "salmanazar": 9000,
    "balthazar": 12000, "nebuchadnezzar": 15000,
}  # fmt: skip
_TRUTHS: Final = {"true": True, "yes": True, "1": True, "-1": True, "false": False, "no": False, "0": False}


class Unreadable(Exception):
    """A cell that cannot be read; the message says what was expected there."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a file writes what can be written two ways: a decimal comma, and the day before the month."""

    decimal_comma: bool = False
    day_first: bool = False


def manner_of(numbers: Iterable[str], days: Iterable[str]) -> Manner:
    """The manner that a file's cells leave: the site's own (decimal point, M/D/YYYY) unless some cell can only be read the other way."""
    commas = any(re.search(r"\d,(\d{1,2}|\d{4,})$|\d\.\d{3},\d", text.strip()) for text in numbers)
    slashes = [
        (int(found[1]), int(found[3])) for text in days if (found := _DAY.match(text.strip())) and found[2] == "/" and len(found[1]) < 3
    ]
    day_first = any(first > 12 for first, _ in slashes) and not any(second > 12 for _, second in slashes)
    return Manner(commas, day_first)


def text_of(cell: str | None) -> str | None:
    """The text on one line, entities decoded, without control characters; None for what stands for nothing."""
    text = _BLANKS.sub(" ", _CONTROL.sub("", _decoded(cell or ""))).strip()
    return None if text.casefold() in _NOTHING else text


def prose_of(cell: str | None) -> str | None:
    """A note, with its lines; None for an empty one."""
    return _CONTROL.sub("", _decoded(cell or "").replace("\r\n", "\n").replace("\r", "\n")).strip() or None


def _decoded(cell: str) -> str:
    """Entities decoded; what was escaped twice on its way is decoded twice."""
    once = html.unescape(cell)
    return html.unescape(once) if once != cell and "&" in once else once


def number_of(cell: str | None, manner: Manner, most: float = math.inf) -> float | None:
    """A number of 0 to `most`; an amount of money may have its sign. A comma is read as the file writes commas, or as `most` allows."""
    text = text_of(cell)
    if text is None:
        return None
    bare = _MONEY.sub("", text.replace("\u00a0", "").replace(" ", "").replace("'", ""), count=2)
    for reading in _readings(bare, manner):
        try:
            number = float(reading)
        except ValueError:
            continue
        if math.isfinite(number) and 0 <= number <= most:
            return number
    raise Unreadable("a number" if most == math.inf else f"a number from 0 to {most:g}")


def _readings(text: str, manner: Manner) -> list[str]:
    as_comma = text.replace(".", "").replace(",", ".")
    as_point = text.replace(",", "")
    if "," in text and "." in text:
        return [as_comma if text.rfind(",") > text.rfind(".") else as_point]
    if "," in text:
        in_groups = re.fullmatch(r"\d{1,3}(,\d{3})+", text) is not None
        return [as_point, as_comma] if in_groups and not manner.decimal_comma else [as_comma, *([as_point] if in_groups else [])]
    if manner.decimal_comma and re.fullmatch(r"\d{1,3}(\.\d{3})+", text):
        return [as_comma, text]
    return [text]


def count_of(cell: str | None, manner: Manner) -> int | None:
    """How many bottles a cell says."""
    number = number_of(cell, manner)
    if number is None:
        return None
    if number != int(number) or number > MOST_OF_A_LOT:
        raise Unreadable(f"a whole number of bottles from 0 to {MOST_OF_A_LOT:,}")
    return int(number)


def vintage_of(cell: str | None) -> int | None:
    """The year; 0 for non-vintage."""
    text = text_of(cell)
    if text is None or text in ("0", "9999"):
        return None
    if text == str(NON_VINTAGE) or folded(text) in ("nv", "n v", "non vintage"):
        return 0
    if text.isascii() and text.isdigit() and 1700 <= int(text) <= 2200:
        return int(text)
    raise Unreadable(f"a year from 1700 to 2200, {NON_VINTAGE} for non-vintage, or nothing")


def window_year_of(cell: str | None, manner: Manner) -> int | None:
    """The year of a window's end, which some tables write as a day."""
    text = text_of(cell)
    if text is None:
        return None
    year = int(text) if re.fullmatch(r"\d{1,4}", text) else _day_in(text, manner)[0]
    if year in NO_YEARS:
        return None
    if not 1700 <= year <= 2300:
        raise Unreadable("a year from 1700 to 2300, 9999 for none, or nothing")
    return year


def day_of(cell: str | None, manner: Manner) -> date | None:
    """The day: M/D/YYYY (D/M/YYYY where the file's days say so), D.M.YYYY or YYYY-MM-DD; a time of day is left aside."""
    text = text_of(cell)
    if text is None:
        return None
    year, month, day = _day_in(text, manner)
    if year in (NON_VINTAGE, 9999):
        return None
    try:
        if 1900 <= year <= 2100:
            return date(year, month, day)
    except ValueError:
        pass
    raise Unreadable(_A_DAY)


_A_DAY: Final = "a day as 5/25/2020, 25.5.2020 or 2020-05-25"


def _day_in(text: str, manner: Manner) -> tuple[int, int, int]:
    found = _DAY.match(text)
    if not found:
        raise Unreadable(_A_DAY)
    first, mark, second, third = int(found[1]), found[2], int(found[3]), int(found[4])
    if len(found[1]) == 4:
        return first, second, third
    if len(found[4]) != 4:
        raise Unreadable(_A_DAY)
    day_first = mark == "." or (mark == "/" and manner.day_first)
    return (third, second, first) if day_first else (third, first, second)


def size_of(cell: str | None) -> int | None:
    """The bottle's content in ml; a bare number is ml from 50 on and litres below. "Other" is no size anybody knows."""
    text = text_of(cell)
    if text is None:
        return None
    if named := _NAMED_SIZES.get(folded(text)):
        return named
    if folded(text) in _ANY_SIZE:
        return None
    found = _SIZE.match(text)
    try:
        number = float(found[1].replace(",", ".")) if found else math.nan
    except ValueError:
        number = math.nan
    unit = (found[2] or "").lower() if found else ""
    ml = number * (_UNITS.get(unit, 1000.0) if unit else 1.0 if number >= SMALLEST_ML else 1000.0)
    if not SMALLEST_ML <= ml <= LARGEST_ML:
        raise Unreadable(f"a size such as 750ml or 1.5L, from {SMALLEST_ML} ml to {LARGEST_ML // 1000} L")
    return round(ml)


def truth_of(cell: str | None) -> bool | None:
    """True or False, as the site writes them."""
    text = text_of(cell)
    if text is None:
        return None
    if text.casefold() not in _TRUTHS:
        raise Unreadable("True or False")
    return _TRUTHS[text.casefold()]
