"""The commands `cellar train drinkability` and `cellar evaluate drinkability`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from cellar_shared.display import Reporter
from cellar_shared.errors import BadInput

Data = Annotated[Path, typer.Option("--data", help="The data folder, with table windows.")]
Threads = Annotated[int, typer.Option("--threads", min=0, help="Processor threads to use; 0 takes all.")]
Seed = Annotated[int, typer.Option("--seed")]
Networks = Annotated[int, typer.Option("--networks", min=1, help="Networks whose answers are averaged.")]
LearnScales = Annotated[bool, typer.Option("--learn-scales", help="Learn anew how much each likeness counts; takes minutes.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]


def train(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="The bundle to write; must not exist.")],
    hold_out: Annotated[str, typer.Option("--hold-out", help="Leave a share of the wineries out of learning, e.g. 20%.")] = "0%",
    networks: Networks = 1,
    learn_scales: LearnScales = False,
    seed: Seed = 20,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Learn drinking windows from critics' statements and write the model as a bundle."""
    from cellar_drinkability.training import train as work
    from cellar_drinkability.training.fit import Recipe, steps_of

    reporter = Reporter(as_json)
    recipe = Recipe(networks=networks, seed=seed, learn_scales=learn_scales)
    share = share_of(hold_out)
    with reporter.advancing("training", steps_of(recipe) + 3) as step:
        manifest = work.train(data, out, hold_out=share, recipe=recipe, threads=threads or os.cpu_count() or 1, step=step)
    reporter.result(
        {"bundle": str(out), "version": manifest.version, "metrics": manifest.metrics},
        f"{out}: drinkability {manifest.version}, {manifest.facts['rows']:,} windows of {manifest.facts['wineries']:,} wineries",
    )


def evaluate(
    data: Data,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for evaluation.json and evaluation.html.")] = None,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Judge this bundle on windows it did not learn from.")] = None,
    baselines: Annotated[bool, typer.Option("--baselines/--no-baselines", help="Judge the baselines beside it.")] = True,
    networks: Networks = 1,
    learn_scales: LearnScales = False,
    seed: Seed = 20,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Judge the recipe on wineries left out in turn, beside simple baselines; or one bundle on windows it never saw."""
    import msgspec

    from cellar_drinkability.training.evaluate import evaluate_bundle, evaluate_recipe
    from cellar_drinkability.training.fit import Recipe
    from cellar_drinkability.training.report import table_of, write

    reporter = Reporter(as_json)
    threads = threads or os.cpu_count() or 1
    if bundle is not None:
        evaluation = evaluate_bundle(data, bundle, baselines=baselines, seed=seed, threads=threads, say=reporter.say)
    else:
        recipe = Recipe(networks=networks, seed=seed, learn_scales=learn_scales)
        evaluation = evaluate_recipe(data, recipe, baselines=baselines, threads=threads, reporter=reporter)
    if out is not None:
        write(evaluation, out)
    reporter.result(msgspec.to_builtins(evaluation), table_of(evaluation))


def share_of(text: str) -> float:
    """The share that `text` says, a percentage such as 20%; BadInput for anything else and for 100 and more."""
    found = re.fullmatch(r"(\d{1,2}(?:\.\d+)?)\s*%", text.strip())
    if found is None:
        raise BadInput(f"--hold-out {text!r} is no share of wineries; write a percentage below 100, for example 20%")
    return float(found[1]) / 100
