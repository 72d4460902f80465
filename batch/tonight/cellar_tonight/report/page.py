"""Makes the report of an evening: one HTML document with its style and charts inside, no script, nothing fetched, all text escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from itertools import groupby, pairwise
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cellar_drinkability.scoring.pace_styles import PAST_PENALTY
from cellar_drinkability.showing.terminal import SAYS
from cellar_shared.durable import write_durably
from cellar_shared.errors import BadInput
from cellar_tonight.evening import DrinkPlan, Evening, Line, Planned
from cellar_tonight.report import figures, wording
from cellar_tonight.report.charts import spark
from cellar_tonight.report.charts_windows import Map, has_window, journey, window_map
from cellar_tonight.report.clean import cleaned
from cellar_tonight.report.tally import reasons

PACKAGE: Final = "cellar_tonight.report"
PICKS_SHOWN: Final = 7  # tonight's bottle and two rows of others, before the rest is folded
ROWS_SHOWN: Final = 12  # of a table, before the rest is folded
SPANS_SHOWN: Final = 40  # rows of the map, likewise; the folded ones come in sheets of
SPANS_A_SHEET: Final = 100

Numbered = tuple[int, Line]


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the cellar as a table."""

    name: str
    title: str
    lead: str
    empty: str
    lines: list[Numbered]

    @property
    def bottles(self) -> int:
        """Bottles of all its lines."""
        return sum(line.bottles for _, line in self.lines)


SECTIONS: Final = (
    ("open", "Open now", "Within their window today, the likeliest first.", "Nothing stands in its window today."),
    ("at_risk", "At risk", "Soonest due first: open these before they fade.", "No bottle is at risk. Nothing hurries."),
    ("leave", "Leave", "Better later, or with time to spare: the likeliest first.", "There is no bottle that wants to be left alone."),
)


def page(evening: Evening) -> str:
    """The HTML document of an evening. The same evening makes the same page."""
    evening = cleaned(evening)
    style = files(PACKAGE).joinpath("style.css").read_text("utf-8")
    plan = evening.plan
    lines = evening.lines
    return _environment().get_template("report.html.j2").render(
        evening=evening,
        style=Markup(style),  # noqa: S704  our own file
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        sections=[Section(*words, evening.of_section(words[0])) for words in SECTIONS],
        unknown=reasons(evening, is_unknown=True),
        granted=reasons(evening, is_unknown=False),
        bottles=sum(line.bottles for line in lines),
        awaited=sum(line.awaited for line in lines),
        journey=journey("tonight-chart", lines[evening.picks[0].line], evening.as_of, evening.years) if evening.picks else None,
        due=figures.due_figure(evening),
        standings=figures.standings_figure(evening),
        maps=_maps(lines, evening.as_of),
        worth=figures.worth_figures(evening),
        plan_figure=figures.plan_figure(plan) if plan else None,
        plan_years=_plan_years(plan) if plan else [],
        pace_styles=list(dict.fromkeys(style for lot in evening.pace for style in lot.by_style)),
        pace=sorted(evening.pace, key=lambda lot: (-next(iter(lot.by_style.values()), 0.0), lot.wine.label)),
        is_charged=any(index >= PAST_PENALTY for lot in evening.pace for index in lot.by_style.values()),
        window_sources=figures.window_sources(evening),
        export_day=figures.stands_from(evening),
    )  # fmt: skip


def write_report(evening: Evening, path: Path) -> None:
    """Write the page as a file that is there whole or not at all; BadInput where it cannot be written."""
    made = page(evening).encode()
    try:
        write_durably(path, made)
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror}); name a file in a folder that you may write to") from error


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(PACKAGE, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (
        wording.count, wording.day, wording.decimal, wording.interval, wording.kind, wording.long_day, wording.money, wording.month,
        wording.percent, wording.sentence, wording.signed, wording.size, wording.taste, wording.wished,
    )  # fmt: skip
    environment.filters.update({each.__name__: each for each in filters}, spark=spark)
    environment.globals.update(says=SAYS, rows_shown=ROWS_SHOWN, picks_shown=PICKS_SHOWN, past_penalty=PAST_PENALTY)
    return environment


def _maps(lines: Sequence[Line], as_of: date) -> list[Map]:
    """The map of windows, most urgent first, in sheets with an axis each; the first is the one to be shown."""
    drawn = sorted(
        ((number, line) for number, line in enumerate(lines) if has_window(line)),
        key=lambda each: (each[1].standing.drink_by or date.max, each[1].wine.label, each[0]),
    )
    edges = [0, *range(SPANS_SHOWN, len(drawn), SPANS_A_SHEET), len(drawn)] if drawn else []
    return [window_map(number, drawn[start:end], as_of) for number, (start, end) in enumerate(pairwise(edges))]


def _plan_years(plan: DrinkPlan) -> list[tuple[int, list[Planned]]]:
    """What is planned by year, in the order of the occasions as planned."""
    planned = sorted(plan.planned, key=lambda each: each.year)
    by_year = {year: list(each) for year, each in groupby(planned, key=lambda each: each.year)}
    return [(year, by_year.get(year, [])) for year in sorted({*plan.years, *by_year})]
