"""The charts of whole cellars: stacked columns by year, and the two bars that compare a plan with going by what is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from cellar_tonight.report.svg import NOTHING, at, chart, element, joined, rect, rule, text, year_label
from cellar_tonight.report.tally import is_number

PLOT, BELOW, ABOVE = 190.0, 26.0, 24.0  # pixels of a chart of columns: its plot, and around it
FILLED: Final = 0.66  # of a column's place
FILLED_BESIDE, BESIDE = 0.48, 0.15  # likewise, where a thin column stands beside it
LABELLED: Final = 15.0  # pixels: a lower part has no room for its number
ROW: Final = 44.0  # pixels of a bar with its words above


@dataclass(frozen=True, slots=True)
class Part:
    """A coloured part of a column: `kind` is its class, `amount` its height, `shown` a number inside it, `says` the whole of it."""

    kind: str
    amount: float
    says: str
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column from its base up. `year` is its label, or `name`; `shown` stands above it.

    `mark` is an amount drawn as a line across it, `beside` one drawn as a thin column to its right; `extra_says` tells either.
    """

    parts: tuple[Part, ...]
    shown: str = ""
    year: int | None = None
    name: str = ""
    mark: float | None = None
    beside: float | None = None
    extra_says: str = ""


def columns(name: str, title: str, desc: str, drawn: Sequence[Column]) -> Markup:
    """Stacked columns side by side on one scale; nothing where all of them would be empty."""
    tops = (max(sum(part.amount for part in one.parts), one.mark or 0.0, one.beside or 0.0) for one in drawn)
    highest = max(tops, default=0.0)
    if highest <= 0:
        return NOTHING
    filled = FILLED_BESIDE if any(one.beside is not None for one in drawn) else FILLED
    base, place = ABOVE + PLOT, 1 / max(len(drawn), 1)
    parts = [rule("base", 0, base, 1, base)]
    for number, one in enumerate(drawn):
        left, width = (number + (1 - FILLED) / 2) * place, filled * place
        middle = left + width / 2
        top = base
        for part in one.parts:
            height = PLOT * part.amount / highest
            if height <= 0:
                continue
            top -= height
            parts.append(rect(part.kind, left, width, top, height, part.says))
            middle_y = top + height / 2
            is_crossed = one.mark is not None and abs(base - PLOT * one.mark / highest - middle_y) < LABELLED / 2
            if part.shown and height >= LABELLED and not is_crossed:
                parts.append(text(f"in in-{part.kind}", middle, middle_y + 4, part.shown))
        if one.shown:
            parts.append(text("total", middle, top - 7, one.shown))
        if one.mark is not None:
            y = base - PLOT * one.mark / highest
            line = rule("mark", left - 0.1 * place, y, left + width + 0.1 * place, y)
            parts.append(element("g", element("title", one.extra_says) + line))
        if one.beside:
            height = PLOT * one.beside / highest
            parts.append(rect("beside", left + width + 0.04 * place, BESIDE * place, base - height, height, one.extra_says))
        parts.append(text("tick", middle, base + 18, one.name) if one.year is None else year_label(middle, base + 18, one.year))
    return chart(name, title, desc, base + BELOW, joined(parts))


def compared(name: str, title: str, desc: str, bars: Sequence[tuple[str, str, float, str]]) -> Markup:
    """Bars below one another: class, words, length and the number at its end, lengths on one scale."""
    longest = max((length for _, _, length, _ in bars), default=0.0) or 1.0
    parts = []
    for number, (kind, words, length, shown) in enumerate(bars):
        y = number * ROW
        parts.append(text("words", 0, y + 13, words, "start"))
        parts.append(text("words strong", 1, y + 13, shown, "end"))
        parts.append(element("rect", class_="track", x="0", y=at(y + 20), width="100%", height="10"))
        parts.append(rect(kind, 0, max(length, 0.0) / longest, y + 20, 10))
    return chart(name, title, desc, len(bars) * ROW, joined(parts))


def spark(values: Sequence[float]) -> Markup:
    """A line's drinkability by year as a small line, for the eye only: its numbers stand beside it."""
    if len(values) < 2 or not all(map(is_number, values)):
        return NOTHING
    points = " ".join(f"{at(100 * i / (len(values) - 1))},{at(1 + 20 * (1 - min(max(value, 0.0), 1.0)))}" for i, value in enumerate(values))
    area = element("polygon", class_="area", points=f"0,22 {points} 100,22")
    line = element("polyline", class_="stroke", points=points)
    return element(
        "svg", area + line, class_="spark", viewBox="0 0 100 22", preserveAspectRatio="none", width="72", height="22", aria_hidden="true"
    )
