"""Draws a curve in the terminal: dots of braille under it, coloured by phase, today's mark, and the four dates with their intervals."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cellar_drinkability.showing.bottle_curve import BottleCurve, calendar_day, fraction_of_year
from cellar_shared.ageing.curve import DATES, PHASES

WIDTH, HEIGHT = 72, 9  # characters of the plot: two by four dots each
STYLES: Final = {"hold": "grey50", "early": "gold3", "peak": "bold magenta", "late": "dark_orange3", "past": "grey50"}
SAYS: Final = {
    "hold": "not ready yet",
    "early": "ready, its best is to come",
    "peak": "at its best",
    "late": "past its best, still good",
    "past": "past its window",
}
LABELS: Final = dict(zip(DATES, ("ready from", "peak from", "peak to", "drink by"), strict=True))
# Dots of a braille character from the bottom row up, left and right.
_LEFT, _RIGHT = (0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08)


def picture(curve: BottleCurve) -> RenderableType:
    """The curve, as rich prints it."""
    parts: list[RenderableType] = [_heading(curve), Text(), _plot(curve), Text(), _dates(curve)]
    if curve.heat:
        parts += [Text(), _heat(curve)]
    return Group(*parts)


def _heading(curve: BottleCurve) -> Text:
    text = Text(curve.title, style="bold")
    text.append("\n" + "  \u00b7  ".join(curve.facts) + "\n", style="dim")
    day = calendar_day(curve.as_of)
    text.append(f"{day:%d %B %Y}: ", style="not bold")
    text.append(f"{curve.phase}, {SAYS[curve.phase]}", style=STYLES[curve.phase])
    if curve.chance_now is not None and curve.effective_age_years is not None:
        chance, age = f"{100 * curve.chance_now:.0f} %", f"{curve.effective_age_years:.1f}"
        text.append(f"\n{chance} within its window  \u00b7  effective age {age} years", style="not bold")
    return text


def _plot(curve: BottleCurve) -> Text:
    at = np.linspace(curve.days[0], curve.days[-1], 2 * WIDTH)
    dots = np.interp(at, curve.days, curve.chance) * 4 * HEIGHT
    phases = [PHASES[int(number)] for number in curve.phases[np.searchsorted(curve.days, at[::2])]]
    today = _column(curve, curve.as_of)
    text = Text()
    for row in reversed(range(HEIGHT)):
        label = {HEIGHT - 1: "100 %", HEIGHT // 2: " 50 %", 0: "  0 %"}.get(row, "")
        text.append(f"{label:>6} ", style="dim")
        for column in range(WIDTH):
            left, right = (round(min(max(dots[2 * column + side] - 4 * row, 0), 4)) for side in (0, 1))
            bits = sum(_LEFT[:left]) + sum(_RIGHT[:right])
            if column == today:
                text.append("\u2502" if not bits else chr(0x2800 + bits), style="bold reverse" if bits else "bold")
            else:
                text.append(chr(0x2800 + bits), style=STYLES[phases[column]])
        text.append("\n")
    text.append(" " * 7 + _scale(curve), style="dim")
    if today is not None:
        text.append("\n" + " " * (7 + max(0, min(today - 2, WIDTH - 5))) + "today", style="bold")
    return text


def _scale(curve: BottleCurve) -> str:
    """Years along the plot, as many as fit."""
    first, last = fraction_of_year(curve.days[[0, -1]])
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000) if (last - first) / step <= WIDTH / 8)
    line = [" "] * (WIDTH + 4)
    for year in range(math.ceil(first / step - 1e-9) * step, math.floor(last) + 1, step):
        column = min(round((year - first) / (last - first) * WIDTH), WIDTH - 1)
        line[column : column + 4] = f"{year:<4}"
    return "".join(line)[: WIDTH + 4].rstrip()


def _column(curve: BottleCurve, day: int) -> int | None:
    share = (day - curve.days[0]) / (curve.days[-1] - curve.days[0])
    return min(int(share * WIDTH), WIDTH - 1) if 0 <= share <= 1 else None


def _dates(curve: BottleCurve) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for heading in ("", "day", "80 % within", ""):
        table.add_column(heading, header_style="dim")
    for number, name in enumerate(DATES):
        day, low, high = (calendar_day(int(row[number])) for row in curve.dates)
        away = (int(curve.dates[0, number]) - curve.as_of) / 365.25
        when = f"in {away:.1f} years" if away >= 0 else f"{-away:.1f} years ago"
        table.add_row(LABELS[name], f"{day:%d %b %Y}", f"{low:%b %Y} to {high:%b %Y}", Text(when, style="dim"))
    return table


def _heat(curve: BottleCurve) -> Text:
    total = sum(event.months for event in curve.heat)
    stretches = "1 stretch" if len(curve.heat) == 1 else f"{len(curve.heat)} stretches"
    text = Text(f"{stretches} above 21 \u00b0C cost {total:.1f} months of cellar life", style="red")
    for event in sorted(curve.heat, key=lambda event: -event.months)[:5]:
        first, last = calendar_day(math.floor(event.from_day)), calendar_day(math.floor(event.to_day))
        text.append(
            f"\n  {first:%d %b %Y} to {last:%d %b %Y}: up to {event.highest_c:.1f} \u00b0C, {event.months:.1f} months", style="not bold"
        )
    if len(curve.heat) > 5:
        text.append(f"\n  and {len(curve.heat) - 5} smaller ones", style="dim")
    return text
