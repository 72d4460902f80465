"""Makes an evening of an export: standings, tastes, lines, the choice, the plan, pace; the command calls it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cellar_drinkability.scoring.model import WindowModel
from cellar_tonight.choice import choose
from cellar_tonight.evening import Evening, Line, Wish
from cellar_tonight.food import Foods
from cellar_tonight.lines import lines_of, wines_of
from cellar_tonight.pacing import export_day, paces_of
from cellar_tonight.plan import plan
from cellar_tonight.plan_terms import PlanTerms
from cellar_tonight.reading import ExportRead
from cellar_tonight.standings import COMMON, Home, standings
from cellar_tonight.taste import Tastes

if TYPE_CHECKING:
    from cellar_tonight.buying import Buying  # which brings the recommender along

OLD_AFTER_DAYS: Final = 60  # an export older than this may hold bottles that are gone (judgement)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a member asks of an evening. `is_dated`: the day was given; pace is then of that day, else of the export's own."""

    as_of: date
    is_dated: bool
    wish: Wish
    home: Home
    years: int
    terms: PlanTerms
    drinkability: Path | None = None


def evening_of(read: ExportRead, asked: Asked, tastes: Tastes, buying: Buying | None = None) -> Evening:
    """The evening, `buying` what to buy where somebody was asked; BadInput or Incompatible for a wish or a bundle that cannot be taken."""
    model = None if asked.drinkability is None else WindowModel.open(asked.drinkability)
    years = tuple(range(asked.as_of.year, asked.as_of.year + asked.years))
    wines = wines_of(read.wines)
    stands = standings(read.bottles, read.wines, asked.as_of, years, asked.home, model)
    lines = tuple(lines_of(read.bottles, stands, wines, tastes.of, asked.as_of))
    picks, choice_notes = choose(lines, asked.wish, asked.as_of, Foods.load())
    said = export_day(read.bottles, read.indices)
    pace_day = asked.as_of if asked.is_dated or said.day is None else said.day
    models = [] if model is None else [f"drinkability {model.manifest.version}"]
    notes = [
        *_age_of(said.day, asked.as_of),
        *([said.says] if said.says else []),
        *choice_notes,
        *tastes.notes,
        *(buying.notes if buying else ()),
        *_common(lines),
        *read.notes,
    ]
    return Evening(
        as_of=asked.as_of,
        export_day=said.day,
        wish=asked.wish,
        years=years,
        lines=lines,
        picks=picks,
        plan=plan(lines, years, asked.terms) if any(line.standing.by_year for line in lines) else None,
        pace=paces_of(read.bottles, wines, pace_day),
        sources=read.sources,
        models=(*models, *([tastes.model] if tastes.model else []), *([buying.model] if buying else [])),
        notes=tuple(notes),
        pace_day=pace_day,
        to_buy=buying.wines if buying else None,
    )


def _age_of(day: date | None, as_of: date) -> list[str]:
    if day is None or (as_of - day).days <= OLD_AFTER_DAYS:
        return []
    return [f"The export is {(as_of - day).days:,} days older than the evening: what was drunk or bought since is not in it."]


def _common(lines: tuple[Line, ...]) -> list[str]:
    """What holds for most of a cellar is said once rather than beside each line."""
    unsaid = sum(line.standing.reason in COMMON for line in lines)
    if not unsaid:
        return []
    return ["How warm the cellar is was not said: 13 °C is taken (--celsius says otherwise)."]
