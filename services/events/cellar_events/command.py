"""The command `cellar serve events`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellar_shared.service.command import ServeOptions, run_service, with_serve_options

if TYPE_CHECKING:
    from cellar_shared.service.contract import ScoringService


@with_serve_options(port=8083)
def serve(
    store: Annotated[str, typer.Option("--store", help="lmdb://DIR or redis://HOST:PORT/DB?generations=DIR, as materialize wrote it.")],
    options: ServeOptions,
    data: Annotated[Path | None, typer.Option("--data", help="The data folder whose journal takes events in; needed with lmdb://.")] = None,
    durability: Annotated[
        str | None,
        typer.Option("--durability", help="With Redis: aof (default; its file on disk has them) or replica (a replica has them)."),
    ] = None,
) -> None:
    """Take in what members do by POST /events, so that the next answer knows it, until Ctrl-C or SIGTERM."""

    def build() -> ScoringService:
        from cellar_events.service import EventsService
        from cellar_shared.store.opening import open_store

        return EventsService(open_store(store), data, durability)

    run_service("events", build, options)
