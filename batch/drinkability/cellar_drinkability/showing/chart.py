"""Draws a curve as SVG or PNG with matplotlib (extra `charts`): the curve by phases, today, and the dates with their intervals below."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from cellar_drinkability.showing.bottle_curve import BottleCurve, calendar_day, fraction_of_year
from cellar_drinkability.showing.terminal import LABELS
from cellar_shared.ageing.curve import DATES, PHASES

INCHES: Final = (9.6, 5.4)
INK, FAINT, RULE = "#2b2326", "#857a7e", "#e7e0e2"
CURVE: Final = "#6d1a36"
FILLS: Final = {"hold": "#efeaec", "early": "#e6c7a1", "peak": "#a8385a", "late": "#d99a7e", "past": "#efeaec"}
# Text on those fills, dark enough to read on white as well.
NAMES: Final = {"hold": FAINT, "early": "#a3712c", "peak": "#8a1f42", "late": "#b35c3a", "past": FAINT}
TOP: Final = 1.13  # of the upper axis: above 1 stand the phases
HEAT: Final = "#c62b1b"
HEAT_AT = 0.035  # of the upper axis
HEAT_NAMED, LEAST_MONTHS = 3, 0.5  # the dearest stretches of heat say what they cost
NARROWEST_NAME: Final = 0.045  # of the width: a phase narrower than this has no room for its name


def draw(curve: BottleCurve, file: Path) -> None:
    """Write the chart; the name's ending says whether as .svg or .png. The same curve makes the same file."""
    with mpl.rc_context({"font.family": "DejaVu Sans", "font.size": 10, "svg.fonttype": "path", "svg.hashsalt": "cellar"}):
        figure = Figure(figsize=INCHES, facecolor="white")
        FigureCanvasAgg(figure)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.1, 1), gridspec_kw={"hspace": 0.06})
        figure.subplots_adjust(left=0.085, right=0.975, top=0.855, bottom=0.075)
        _heading(figure, curve)
        _curve(upper, curve)
        _dates(lower, curve)
        _today(upper, lower, curve)
        quiet = {"Date": None} if file.suffix == ".svg" else {}
        figure.savefig(file, dpi=160, metadata={"Title": curve.title, **quiet})


def _heading(figure: Figure, curve: BottleCurve) -> None:
    figure.text(0.085, 0.952, curve.title, fontsize=15, fontweight="bold", color=INK, va="center")
    age = () if curve.effective_age_years is None else (f"effective age {curve.effective_age_years:.1f} years",)
    figure.text(0.085, 0.9, "  \u00b7  ".join((*curve.facts, *age)), fontsize=9.5, color=FAINT, va="center")


def _curve(axes: Axes, curve: BottleCurve) -> None:
    years, phases = fraction_of_year(curve.days), curve.phases
    width = years[-1] - years[0]
    for number, phase in enumerate(PHASES):
        inside = np.flatnonzero(phases == number)
        if not len(inside):
            continue
        # One point further on, so that neighbours meet.
        part = slice(inside[0], min(inside[-1] + 2, len(years)))
        strength = 0.9 if phase == "peak" else 0.75
        axes.fill_between(years[part], curve.chance[part], color=FILLS[phase], alpha=strength, linewidth=0)
        first, last = years[inside[0]], years[min(inside[-1] + 1, len(years) - 1)]
        if last - first > NARROWEST_NAME * width:
            weight = "bold" if phase == curve.phase else "normal"
            axes.text((first + last) / 2, 1.045, phase, ha="center", va="bottom", fontsize=9.5, color=NAMES[phase], fontweight=weight)
        axes.plot(
            [first, last],
            [1.03, 1.03],
            color=FILLS[phase] if phase in ("early", "peak", "late") else "#d8d0d3",
            lw=3,
            solid_capstyle="butt",
        )
    axes.plot(years, curve.chance, color=CURVE, lw=2.2, solid_joinstyle="round", zorder=4)
    axes.set_ylim(0, TOP)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.set_ylabel("chance that it is in its window", color=FAINT, fontsize=9)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=RULE, lw=0.8)
    axes.tick_params(axis="both", length=0, labelbottom=False, labelcolor=FAINT, labelsize=9)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    _heat(axes, curve)


def _heat(axes: Axes, curve: BottleCurve) -> None:
    """A mark for each stretch of heat, and what the dearest ones cost."""
    dear = sorted(curve.heat, key=lambda event: -event.months)[:HEAT_NAMED]
    for event in curve.heat:
        middle = float(fraction_of_year((event.from_day + event.to_day) / 2))
        axes.plot(middle, HEAT_AT, "^", color=HEAT, ms=6, mec="white", mew=0.8, zorder=6)
        if event in dear and event.months >= LEAST_MONTHS:
            axes.annotate(
                f"+{event.months:.1f} months", (middle, HEAT_AT), (6, 0), textcoords="offset points",
                ha="left", va="center", fontsize=8, color=HEAT, zorder=6,
                bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.8},
            )  # fmt: skip


def _dates(axes: Axes, curve: BottleCurve) -> None:
    points, lows, highs = (fraction_of_year(row) for row in curve.dates)
    first, last = fraction_of_year(curve.days[[0, -1]])
    for number, name in enumerate(DATES):
        color = NAMES["peak"] if name.startswith("peak") else INK
        axes.plot([lows[number], highs[number]], [number, number], color=color, lw=1.6, alpha=0.45, solid_capstyle="round")
        for end in (lows[number], highs[number]):
            axes.plot([end, end], [number - 0.17, number + 0.17], color=color, lw=1.6, alpha=0.45)
        axes.plot(points[number], number, "o", color=color, ms=5.5, zorder=5)
        day = calendar_day(int(curve.dates[0, number]))
        # Beside the whisker, on the side that has room.
        on_the_right = min(highs[number], last) < first + 0.84 * (last - first)
        where, side = (min(highs[number], last), 8) if on_the_right else (max(lows[number], first), -8)
        axes.annotate(
            f"{day:%b %Y}", (where, number), (side, 0), textcoords="offset points",
            ha="left" if on_the_right else "right", va="center", fontsize=9, color=color,
        )  # fmt: skip
    axes.set_yticks(range(len(DATES)), [LABELS[name] for name in DATES])
    axes.set_ylim(len(DATES) - 0.45, -0.6)
    axes.set_xlim(first, last)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda year, _: f"{math.floor(year + 0.5)}"))
    axes.tick_params(axis="both", length=0, labelcolor=FAINT, labelsize=9)
    axes.grid(axis="x", color=RULE, lw=0.8)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _today(upper: Axes, lower: Axes, curve: BottleCurve) -> None:
    first, last = fraction_of_year(curve.days[[0, -1]])
    now = float(fraction_of_year(curve.as_of))
    if not first <= now <= last:
        return
    for axes, top in ((upper, 1.0), (lower, len(DATES))):
        axes.plot([now, now], [0 if axes is upper else -0.6, top], color=INK, lw=1.1, ls=(0, (2, 2)), zorder=6)
    if curve.chance_now is None:
        return
    upper.plot(now, curve.chance_now, "o", color="white", mec=INK, mew=1.6, ms=7, zorder=7, clip_on=False)
    on_the_left = now > first + 0.72 * (last - first)
    upper.annotate(
        f"{calendar_day(curve.as_of):%d %b %Y}\n{curve.phase}, {100 * curve.chance_now:.0f} %",
        (now, curve.chance_now), (-10 if on_the_left else 10, 10 if curve.chance_now < 0.8 else -24), textcoords="offset points",
        ha="right" if on_the_left else "left", va="center", fontsize=9, color=INK, fontweight="bold", zorder=8,
        bbox={"boxstyle": "round,pad=0.3", "fc": "white", "ec": RULE, "alpha": 0.92},
    )  # fmt: skip
