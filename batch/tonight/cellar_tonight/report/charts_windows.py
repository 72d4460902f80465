"""The charts of single lines: the map of windows, a row each on one axis, and tonight's wine on its way through the years."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

import numpy as np
from markupsafe import Markup

from cellar_shared.ageing.curve import PHASES
from cellar_tonight.evening import Line, Standing
from cellar_tonight.report.svg import NOTHING, at, chart, element, joined, rect, rule, share, text, year_label
from cellar_tonight.report.tally import MID_YEAR, is_number, phase_on
from cellar_tonight.report.wording import day, interval, month, percent

ROW, BAR, AXIS = 22.0, 8.0, 26.0  # pixels
BACK, AHEAD = 12, 28  # years around the evening that a map goes at most (judgement: beyond, all rows would be slivers)
MOST_TICKS: Final = 11
STEPS: Final = (1, 2, 5, 10, 20)
CURVE, BELOW = 150.0, 48.0  # pixels of the picked wine's chart
TOP: Final = 26.0
GONE: Final = 0.03  # a chance below which a wine's way is over (judgement)
OVER: Final = (0.08, 0.92)  # where the curve stands under the ends of its labels, as shares


@dataclass(frozen=True, slots=True)
class Axis:
    """The days that a chart shows, as shares of its width."""

    first: date
    last: date

    def share_of(self, when: date) -> float:
        """Where the day lies, 0 to 1; beyond the ends it is put at them."""
        return min(max((when - self.first).days / max((self.last - self.first).days, 1), 0.0), 1.0)

    def years(self) -> list[tuple[int, float]]:
        """Years that begin within it, evenly chosen, with the share at which they do."""
        within = range(self.first.year + (self.first > date(self.first.year, 1, 1)), self.last.year + 1)
        step = next((step for step in STEPS if len(within) <= MOST_TICKS * step), STEPS[-1])
        return [(year, self.share_of(date(year, 1, 1))) for year in within if year % step == 0]


@dataclass(frozen=True, slots=True)
class Span:
    """A row of the map: the line's number among the evening's lines, and its picture."""

    number: int
    picture: Markup


@dataclass(frozen=True, slots=True)
class Map:
    """Rows on one axis; `axis` is its picture, to stand above them."""

    axis: Markup
    spans: tuple[Span, ...]


def has_window(line: Line) -> bool:
    """Whether the map can show the line."""
    return line.standing.ready_from is not None and line.standing.drink_by is not None


def window_map(number: int, lines: Sequence[tuple[int, Line]], as_of: date) -> Map:
    """The map of lines that have a window; `number` is the map's in the page."""
    axis = _axis_of([line.standing for _, line in lines], as_of)
    grid = joined(rule("grid", x, 0, x, ROW) for _, x in axis.years())
    ticks = joined(year_label(x, 14, year) for year, x in axis.years() if 0.01 < x < 0.99)
    now = axis.share_of(as_of)
    anchor = "start" if now < 0.06 else "end" if now > 0.94 else "middle"
    head = element(
        "svg",
        element("defs", element("g", grid, id=f"grid-{number}") + element("g", rule("today", now, 0, now, ROW), id=f"now-{number}"))
        + ticks
        + text("tick now", now, 27, "today", anchor),
        class_="axis",
        width="100%",
        height=at(AXIS + 6),
        aria_hidden="true",
    )
    return Map(head, tuple(_span(each, line, axis, number) for each, line in lines))


def _axis_of(standings: Sequence[Standing], as_of: date) -> Axis:
    starts = [standing.ready_from for standing in standings if standing.ready_from] + [as_of]
    ends = [end for standing in standings for end in (standing.drink_by_hi or standing.drink_by,) if end] + [as_of]
    first = max(min(starts).year, as_of.year - BACK)
    last = min(max(ends).year, as_of.year + AHEAD)
    return Axis(date(max(first, 1), 1, 1), date(min(max(last, as_of.year + 1), date.max.year), 12, 31))


def _span(number: int, line: Line, axis: Axis, sheet: int) -> Span:
    standing, middle = line.standing, ROW / 2
    corners = [standing.ready_from, standing.peak_from, standing.peak_to, standing.drink_by]
    known = [each for each in corners if each is not None]
    parts = [element("use", href=f"#grid-{sheet}")]
    if len(known) == len(corners):
        for kind, begin, end in zip(("early", "peak", "late"), known, known[1:], strict=False):
            parts.append(_bar(kind, axis.share_of(begin), axis.share_of(end), middle))
    elif len(known) > 1:
        parts.append(_bar("plain", axis.share_of(known[0]), axis.share_of(known[-1]), middle))
    if standing.drink_by_lo and standing.drink_by_hi:
        low, high = axis.share_of(standing.drink_by_lo), axis.share_of(standing.drink_by_hi)
        parts.append(rule("whisker", low, middle, high, middle))
    if standing.drink_by:
        parts.append(element("circle", class_="end", cx=share(axis.share_of(standing.drink_by)), cy=at(middle), r="2.5"))
    parts.append(element("use", href=f"#now-{sheet}"))
    says = _says(standing)
    inside = element("title", says) + joined(parts)
    picture = element("svg", inside, class_="span", role="img", width="100%", height=at(ROW))
    return Span(number, picture)


def _bar(kind: str, begin: float, end: float, middle: float) -> Markup:
    return rect(f"p-{kind}", begin, end - begin, middle - BAR / 2, BAR) if end > begin else NOTHING


def _says(standing: Standing) -> str:
    peak = f", at its best {month(standing.peak_from)} to {month(standing.peak_to)}" if standing.peak_from and standing.peak_to else ""
    within = f" ({interval(standing)})" if interval(standing) else ""
    return f"Ready from {month(standing.ready_from)}{peak}, drink by {month(standing.drink_by)}{within}".replace("\u00a0", " ")


@dataclass(frozen=True, slots=True)
class Journey:
    """A wine through the years; `phases` are those that are drawn, `has_end` whether its day to drink by is among the days drawn."""

    picture: Markup
    phases: tuple[str, ...]
    has_end: bool


def journey(name: str, line: Line, as_of: date, years: Sequence[int]) -> Journey | None:
    """Tonight's wine through the years: its chance of being in its window over its phases, and below the interval of drink by.

    None where there is no curve: no chance by year is told then, and none is drawn.
    """
    standing = line.standing
    told = [(date(year, *MID_YEAR), chance) for year, chance in zip(years, standing.by_year, strict=False) if is_number(chance)]
    if is_number(standing.drinkability):
        told = [(as_of, standing.drinkability), *((when, chance) for when, chance in told if when > as_of)]
    told = told[: max((number for number, (_, chance) in enumerate(told) if chance >= GONE), default=len(told)) + 2]
    if len(told) < 2:
        return None
    axis = Axis(told[0][0], told[-1][0])
    points = [(axis.share_of(when), min(max(chance, 0.0), 1.0)) for when, chance in told]
    base = TOP + CURVE
    stretches = _stretches(axis, standing)
    parts = [_phases(name, axis, stretches), _curve(name, points), rule("base", 0, base, 1, base)]
    parts += [year_label(x, base + 17, year) for year, x in axis.years() if 0.02 < x < 0.98]
    first, last = (TOP + CURVE * (1 - height) for height in (points[0][1], points[-1][1]))
    heights = np.interp(OVER, [x for x, _ in points], [y for _, y in points])
    over_first, over_last = (min(y, TOP + CURVE * (1 - height)) - 10 for y, height in zip((first, last), heights, strict=True))
    when = "tonight" if told[0][0] == as_of else str(told[0][0].year)
    parts.append(element("circle", class_="dot", cx="0", cy=at(first), r="5"))
    parts.append(text("said", 0, over_first, f"{percent(told[0][1])} {when}", "start", dx=2))
    parts.append(text("said", 1, over_last, f"{percent(told[-1][1])} in {told[-1][0].year}", "end"))
    end = _end(axis, standing, base + 36)
    parts += end
    through = f"{percent(told[0][1])} on {day(told[0][0])}, {percent(told[-1][1])} on {day(told[-1][0])}"
    desc = f"Chance that {line.wine.label} is within its window: {through}. {_says(standing)}.".replace("\u00a0", " ")
    picture = chart(name, "In its window, year by year", desc, base + (BELOW if end else BELOW / 2), joined(parts))
    return Journey(picture, tuple(dict.fromkeys(kind for kind, _, _ in stretches if kind in PHASES)), bool(end))


def _stretches(axis: Axis, standing: Standing) -> list[tuple[str, date, date]]:
    """The axis' days by phase, "plain" where none is known."""
    corners = [standing.ready_from, standing.peak_from, standing.peak_to, standing.drink_by]
    edges = sorted({axis.first, axis.last, *(each for each in corners if each and axis.first < each < axis.last)})
    found = []
    for begin, end in pairwise(edges):
        phase = phase_on(standing, begin + timedelta(days=(end - begin).days // 2))
        found.append((phase if phase in PHASES else "plain", begin, end))
    return found


def _phases(name: str, axis: Axis, stretches: Sequence[tuple[str, date, date]]) -> Markup:
    """The gradient that colours the area under the curve by phase, with hard edges."""
    stops = [
        element("stop", class_=f"s-{kind}", offset=share(axis.share_of(each))) for kind, begin, end in stretches for each in (begin, end)
    ]
    return element("defs", element("linearGradient", joined(stops), id=f"{name}-phases"))


def _curve(name: str, points: Sequence[tuple[float, float]]) -> Markup:
    line = _smooth([(1000 * x, 100 * (1 - y)) for x, y in points])
    area = element("path", d=f"{line} L1000,100 L0,100 Z", fill=f"url(#{name}-phases)", class_="area")
    stroke = element("path", d=line, class_="stroke")
    box = {"viewBox": "0 0 1000 100", "preserveAspectRatio": "none"}
    return element("svg", area + stroke, x="0", y=at(TOP), width="100%", height=at(CURVE), overflow="visible", **box)


def _end(axis: Axis, standing: Standing, y: float) -> list[Markup]:
    if standing.drink_by is None or not axis.first < standing.drink_by < axis.last:
        return []
    x = axis.share_of(standing.drink_by)
    found = []
    if standing.drink_by_lo and standing.drink_by_hi:
        found.append(rule("whisker", axis.share_of(standing.drink_by_lo), y, axis.share_of(standing.drink_by_hi), y))
    found.append(element("circle", class_="end", cx=share(x), cy=at(y), r="4"))
    return found


def _smooth(points: Sequence[tuple[float, float]]) -> str:
    """A path through the points that rises and falls only where they do (monotone cubic, Fritsch and Carlson 1980)."""
    slopes = [(b[1] - a[1]) / ((b[0] - a[0]) or 1.0) for a, b in pairwise(points)]
    inner = [0.0 if a * b <= 0 else 2 * a * b / (a + b) for a, b in pairwise(slopes)]
    tangents = [slopes[0], *inner, slopes[-1]]
    path = [f"M{at(points[0][0])},{at(points[0][1])}"]
    for (a, slope_a), (b, slope_b) in pairwise(zip(points, tangents, strict=True)):
        third = (b[0] - a[0]) / 3
        control = (a[0] + third, a[1] + slope_a * third, b[0] - third, b[1] - slope_b * third)
        path.append("C{},{} {},{} {},{}".format(*(at(each) for each in (*control, *b))))
    return " ".join(path)
