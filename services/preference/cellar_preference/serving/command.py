"""The command `cellar serve preference`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cellar_shared.display import Reporter


def serve(
    bundle: Annotated[Path, typer.Option("--bundle", help="The bundle to serve.")],
    store: Annotated[str, typer.Option("--store", help="lmdb://DIR, as `cellar materialize` wrote it.")],
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one and says which.")] = 8081,
    host: Annotated[str, typer.Option("--host", help="Keep it on loopback: no key is asked for.")] = "127.0.0.1",
    prediction_log: Annotated[
        Path | None, typer.Option("--prediction-log", help="Folder for a row per wine answered; also CELLAR_PREDICTION_LOG.")
    ] = None,
) -> None:
    """Answer POST /score with one bundle on the store's current generation, until Ctrl-C or SIGTERM."""
    from cellar_preference.serving.service import PreferenceService
    from cellar_shared.service.app import build_app
    from cellar_shared.service.server import serve as run
    from cellar_shared.store.generation import store_path
    from cellar_shared.telemetry.predictions import PredictionSettings

    reporter = Reporter()
    service = PreferenceService(bundle, store_path(store), predictions=PredictionSettings.from_environment(prediction_log))
    run(
        build_app(service),
        host,
        port,
        on_listening=lambda host, port: reporter.say(f"preference listens on http://{host}:{port} (POST /score, /docs)"),
    )
