"""The commands `cellar train recommender` and `cellar evaluate recommender`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cellar_shared.display import Reporter

Data = Annotated[Path, typer.Option("--data", help="The data folder.")]
Threads = Annotated[int, typer.Option("--threads", min=0, help="Processor threads to use; 0 takes all.")]
Epochs = Annotated[int, typer.Option("--epochs", min=1, help="At most so many passes of the towers.")]
Rounds = Annotated[int, typer.Option("--rounds", min=1, help="Trees of the ranker.")]
Notes = Annotated[bool, typer.Option("--notes/--no-notes", help="Read tasting notes, where the data has some.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]


def train(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="The bundle to write; must not exist.")],
    hold_out: Annotated[str, typer.Option("--hold-out", help="Leave the last days out of learning, e.g. 30d.")] = "0d",
    epochs: Epochs = 6,
    preference: Annotated[
        Path | None, typer.Option("--preference", help="A preference bundle to pack in: answers then say the chance of a like.")
    ] = None,
    notes: Notes = True,
    rounds: Rounds = 240,
    seed: Annotated[int, typer.Option("--seed")] = 20,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Learn a recommender from liked wines and write it as a bundle."""
    from cellar_recommender.training import learn
    from cellar_recommender.training import train as work
    from cellar_recommender.training.fit import Recipe
    from cellar_shared.evaluation.days import days_of

    reporter = Reporter(as_json)
    settings = learn.Settings(Recipe(epochs=epochs, seed=seed), rounds)
    with reporter.advancing("training", learn.steps_of(settings) + 3) as step:
        manifest = work.train(
            data,
            out,
            hold_out_days=days_of(hold_out),
            settings=settings,
            threads=threads or os.cpu_count() or 1,
            step=step,
            preference=preference,
            with_notes=notes,
        )
    reporter.result(
        {"bundle": str(out), "version": manifest.version, "trained_through": manifest.trained_through, "metrics": manifest.metrics},
        f"{out}: recommender {manifest.version}, learnt from {manifest.facts['likes']:,} likes through {manifest.trained_through}",
    )


def evaluate(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Folder for evaluation.json.")],
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Judge this bundle on likes it did not learn from.")] = None,
    baselines: Annotated[bool, typer.Option("--baselines/--no-baselines", help="Judge the baselines beside it.")] = True,
    ablations: Annotated[bool, typer.Option("--ablations/--no-ablations", help="Judge it without its parts as well.")] = False,
    notes: Notes = True,
    split: Annotated[list[str] | None, typer.Option("--split", help="Only these splits (may be given again).")] = None,
    epochs: Epochs = 6,
    rounds: Rounds = 240,
    seed: Annotated[int, typer.Option("--seed", help="Of learning and of resampling; the splits stay the same.")] = 20,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Judge the recipe on splits of the data's own past, beside simple baselines; or one bundle on likes it never saw."""
    from cellar_recommender.training.evaluate import evaluate_bundle, evaluate_recipe
    from cellar_recommender.training.evaluation.report import table_of, write
    from cellar_recommender.training.fit import Recipe
    from cellar_recommender.training.learn import Settings
    from cellar_shared.errors import BadInput

    reporter = Reporter(as_json)
    settings = Settings(Recipe(epochs=epochs, seed=seed), rounds)
    if bundle is not None and (split or ablations or not notes):
        raise BadInput(
            "--split, --ablations, --no-notes are about the recipe; a bundle is judged on whatever it was not fitted on: leave them out"
        )
    if bundle is not None:
        evaluation = evaluate_bundle(data, bundle, baselines=baselines, seed=seed, say=reporter.say)
    else:
        used = threads or os.cpu_count() or 1
        evaluation = evaluate_recipe(
            data,
            settings,
            only=tuple(split or ()),
            baselines=baselines,
            ablations=ablations,
            threads=used,
            reporter=reporter,
            with_notes=notes,
        )
    write(evaluation, out)
    reporter.result({"out": str(out), "splits": [verdict.name for verdict in evaluation.splits]}, table_of(evaluation))
