"""The command `cellar bench recommender`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cellar_shared.display import Reporter


def bench(
    wines: Annotated[int, typer.Option("--wines", min=100, help="Wines of the made-up catalogue.")] = 1_000_000,
    members: Annotated[int, typer.Option("--members", min=100, help="Members of the made-up world.")] = 20_000,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Measure this bundle; needs --store.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="Measure on this store's generation; needs --bundle.")] = None,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, help="Searches, each followed by one of faiss Flat; a tenth as many requests a member.")
    ] = 100,
    threads: Annotated[int, typer.Option("--threads", min=0, help="Processor threads to build with; 0 takes all.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Of the made-up worlds.")] = 3,
    work: Annotated[Path | None, typer.Option("--work", help="An empty folder for what is written; else a temporary one.")] = None,
    drawn: Annotated[Path | None, typer.Option("--svg", help="Draw the figures into this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")] = False,
) -> None:
    """Measure a recommender: building and searching its index, one request by stages, memory. Without a bundle all is made up."""
    import tempfile

    import msgspec

    from cellar_recommender.bench.measuring import measure
    from cellar_recommender.bench.picture import picture
    from cellar_shared.errors import BadInput

    if (bundle is None) != (store is None):
        raise BadInput("--bundle and --store belong together; give both, or neither to measure a made-up world")
    if work is not None and work.exists() and any(work.iterdir()):
        raise BadInput(f"{work} is not empty; name an empty folder")
    reporter = Reporter(as_json)
    used = threads or os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as temporary:
        place = work or Path(temporary)
        if bundle is None or store is None:
            from cellar_recommender.bench import world

            bundle, store = world.make_world(
                place,
                wines=wines,
                members=members,
                learnt_wines=world.LEARNT_WINES,
                learnt_members=world.LEARNT_MEMBERS,
                settings=world.SETTINGS,
                seed=seed,
                reporter=reporter,
            )
        report = measure(bundle, store, place, rounds=rounds, threads=used, say=reporter.say)
    if drawn is not None:
        drawn.write_text(picture(report), "utf-8")
    reporter.result(msgspec.to_builtins(report, str_keys=True), report.text())
