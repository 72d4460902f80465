"""The command `cellar tonight`."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellar_shared.display import Reporter
from cellar_shared.errors import BadInput

if TYPE_CHECKING:
    from cellar_tonight.buying import Buying
    from cellar_tonight.reading import ExportRead
    from cellar_tonight.standings import Home
    from cellar_tonight.taste import Tastes


def tonight(
    export: Annotated[list[Path], typer.Argument(help="The export's files (tab or CSV), or the folder that holds them.")],
    as_of: Annotated[str | None, typer.Option("--as-of", help="The evening's day (2026-12-24); today where it is not said.")] = None,
    food: Annotated[str | None, typer.Option("--food", help="What is eaten: 'roast lamb', 'oysters', 'blue cheese and nuts'.")] = None,
    location: Annotated[str | None, typer.Option("--location", help="Only bottles that lie there: part of a location or bin.")] = None,
    guests: Annotated[int, typer.Option("--guests", min=0, max=200, help="How many people besides you.")] = 0,
    report: Annotated[Path | None, typer.Option("--report", help="Write the whole evening as one HTML file.")] = None,
    results: Annotated[Path | None, typer.Option("--csv", help="Write a row per bottle, with the export's own keys.")] = None,
    drinkability: Annotated[Path | None, typer.Option("--drinkability", help="A drinkability bundle: curves for every bottle.")] = None,
    preference: Annotated[
        Path | None, typer.Option("--preference", help="A preference bundle, with --store: the chance that you like each wine.")
    ] = None,
    recommender: Annotated[Path | None, typer.Option("--recommender", help="A recommender bundle, with --store: what to buy next.")] = None,
    store: Annotated[
        str | None, typer.Option("--store", help="With --preference or --recommender: lmdb://DIR or redis://.. of materialize.")
    ] = None,
    catalogue: Annotated[
        Path | None, typer.Option("--catalogue", help="With --store: its data folder, to know your wines there by name.")
    ] = None,
    celsius: Annotated[float | None, typer.Option("--celsius", min=-10, max=45, help="How warm your cellar is, over a year.")] = None,
    amplitude: Annotated[float, typer.Option("--amplitude", min=0, max=30, help="How far summer and winter lie from that.")] = 0.0,
    years: Annotated[int, typer.Option("--years", min=1, max=40, help="How many years the plan looks ahead.")] = 10,
    bottles_a_year: Annotated[
        int | None, typer.Option("--bottles-a-year", min=1, max=5000, help="How many you open in a year; else what the stock asks for.")
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave bad rows of the export out and count them.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")] = False,
) -> None:
    """Say which bottle to open tonight and why, out of what a member of CellarTracker exported; nothing is sent or kept.

    Windows are your own, then the community's, then a bundle's; without a bundle a wine of which nobody states a window is left open.
    """
    import msgspec

    from cellar_tonight.building import Asked, evening_of
    from cellar_tonight.evening import Wish
    from cellar_tonight.plan_terms import PlanTerms
    from cellar_tonight.reading import read
    from cellar_tonight.report.page import write_report
    from cellar_tonight.results import write_results
    from cellar_tonight.terminal import shown

    now = datetime.now(UTC)
    day = _day(as_of) or now.date()
    if catalogue is not None and store is None:
        raise BadInput("--catalogue says how a bundle's wines are called; add --preference or --recommender, and --store, or leave it out")
    if (preference is None and recommender is None) != (store is None):
        raise BadInput(
            "--preference or --recommender, and --store belong together: a bundle, and the store of the catalogue that it learnt from"
        )
    reporter = Reporter(as_json)
    with reporter.counting("reading the export") as tell:
        exported = read(export, round(now.timestamp() * 1_000_000), skip_bad=skip_bad, progress=tell)
    with reporter.counting("asking how far you will like them"):
        past_day = day if as_of is not None and day < now.date() else None
        tastes, buying = _asked(exported, preference, recommender, store, catalogue, past_day)
    terms = PlanTerms(bottles_a_year=bottles_a_year, from_day=day)
    wish, home = Wish(food, location, guests), _home(celsius, amplitude)
    asked = Asked(day, as_of is not None, wish, home, years, terms, drinkability)
    with reporter.counting("choosing and planning"):
        evening = evening_of(exported, asked, tastes, buying)
    written = {}
    if report is not None:
        write_report(evening, report)
        written["report"] = str(report)
    if results is not None:
        write_results(evening, exported.bottles, results)
        written["csv"] = str(results)
    if as_json:
        reporter.result(msgspec.to_builtins(evening) | {"written": written}, "")
        return
    _print(shown(evening))
    for path in written.values():
        reporter.say(f"written: {path}")


def _print(what: object) -> None:
    from rich.console import Console

    Console().print(what)


def _asked(
    exported: ExportRead,
    preference: Path | None,
    recommender: Path | None,
    store: str | None,
    catalogue: Path | None,
    past_day: date | None,
) -> tuple[Tastes, Buying | None]:
    """How far the member will like what they have, and what to buy, each where a bundle says it."""
    from cellar_tonight.taste import Model, by_model, by_scores

    scores = by_scores(exported.wines, exported.ratings)
    if store is None:
        return scores, None
    from cellar_tonight.catalogued import Catalogued

    evening = None if past_day is None else datetime.combine(past_day, time(23, 59, 59), UTC)
    known = Catalogued.of(exported.wines, catalogue)
    tastes = scores
    if preference is not None:
        tastes = by_model(Model(preference, store), exported.wines, exported.ratings, known, evening)
    if recommender is None:
        return tastes, None
    from cellar_tonight.buying import to_buy

    return tastes, to_buy(Model(recommender, store), exported.bottles, exported.ratings, known, catalogue, evening)


def _home(celsius: float | None, amplitude: float) -> Home:
    import numpy as np

    from cellar_shared.ageing.storage import places_of_waves
    from cellar_tonight.standings import Home

    if celsius is None:
        if amplitude:
            raise BadInput("--amplitude says how far seasons lie from --celsius; add --celsius, or leave it out")
        return Home()
    return Home(places_of_waves(np.array([celsius]), np.array([amplitude]))[0])


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"--as-of {text!r} is no day; write it as 2026-12-24") from None
