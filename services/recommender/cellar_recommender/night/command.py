"""The command `cellar score recommender`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cellar_shared.display import Reporter


def score(
    bundle: Annotated[Path, typer.Option("--bundle", help="The recommender's bundle.")],
    data: Annotated[Path, typer.Option("--data", help="The data folder whose members get lists: tables ratings, bottles, preferences.")],
    store: Annotated[str, typer.Option("--store", help="lmdb://DIR or redis://HOST:PORT/DB?generations=DIR, as materialize wrote it.")],
    out: Annotated[Path, typer.Option("--out", help="The folder of lists as Parquet; the same one every night.")],
    max_age_days: Annotated[float, typer.Option("--max-age-days", min=0, help="Lists older than this are computed anew.")] = 7.0,
    error_threshold: Annotated[
        int, typer.Option("--error-threshold", min=0, help="Members that may be set aside before the exit status says so.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")] = False,
) -> None:
    """Compute what each member is to be offered to buy, 50 wines, and bring the lists into use; running services take them up."""
    from datetime import UTC, datetime

    import msgspec

    from cellar_recommender.night.night import run_night
    from cellar_shared.errors import CellarError
    from cellar_shared.events.moments import moment_of
    from cellar_shared.store.opening import open_store

    reporter = Reporter(as_json)
    manifest = run_night(
        bundle,
        data,
        open_store(store),
        out,
        now=moment_of(datetime.now(UTC)),
        max_age_days=max_age_days,
        aside_most=error_threshold,
        watch=reporter.measuring,
        say=reporter.say,
    )
    reporter.result(msgspec.to_builtins(manifest), f"{manifest.text()}\n{manifest.seconds:.1f} s")
    if len(manifest.set_aside) > error_threshold:
        raise CellarError(
            f"{len(manifest.set_aside):,} members were set aside, {error_threshold} may be; the others' lists are in use. "
            "`cellar materialize` writes members anew; run again after it"
        )
