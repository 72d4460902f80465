"""What the demo learns: a bundle of each model, by its own training with its own recipe, and a night by the third; the line calls it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

from cellar_drinkability.scoring.night import run_night
from cellar_drinkability.training import fit as windows
from cellar_drinkability.training.train import train as train_windows
from cellar_preference.training import learn as liking
from cellar_preference.training.fit import Recipe
from cellar_preference.training.train import train as train_liking
from cellar_recommender.training import learn as recommending
from cellar_recommender.training.train import train as train_recommending
from cellar_shared.bundle.manifest import BundleManifest
from cellar_shared.display import Reporter

HOLD_OUT_DAYS: Final = 30  # the models are asked about what they have not seen
WRITING: Final = 3  # steps after learning: exported, golden cases, opened again


def learn_preference(data: Path, bundle: Path, threads: int, reporter: Reporter) -> BundleManifest:
    """Learn who will like what, and write the bundle."""
    recipe = Recipe()
    with reporter.advancing("training", liking.steps_of(recipe) + WRITING) as step:
        manifest = train_liking(data, bundle, hold_out_days=HOLD_OUT_DAYS, recipe=recipe, threads=threads, step=step)
    metrics = manifest.metrics["calibration"]
    reporter.say(
        f"preference {manifest.version}: {manifest.facts['rows']:,} ratings through {manifest.trained_through}; "
        f"on its calibration rows ECE {metrics['ece']:.4f}, noise floor {metrics['ece_noise_floor']:.4f}"
    )
    return manifest


def learn_recommender(data: Path, bundle: Path, preference: Path, threads: int, reporter: Reporter) -> BundleManifest:
    """Learn what to propose and in which order, and write the bundle; `preference` goes into it, so that both say one percentage."""
    settings = recommending.Settings()
    with reporter.advancing("training", recommending.steps_of(settings) + WRITING) as step:
        manifest = train_recommending(
            data, bundle, hold_out_days=HOLD_OUT_DAYS, settings=settings, threads=threads, step=step, preference=preference
        )
    reporter.say(f"recommender {manifest.version}: {manifest.facts['likes']:,} likes of {manifest.facts['members']:,} members")
    return manifest


def score_night(data: Path, work: Path, day: date, threads: int, reporter: Reporter) -> Path:
    """Learn from critics how wines age, score every bottle for `day`, and say where the night lies."""
    bundle, nights = work / "drinkability", work / "nights"
    recipe = windows.Recipe()
    with reporter.advancing("training", windows.steps_of(recipe) + WRITING) as step:
        manifest = train_windows(data, bundle, hold_out=0.0, recipe=recipe, threads=threads, step=step)
    reporter.say(f"drinkability {manifest.version}: {manifest.facts['rows']:,} windows of {manifest.facts['wineries']:,} wineries")
    report = run_night(data, bundle, nights, day, workers=threads, watch=reporter.measuring, say=reporter.say)
    if report.manifest is not None:
        reporter.say(report.manifest.text())
    return nights
