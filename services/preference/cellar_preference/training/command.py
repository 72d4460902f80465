"""The commands `cellar train preference` and `cellar evaluate preference`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cellar_shared.display import Reporter

Data = Annotated[Path, typer.Option("--data", help="The data folder.")]
Threads = Annotated[int, typer.Option("--threads", min=0, help="Processor threads to use; 0 takes all.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]


def train(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="The bundle to write; must not exist.")],
    hold_out: Annotated[str, typer.Option("--hold-out", help="Leave the last days out of learning, e.g. 30d.")] = "0d",
    networks: Annotated[int, typer.Option("--networks", min=1, help="Networks whose logits are averaged.")] = 1,
    epochs: Annotated[int, typer.Option("--epochs", min=1)] = 5,
    seed: Annotated[int, typer.Option("--seed")] = 20,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Learn a preference model from rated wines and write it as a bundle."""
    from cellar_preference.training import learn
    from cellar_preference.training import train as work
    from cellar_preference.training.fit import Recipe
    from cellar_shared.evaluation.days import days_of

    reporter = Reporter(as_json)
    recipe = Recipe(networks=networks, epochs=epochs, seed=seed)
    with reporter.advancing("training", learn.steps_of(recipe) + 3) as step:
        manifest = work.train(data, out, hold_out_days=days_of(hold_out), recipe=recipe, threads=threads or os.cpu_count() or 1, step=step)
    reporter.result(
        {"bundle": str(out), "version": manifest.version, "trained_through": manifest.trained_through, "metrics": manifest.metrics},
        f"{out}: preference {manifest.version}, learnt from {manifest.facts['rows']:,} ratings through {manifest.trained_through}",
    )


def evaluate(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Folder for evaluation.json and evaluation.html.")],
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Judge this bundle on rows it did not learn from.")] = None,
    baselines: Annotated[bool, typer.Option("--baselines/--no-baselines", help="Judge the baselines beside it.")] = True,
    split: Annotated[list[str] | None, typer.Option("--split", help="Only these splits (may be given again).")] = None,
    networks: Annotated[int, typer.Option("--networks", min=1)] = 1,
    epochs: Annotated[int, typer.Option("--epochs", min=1)] = 5,
    seed: Annotated[int, typer.Option("--seed", help="Of learning and of resampling; the splits stay the same.")] = 20,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Judge the recipe on splits of the data's own past, beside simple baselines; or one bundle on rows it never saw."""
    from cellar_preference.training.evaluate import evaluate_bundle, evaluate_recipe, one_line
    from cellar_preference.training.evaluation.report import write
    from cellar_preference.training.fit import Recipe
    from cellar_shared.errors import BadInput

    reporter = Reporter(as_json)
    recipe = Recipe(networks=networks, epochs=epochs, seed=seed)
    if bundle is not None and split:
        raise BadInput(
            "--split is about the recipe's own splits; a bundle is judged on whatever it was not fitted on: leave one of the two out"
        )
    if bundle is not None:
        evaluation = evaluate_bundle(data, bundle, seed=seed, say=reporter.say)
    else:
        evaluation = evaluate_recipe(
            data, recipe, only=tuple(split or ()), baselines=baselines, threads=threads or os.cpu_count() or 1, reporter=reporter
        )
    write(evaluation, out)
    reporter.result(
        {"out": str(out), "splits": [verdict.name for verdict in evaluation.splits]},
        "\n".join(f"{verdict.name}: {one_line(verdict)}" for verdict in evaluation.splits),
    )
