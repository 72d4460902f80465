"""The command `cellar data simulate`: makes a world up and writes it as a data folder."""

from __future__ import annotations

from typing import Annotated

import typer

from cellar_shared.display import Reporter
from cellar_shared.events.command import Json, Out, Replace


def simulate(
    members: Annotated[int, typer.Option(help="How many members.")],
    wines: Annotated[int, typer.Option(help="How many wines.")],
    seed: Annotated[int, typer.Option(help="Equal seeds and sizes give equal bytes.")],
    out: Out,
    family: Annotated[str, typer.Option(help="The shape of the world; a wrong name lists the families there are.")] = "base",
    ratings_per_member: Annotated[float, typer.Option(help="Mean length of a history.")] = 13.0,
    bottles: Annotated[int, typer.Option(help="How many bottles lie, or lay, in members' cellars.")] = 0,
    windows: Annotated[int, typer.Option(help="How many drinking windows critics have stated.")] = 0,
    ageing: Annotated[
        str, typer.Option(help="How the wines age; a wrong name lists the ways. held-out: for a model's final check.")
    ] = "classic",
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Make up a world of wines, members, ratings and notes, with the true chance behind every rating in table truth.

    With --bottles and --windows it has cellars too: storage, bottles, outcomes and critics' windows, and how every wine
    truly ages in table truth_ageing.
    """
    from cellar_shared.events.simulate.cellars.settings import CellarSettings
    from cellar_shared.events.simulate.cellars.writing import steps_of
    from cellar_shared.events.simulate.settings import WorldSettings
    from cellar_shared.events.simulate.world import MEMBERS_PER_RUN, simulate_world

    settings = WorldSettings(members, wines, seed, family, ratings_per_member)
    cellars = CellarSettings(bottles, windows, ageing)
    reporter = Reporter(as_json)
    with reporter.advancing("simulating", -(-members // MEMBERS_PER_RUN) + steps_of(cellars)) as step:
        report = simulate_world(settings, out, cellars=cellars, replace=replace, progress=step)
    reporter.result(
        {
            "out": str(out),
            "family": family,
            "wines": report.wines,
            "members": members,
            "ratings": report.ratings,
            "notes": report.notes,
            "mean_chance": report.mean_chance,
        }
        | ({"ageing": ageing} | report.cellars if report.cellars else {}),
        f"{out}: {report.wines:,} wines, {members:,} members, {report.ratings:,} ratings (mean chance of a like {report.mean_chance:.3f}), "
        f"{report.notes:,} notes" + "".join(f", {rows:,} {table}" for table, rows in report.cellars.items()),
    )
