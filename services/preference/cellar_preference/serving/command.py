"""The command `cellar serve preference`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellar_shared.service.command import ServeOptions, run_service, with_serve_options

if TYPE_CHECKING:
    from cellar_shared.service.contract import ScoringService


@with_serve_options(port=8081)
def serve(
    bundle: Annotated[Path, typer.Option("--bundle", help="The bundle to serve.")],
    store: Annotated[str, typer.Option("--store", help="lmdb://DIR or redis://HOST:PORT/DB?generations=DIR, as materialize wrote it.")],
    options: ServeOptions,
    prediction_log: Annotated[
        Path | None, typer.Option("--prediction-log", help="Folder for a row per wine answered; also CELLAR_PREDICTION_LOG.")
    ] = None,
) -> None:
    """Answer POST /score with one bundle on the store's current generation, until Ctrl-C or SIGTERM."""

    def build() -> ScoringService:
        from cellar_preference.serving.service import PreferenceService
        from cellar_shared.store.opening import open_store
        from cellar_shared.telemetry.predictions import PredictionSettings

        return PreferenceService(bundle, open_store(store), predictions=PredictionSettings.from_environment(prediction_log))

    run_service("preference", build, options)
