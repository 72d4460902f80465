"""The commands around the store: `cellar materialize` writes generations, `push` and `drain` bring events in between."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from cellar_shared.display import Reporter

STORE: Final = "lmdb://DIR or redis://HOST:PORT/DB?generations=DIR"


def materialize(
    data: Annotated[Path, typer.Option("--data", help="The data folder.")],
    store: Annotated[str, typer.Option("--store", help=STORE)],
    horizon_days: Annotated[
        int, typer.Option("--horizon-days", min=1, max=36500, help="How far back questions may be asked (as_of).")
    ] = 3650,
    night: Annotated[
        Path | None, typer.Option("--night", help="The --out of a closed `cellar score drinkability`: members' bottles with their dates.")
    ] = None,
    bundle: Annotated[list[Path] | None, typer.Option("--bundle", help="Build this bundle's index ahead (may be given again).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")] = False,
) -> None:
    """Write a generation (wines, running counts, members) and make it the store's current one."""
    from cellar_shared.store import indexes
    from cellar_shared.store import materialize as work
    from cellar_shared.store.opening import open_store

    reporter = Reporter(as_json)
    opened = open_store(store)

    def build_indexes(generation_id: str) -> None:
        for path in bundle or ():
            indexes.build_ahead(path, opened, generation_id, reporter.say)

    manifest = work.materialize(data, opened, horizon_days=horizon_days, night=night, ahead=build_indexes, say=reporter.say)
    reporter.result(
        {
            "store": store,
            "generation": manifest.id,
            "wines": manifest.wines,
            "members": manifest.members,
            "ratings": manifest.ratings,
            "night": manifest.night,
            "bottles": manifest.bottles,
        },
        f"{store}: generation {manifest.id} of {manifest.wines:,} wines, {manifest.members:,} members, {manifest.ratings:,} ratings"
        + (f", {manifest.bottles:,} bottles as of {manifest.night}" if manifest.night else ""),
    )


def push(
    events: Annotated[Path, typer.Argument(help="A file of events, one JSON object a line; - reads standard input.")],
    data: Annotated[Path, typer.Option("--data", help="The data folder, whose journal takes them in.")],
    store: Annotated[str, typer.Option("--store", help=STORE)],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")] = False,
) -> None:
    """Take events in, so that the next answer knows them. Pushing the same file again changes nothing."""
    from cellar_shared.errors import BadInput
    from cellar_shared.store import pushing
    from cellar_shared.store.opening import open_store

    reporter = Reporter(as_json)
    if str(events) != "-" and not events.is_file():
        raise BadInput(f"{events} is no file; name a file of events, one JSON object a line, or - for standard input")
    with reporter.counting("pushing") as tell, sys.stdin.buffer if str(events) == "-" else events.open("rb") as lines:
        pushed = pushing.push(lines, data, open_store(store), tell=tell)
    facts: dict[str, int] = {**dict(pushed.counts.items()), "refused": len(pushed.refused)}
    reporter.result(facts, f"{data}: " + ", ".join(f"{count:,} {name}" for name, count in facts.items()))
    wrong = [*pushed.refused, *(f"event {event_id} is known with other content; the first one stays" for event_id in pushed.conflicts)]
    if wrong:
        more = f"\n... and {len(wrong) - pushing.REFUSALS_SHOWN:,} more" if len(wrong) > pushing.REFUSALS_SHOWN else ""
        raise BadInput(f"{len(wrong):,} of the events were not taken in:\n" + "\n".join(wrong[: pushing.REFUSALS_SHOWN]) + more)


def drain(
    data: Annotated[Path, typer.Option("--data", help="The data folder, whose journal takes them in.")],
    store: Annotated[str, typer.Option("--store", help="redis://HOST:PORT/DB?generations=DIR")],
    once: Annotated[bool, typer.Option("--once", help="Bring what is there and end.")] = False,
) -> None:
    """Bring what events services accepted from the Redis stream into the data's journal, until Ctrl-C or SIGTERM."""
    from cellar_shared.store.draining import drain as work
    from cellar_shared.store.opening import open_store

    work(data, open_store(store), is_once=once, say=Reporter().say)


def bench_store(
    store: Annotated[str, typer.Option("--store", help="redis://HOST:PORT/DB?generations=DIR")],
    members: Annotated[int, typer.Option("--members", min=1, help="How many members to make up.")] = 100_000,
    ratings: Annotated[int, typer.Option("--ratings", min=0, help="Ratings of each.")] = 30,
    items: Annotated[int, typer.Option("--items", min=0, max=255, help="Wines in each member's list.")] = 50,
    wines: Annotated[int, typer.Option("--wines", min=1, help="Wines in the catalogue.")] = 100_000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")] = False,
) -> None:
    """Measure what a member costs in a Redis and in lists: write made-up ones beside what is there, measure, delete them."""
    import resource

    import msgspec

    from cellar_shared.store import bench
    from cellar_shared.store.opening import open_store

    reporter = Reporter(as_json)
    report = bench.bench_store(open_store(store), members=members, ratings=ratings, items=items, wines=wines, say=reporter.say)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    facts = {**msgspec.to_builtins(report), "own_peak_bytes": peak}
    reporter.result(facts, f"{report.text()}; this process took {peak / 2**20:.0f} MiB at most")
