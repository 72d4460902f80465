"""The command `cellar materialize`: from a data folder to the generation that serving opens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cellar_shared.display import Reporter


def materialize(
    data: Annotated[Path, typer.Option("--data", help="The data folder.")],
    store: Annotated[str, typer.Option("--store", help="lmdb://DIR or redis://HOST:PORT/DB?generations=DIR")],
    horizon_days: Annotated[
        int, typer.Option("--horizon-days", min=1, max=36500, help="How far back questions may be asked (as_of).")
    ] = 3650,
    bundle: Annotated[list[Path] | None, typer.Option("--bundle", help="Build this bundle's index ahead (may be given again).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")] = False,
) -> None:
    """Write a generation (wines, running counts, members) and make it the store's current one."""
    from cellar_shared.store import indexes
    from cellar_shared.store import materialize as work
    from cellar_shared.store.opening import open_store

    reporter = Reporter(as_json)
    opened = open_store(store)
    manifest = work.materialize(data, opened, horizon_days=horizon_days, say=reporter.say)
    for path in bundle or ():
        indexes.build_ahead(path, opened, reporter.say)
    reporter.result(
        {
            "store": store,
            "generation": manifest.id,
            "wines": manifest.wines,
            "members": manifest.members,
            "ratings": manifest.ratings,
        },
        f"{store}: generation {manifest.id} of {manifest.wines:,} wines, {manifest.members:,} members, {manifest.ratings:,} ratings",
    )
