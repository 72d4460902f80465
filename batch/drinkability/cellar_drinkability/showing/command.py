"""The command `cellar curve`."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellar_shared.display import Reporter
from cellar_shared.errors import BadInput, CellarError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellar_drinkability.showing.bottle_curve import BottleCurve
    from cellar_shared.ageing.heat import HeatEvent


def curve(
    night: Annotated[Path | None, typer.Option("--night", help="The folder of a night: show a curve of its table curves.")] = None,
    wine: Annotated[str | None, typer.Option("--wine", help="With --night: the wine_id.")] = None,
    storage: Annotated[str | None, typer.Option("--storage", help="With --night: the storage_id, where bottles lie in several.")] = None,
    vintage: Annotated[int | None, typer.Option("--vintage", help="The year of the vintage; with --night also 0 for non-vintage.")] = None,
    size: Annotated[
        int | None, typer.Option("--size", min=50, max=30000, help="Content of the bottle, ml; 750 where it is not said.")
    ] = None,
    ready: Annotated[int | None, typer.Option("--ready", help="Without --night: the first year of a window that was stated.")] = None,
    drink_by: Annotated[int | None, typer.Option("--drink-by", help="Without --night: its last year, that whole year within.")] = None,
    celsius: Annotated[float | None, typer.Option("--celsius", min=-10, max=45, help="How warm its place is, over a year.")] = None,
    amplitude: Annotated[float, typer.Option("--amplitude", min=0, max=30, help="How far summer and winter lie from that.")] = 0.0,
    trace: Annotated[Path | None, typer.Option("--trace", help="How warm it was: a CSV of time,temperature (UTC, Celsius).")] = None,
    since: Annotated[str | None, typer.Option("--since", help="The day it came there (2020-01-31); before, it lay at 13 degrees.")] = None,
    sparkling: Annotated[bool, typer.Option("--sparkling", help="It is sparkling: large bottles keep it longer still.")] = False,
    as_of: Annotated[str | None, typer.Option("--as-of", help="The day to look from (2026-06-30); today where it is not said.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="What to call it.")] = None,
    svg: Annotated[Path | None, typer.Option("--svg", help="Draw it into this file as well.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Draw it into this file as well.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a picture.")] = False,
) -> None:
    """Show when a bottle is ready, at its best and past it: from a night's curves, or from a stated window and where it lies."""
    from cellar_drinkability.showing.bottle_curve import facts_of

    day = _day("--as-of", as_of) or datetime.now(UTC).date()
    came = _day("--since", since)
    if night is not None:
        if ready is not None or drink_by is not None or celsius is not None or trace is not None:
            raise BadInput("--night brings its own windows and places; leave out --ready, --drink-by, --celsius and --trace, or --night")
        found = _of_night(night, wine, storage, vintage, size, came, day, title)
    else:
        if wine is not None or storage is not None:
            raise BadInput("--wine and --storage choose a curve of a night; say which with --night OUT")
        found = _of_statement(vintage, ready, drink_by, celsius, amplitude, trace, came, size or 750, sparkling, day, title)
    for file, ending in ((svg, ".svg"), (png, ".png")):
        if file is not None:
            _draw(found, file, ending)
    if as_json:
        Reporter(as_json).result(facts_of(found), "")
    else:
        from rich.console import Console

        from cellar_drinkability.showing.terminal import picture

        Console(highlight=False).print(picture(found))


def _of_night(
    night: Path,
    wine: str | None,
    storage: str | None,
    vintage: int | None,
    size: int | None,
    came: date | None,
    day: date,
    title: str | None,
) -> BottleCurve:
    from cellar_drinkability.showing.night_rows import Wanted, of_row, row_of

    if wine is None:
        raise BadInput("--night: which wine? Say its wine_id with --wine")
    return of_row(row_of(night, Wanted(wine, vintage, size, storage, came)), day, title)


def _of_statement(
    vintage: int | None,
    ready: int | None,
    drink_by: int | None,
    celsius: float | None,
    amplitude: float,
    trace: Path | None,
    came: date | None,
    size: int,
    sparkling: bool,
    day: date,
    title: str | None,
) -> BottleCurve:
    from cellar_drinkability.showing.bottle_curve import Stated, day_number, of_statement
    from cellar_shared.ageing.heat import heat_events
    from cellar_shared.ageing.storage import UNKNOWN_PLACE, place_of_trace, place_of_wave
    from cellar_shared.events.moments import MICROSECONDS_PER_DAY, moment_of
    from cellar_shared.events.sources.traces import Manner, read_trace

    if vintage is None or ready is None or drink_by is None:
        raise BadInput("say a stated window with --vintage, --ready and --drink-by (years), or a night's curve with --night and --wine")
    if not 1700 <= vintage <= ready <= drink_by <= 2300:
        raise BadInput(f"--vintage {vintage} --ready {ready} --drink-by {drink_by}: expected years in this order, from 1700 to 2300")
    if trace is not None and celsius is not None:
        raise BadInput("--trace and --celsius both say how warm it is; leave out one")
    place, warmth = UNKNOWN_PLACE, "13 \u00b0C"
    heat: Sequence[HeatEvent] = ()
    if trace is not None:
        read = read_trace(trace, Manner(), now=moment_of(datetime.now(UTC)))
        readings = read["at"].dt.epoch("us").to_numpy() / MICROSECONDS_PER_DAY, read["temperature_c"].to_numpy()
        place, heat = place_of_trace(*readings), heat_events(*readings)
        warmth = f"{len(readings[0]):,} readings, {readings[1].min():.0f} to {readings[1].max():.0f} \u00b0C"
    elif celsius is not None:
        place = place_of_wave(celsius, amplitude)
        warmth = f"{celsius:g} \u00b0C" + (f" \u00b1 {amplitude:g}" if amplitude else "")
    came_there = f" since {came:%b %Y}" if came else ""
    facts = (f"stated {ready} to {drink_by}", f"{size:,} ml" + (" sparkling" if sparkling else ""), f"{warmth}{came_there}")
    stated = Stated(vintage, ready, drink_by, size, sparkling, place, float(day_number(came)) if came else math.nan)
    return of_statement(stated, title or f"A wine of {vintage}", facts, day, heat)


def _draw(found: BottleCurve, file: Path, ending: str) -> None:
    if file.suffix.lower() != ending:
        raise BadInput(f"--{ending[1:]} {file}: the name must end in {ending}")
    try:
        from cellar_drinkability.showing.chart import draw
    except ModuleNotFoundError as missing:
        raise CellarError(
            f"SVG and PNG need {missing.name}, which this installation leaves out: install cellar-drinkability[charts]; "
            "the terminal and --json need nothing more"
        ) from None
    try:
        draw(found, file)
    except OSError as error:
        raise BadInput(f"--{ending[1:]} {file}: cannot be written ({error.strerror}); name a file in a folder that is there") from None


def _day(option: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{option} {text!r} is no day; expected one such as 2026-06-30") from None
