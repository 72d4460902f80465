"""A made evening for the report's tests and pictures: invented estates, plausible windows by physics; `python sample.py OUT.html`."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from cellar_drinkability.showing.bottle_curve import day_number
from cellar_shared.ageing.curve import PHASES, Curves, phase_of
from cellar_shared.ageing.storage import DAYS_PER_YEAR
from cellar_tonight.evening import (
    Because,
    DrinkPlan,
    Evening,
    Line,
    LotPace,
    Pick,
    Place,
    Planned,
    Section,
    Source,
    Standing,
    Suggestion,
    Taste,
    Why,
    Window,
    Wine,
    Wish,
)  # fmt: skip
from cellar_tonight.report.page import write_report

AS_OF = date(2026, 11, 25)
YEARS = tuple(range(2026, 2038))
NOTHING_KNOWN = Standing(None, None, None, None, None, None, None, None)

# Place, name's end, type, colour, country, region, years from the vintage at which its window begins and how long it lasts, price.
STYLES = (
    ("Ch\u00e2teau", "", "Red", "Red", "France", "Bordeaux", 8, 14, 62),
    ("Domaine", "1er Cru", "Red", "Red", "France", "Bourgogne", 6, 9, 88),
    ("Domaine", "Vieilles Vignes", "White", "White", "France", "Bourgogne", 3, 6, 54),
    ("Maison", "Brut", "White - Sparkling", "White", "France", "Champagne", 3, 8, 58),
    ("Domaine", "Syrah", "Red", "Red", "France", "Rh\u00f4ne Valley", 6, 12, 46),
    ("Tenuta", "Riserva", "Red", "Red", "Italy", "Toscana", 6, 11, 39),
    ("Cantina", "Nebbiolo", "Red", "Red", "Italy", "Piemonte", 9, 15, 55),
    ("Bodegas", "Gran Reserva", "Red", "Red", "Spain", "Rioja", 9, 12, 34),
    ("Weingut", "Riesling Auslese", "White - Sweet/Dessert", "White", "Germany", "Mosel", 8, 20, 36),
    ("Weingut", "Riesling Trocken", "White", "White", "Germany", "Rheingau", 4, 9, 28),
    ("Quinta do", "Vintage", "Red - Fortified", "Red", "Portugal", "Porto", 16, 30, 72),
    ("Domaine", "Ros\u00e9", "Ros\u00e9", "Ros\u00e9", "France", "Provence", 1, 2, 19),
    ("Ktima", "Assyrtiko", "White", "White", "Greece", "Santorini", 2, 6, 24),
)
FIRST = ("Ba", "Ca", "Dor", "Fel", "Gra", "Ka", "Lo", "Mar", "Nes", "Pel", "Ro", "Sal", "Tor", "Val", "Ver", "Bel", "Cor", "Mon")
MIDDLE = ("", "da", "le", "mi", "no", "ra", "si", "to", "va", "ri", "li")
LAST = ("beau", "can", "dero", "guez", "lan", "mont", "nella", "pas", "rac", "sano", "tis", "vigne", "zen", "brae", "dorf", "lis")
LOCATIONS = (("Cellar", "A"), ("Cellar", "B"), ("Kitchen rack", ""), ("Wine fridge", "Shelf "))


def sample_evening(lines: int = 84, seed: int = 20) -> Evening:
    """A collector's evening with so many lines; about one in fourteen has no window."""
    rng = np.random.default_rng(seed)
    made = tuple(_line(number, rng) for number in range(lines))
    ready = sorted(
        (number for number, line in enumerate(made) if line.section == "open" and line.wine.type == "Red"),
        key=lambda number: -(made[number].standing.drinkability or 0) * (made[number].taste.chance or 0.6),
    )
    return Evening(
        as_of=AS_OF,
        export_day=date(2026, 11, 24),
        wish=Wish("braised lamb", "the cellar", 2),
        years=YEARS,
        lines=made,
        picks=tuple(_pick(made, number, rank) for rank, number in enumerate(ready[:4])),
        plan=_plan(made, rng),
        pace=tuple(_pace(made[number], rng) for number in range(0, lines, 3) if made[number].window.first),
        sources=(
            Source("List.csv", "bottles", 402, 391, 9, 2), Source("Notes.csv", "tastings", 218, 217, 1, 0),
            Source("Consumed.csv", "bottles", 640, 640, 0, 0), Source("Availability.csv", "pace", 84, 84, 0, 0),
        ),
        models=("drinkability 2026-10-02", "preference 2026-11-01"),
        notes=(
            "Two rows of List.csv have no wine: they were refused.",
            "No place\u2019s temperatures are known but the wine fridge\u2019s: the others are taken as 13 \u00b0C.",
        ),
        to_buy=tuple(_suggestion(number, rng) for number in range(10)),
    )  # fmt: skip


def _line(number: int, rng: np.random.Generator) -> Line:
    place, end, kind, colour, country, region, begin, length, price = STYLES[int(rng.integers(len(STYLES)))]
    estate = f"{place} {rng.choice(FIRST)}{rng.choice(MIDDLE)}{rng.choice(LAST)}"
    is_non_vintage = "Sparkling" in kind and rng.random() < 0.5
    age = int(rng.integers(1, round(begin + 1.15 * length)))
    vintage = 0 if is_non_vintage else AS_OF.year - age
    size_ml = int(rng.choice([750, 750, 750, 750, 750, 375, 1500]))
    wine = Wine(f"w{number}", str(1000 + number), f"{estate} {end}".strip(), estate, vintage, kind, colour, country, region)
    bottles = int(rng.choice([1, 1, 2, 2, 3, 4, 6, 6, 12]))
    standing, window = _standing(vintage, begin, length, size_ml, rng)
    return Line(
        wine=wine,
        size_ml=size_ml,
        bottles=bottles,
        awaited=int(rng.choice([0] * 12 + [6])),
        places=_places(bottles, rng),
        window=window,
        standing=standing,
        taste=_taste(rng),
        section=_section(standing),
        value=None if rng.random() < 0.08 else round(float(price * rng.lognormal(0, 0.3) * (size_ml / 750) ** 1.1), 2),
        currency="EUR" if rng.random() < 0.85 else "GBP",
        bottle_ids=tuple(f"b{number}-{each}" for each in range(bottles)),
    )


def _standing(vintage: int, begin: int, length: int, size_ml: int, rng: np.random.Generator) -> tuple[Standing, Window]:
    if vintage == 0:
        says = "Non-vintage, and the export does not say when it came: its age is not known."
        return replace(NOTHING_KNOWN, reason="non_vintage_undated", says=says), Window(None, None, None)
    if rng.random() < 0.04:
        says = "Nobody stated a window, and the model does not know the wine."
        return replace(NOTHING_KNOWN, reason="wine_unknown", says=says), Window(None, None, None)
    first, last = vintage + begin + int(rng.integers(-1, 2)), vintage + begin + length + int(rng.integers(-2, 3))
    warmth = 1.0 if rng.random() < 0.7 else 0.88  # where it is warm all comes earlier
    begins, ends = (math.log(warmth * max(year - vintage, 0.6)) for year in (first, last + 1))
    curve = Curves(*(np.array([value]) for value in (begins, 0.16, max(ends, begins + 0.1), 0.17)))
    points, lows, highs = ([_day(vintage, math.exp(log_age)) for log_age in ends[:, 0]] for ends in curve.landmarks())

    def chance(when: date) -> float:
        return float(curve.drinkability(np.array([(when - date(vintage, 1, 1)).days / DAYS_PER_YEAR]))[0])

    phase = PHASES[int(phase_of(day_number(AS_OF), np.array([day_number(each) for each in points])))]
    standing = Standing(
        phase=phase,
        drinkability=chance(AS_OF),
        ready_from=points[0],
        peak_from=points[1],
        peak_to=points[2],
        drink_by=points[3],
        drink_by_lo=lows[3],
        drink_by_hi=highs[3],
        by_year=tuple(chance(date(year, 7, 1)) for year in YEARS),
        next_year=chance(AS_OF.replace(year=AS_OF.year + 1)),
        reason=None if rng.random() < 0.7 else "storage_unknown",
    )
    if standing.reason:
        standing = replace(standing, says="Nobody says where it lies: taken as 13 \u00b0C.")
    return standing, Window(first, last, str(rng.choice(["personal", "community", "community", "critic"])))


def _day(vintage: int, age_years: float) -> date:
    return date(vintage, 1, 1) + timedelta(days=round(age_years * DAYS_PER_YEAR))


def _places(bottles: int, rng: np.random.Generator) -> tuple[Place, ...]:
    if rng.random() < 0.04:
        return ()
    location, bins = LOCATIONS[int(rng.integers(len(LOCATIONS)))]
    where = f"{bins}{int(rng.integers(1, 9))}" if bins else None
    if bottles > 5 and rng.random() < 0.4:
        return (Place("Cellar", "C4", bottles - 2), Place("Kitchen rack", None, 2))
    return (Place(location, where, bottles),)


def _taste(rng: np.random.Generator) -> Taste:
    drawn = rng.random()
    if drawn < 0.65:
        return Taste(float(rng.beta(6, 2.5)), "preference", community_score=float(rng.integers(86, 97)))
    if drawn < 0.8:
        return Taste(None, "own", own_score=float(rng.integers(84, 98)))
    return Taste(None, "community", community_score=float(rng.integers(85, 96))) if drawn < 0.93 else Taste(None, None)


def _section(standing: Standing) -> Section:
    if standing.phase is None:
        return "unknown"
    if standing.phase in ("late", "past") or (standing.drink_by and (standing.drink_by - AS_OF).days < 200):
        return "at_risk"
    return "leave" if standing.phase == "hold" else "open"


def _pick(lines: tuple[Line, ...], number: int, rank: int) -> Pick:
    line = lines[number]
    whys = (
        Why("phase", "It is at its best this year and falls off from the next.", 1.34),
        Why("food", "Lamb asks for a red of this weight; you gave the last two 93 and 94.", 1.21),
        Why("stock", f"You have {line.bottles} of it, so that opening one leaves no gap.", 1.08),
        Why("scarce", "It is a wine that you buy seldom, and what you had of it in May is gone.", 0.94),
    )
    return Pick(number, 0.92 - 0.07 * rank, 1, whys[: 4 - rank % 2])


def _plan(lines: tuple[Line, ...], rng: np.random.Generator) -> DrinkPlan:
    due = sorted((n for n, line in enumerate(lines) if line.standing.by_year), key=lambda n: lines[n].standing.drink_by or AS_OF)
    occasions = ("everyday", "everyday", "guests", "Christmas", "birthday")
    planned = []
    for place, number in enumerate(due):
        line, year = lines[number], YEARS[place * 5 // len(due)]
        enjoyment = line.standing.by_year[year - YEARS[0]] * (line.taste.chance or 0.7)
        planned.append(Planned(number, year, str(rng.choice(occasions)), min(line.bottles, 3), enjoyment))
    enjoyment = sum(each.bottles * each.enjoyment for each in planned)
    notes = ("At Christmas only bottles of your own score 90 or more are planned.",)
    return DrinkPlan(YEARS[:5], 36, tuple(planned), enjoyment, 0.83 * enjoyment, "optimal", 0.0, 121, notes)


def _suggestion(number: int, rng: np.random.Generator) -> Suggestion:
    place, end, kind, colour, country, region, _, _, price = STYLES[(5 * number) % len(STYLES)]
    name = f"{place} {rng.choice(FIRST)}{rng.choice(LAST)} {end}".strip()
    wine = Wine(f"b{number}", None, name, None, None, kind, colour, country, region if number % 4 else None)
    if number == 8:  # of which nothing is known but its id
        return Suggestion(Wine("b8", None, "b8", None, None, None, None, None, None), None, None, None, ())
    whys = (
        Because("close_to_taste", "Closer to your taste than most.", 1.2),
        Because("region_liked", f"You liked 4 of 5 wines from {region}.", 0.31),
        Because("price_higher", "Its price is higher than that of the wines you like.", -0.08),
    )
    return Suggestion(
        wine, float(rng.beta(8, 2)), price * float(rng.uniform(0.8, 1.3)), "EUR" if number % 3 else None, whys[: 3 - number % 2]
    )


def _pace(line: Line, rng: np.random.Generator) -> LotPace:
    consumed, linear = int(rng.integers(0, 7)), float(rng.normal(0.8, 2.4))
    return LotPace(line.wine, line.bottles + consumed, consumed, {"linear": linear, "bell": linear * 0.8, "early": linear + 1.2})


if __name__ == "__main__":
    write_report(sample_evening(), Path(sys.argv[1]))
