"""The command `cellar serve recommender`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellar_shared.service.command import ServeOptions, run_service, with_serve_options

if TYPE_CHECKING:
    from cellar_shared.service.contract import ScoringService


@with_serve_options(port=8082)
def serve(
    bundle: Annotated[Path, typer.Option("--bundle", help="The bundle to serve.")],
    store: Annotated[str, typer.Option("--store", help="lmdb://DIR or redis://HOST:PORT/DB?generations=DIR, as materialize wrote it.")],
    options: ServeOptions,
    rules: Annotated[Path | None, typer.Option("--rules", help="A file of business rules: boost, bury, pin, cap.")] = None,
    prediction_log: Annotated[
        Path | None, typer.Option("--prediction-log", help="Folder for a row per wine answered; also CELLAR_PREDICTION_LOG.")
    ] = None,
) -> None:
    """Answer POST /score with one bundle on the store's current generation and lists, until Ctrl-C or SIGTERM."""
    from cellar_recommender.serving.rules import NO_RULES, read_rules

    # Read before anything listens: a rule that cannot be followed is told at once, not by a service that never gets ready.
    shop = NO_RULES if rules is None else read_rules(rules)

    def build() -> ScoringService:
        from cellar_recommender.serving.service import RecommenderService
        from cellar_shared.store.opening import open_store
        from cellar_shared.telemetry.predictions import PredictionSettings

        predictions = PredictionSettings.from_environment(prediction_log)
        return RecommenderService(bundle, open_store(store), predictions=predictions, rules=shop)

    run_service("recommender", build, options)
