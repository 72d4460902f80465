"""Judges the recipe on wineries left out in turn, or a bundle on statements it never saw; `cellar evaluate drinkability` calls it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from cellar_drinkability.scoring.features import FIELDS, WineFacts
from cellar_drinkability.scoring.model import WindowModel, fitted_rows
from cellar_drinkability.training.baselines import boosted_aft, shrunken_medians, variety_medians, weibull_aft
from cellar_drinkability.training.fit import Fitted, Recipe, Step, fit, steps_of, told_by
from cellar_drinkability.training.judge import Contestant, Coverage, coverages, judge
from cellar_drinkability.training.rows import MOST, Rows, read_rows
from cellar_shared.ageing.curve import NARROWEST, Curves
from cellar_shared.display import Reporter
from cellar_shared.errors import BadInput
from cellar_shared.events.tables import DataFolder

Floats = npt.NDArray[np.float64]

FOLDS: Final = 5
MODEL_NAME: Final = "model"
FEW_FACTS: Final = "model, type+country+grape"
NO_CRITIC: Final = "model, no points, no price"
PROCESS: Final = "process behind it"
BASELINES: Final = ("medians by variety", "shrunken medians", "Weibull AFT", "LightGBM AFT")
PROTOCOL: Final = f"""Wineries are dealt into {FOLDS} folds; each fold is answered by what learnt from the others. Statements without a
winery stay together when their facts are equal. A stated start is the first day of its year, a stated end the last day of its year.

Intervals are 95 % bootstraps over wineries. "{FEW_FACTS}" is the model when it is told nothing else of a wine, "{NO_CRITIC}" what a
catalogue mostly knows. "{PROCESS}" is what the network was fitted to, with the network's spreads. Baselines have no spread of their
own: each gets the one that fits its errors on the very rows it is judged on, in its favour.

In-window error and overlap are of statements of both ends; the first is the mean over the first thirty years of life."""


class Evaluation(msgspec.Struct, frozen=True):
    """One run: contestants by name, judged on the same `rows` of `wineries`; `coverage` is the model's, level by level."""

    model: str
    created_at: str
    data: dict[str, Any]
    protocol: str
    rows: int
    starts: int
    ends: int
    wineries: int
    contestants: dict[str, Contestant]
    coverage: list[Coverage]
    seconds: float


def evaluate_recipe(data: Path, recipe: Recipe, *, baselines: bool, threads: int, reporter: Reporter) -> Evaluation:
    """Fit the recipe without each fold of wineries and judge it there, beside the baselines; BadInput when the data is too small."""
    began = time.monotonic()
    torch.set_num_threads(threads)
    folder = DataFolder.open(data)
    rows = read_rows(folder)
    fold = folds_of(rows, recipe.seed)
    names = (MODEL_NAME, PROCESS, NO_CRITIC, FEW_FACTS, *(BASELINES if baselines else ()))
    answers = {name: np.full((4, len(rows)), np.nan) for name in names}
    with reporter.advancing("evaluating", FOLDS * (steps_of(recipe) + 1)) as step:
        for number in range(FOLDS):
            train, test = rows.take(fold != number), fold == number
            for name, found in _answers(train, rows.take(test), recipe, baselines, threads, step).items():
                answers[name][: len(found), test] = found
            step(f"fold {number + 1}")
    contestants = {}
    for name in names:
        windows = _curves(rows, answers[name])
        contestants[name] = judge(rows, windows, recipe.seed)
    return _evaluation(folder, rows, contestants, coverages(rows, _curves(rows, answers[MODEL_NAME])), PROTOCOL, began)


def evaluate_bundle(data: Path, bundle: Path, *, baselines: bool, seed: int, threads: int, say: Callable[[str], None]) -> Evaluation:
    """Judge the bundle on the statements of `data` that it did not learn from; BadInput when none is left.

    With `baselines` the medians and AFTs learn from the statements that the bundle learnt from, where the data holds them.
    """
    began = time.monotonic()
    torch.set_num_threads(threads)
    folder = DataFolder.open(data)
    rows = read_rows(folder)
    model = WindowModel.open(bundle)
    seen = np.isin(rows.digest, fitted_rows(bundle))
    say(f"{int(seen.sum()):,} windows that the bundle was fitted on are left out, {int((~seen).sum()):,} remain")
    asked = rows.take(~seen)
    if not len(asked) or not np.isfinite(asked.ages).any(axis=1).all():
        raise BadInput(f"{bundle} was fitted on every window of {data}; hold wineries out (train --hold-out 20%) or bring other windows")
    facts = model.vocabulary.encode(asked.wines)
    windows = {name: model.of_facts(given) for name, given in _told(facts).items()}
    if baselines and min(np.isfinite(rows.take(seen).ages).sum(axis=1)) > 0:
        windows |= {name: _curves(asked, found) for name, found in _baselines(rows.take(seen), asked, threads).items()}
    contestants = {name: judge(asked, found, seed) for name, found in windows.items()}
    protocol = f"Statements that bundle {model.manifest.version} was not fitted on. Intervals are 95 % bootstraps over wineries."
    return _evaluation(folder, asked, contestants, coverages(asked, windows[MODEL_NAME]), protocol, began)


def folds_of(rows: Rows, seed: int) -> npt.NDArray[np.int64]:
    """Each row's fold; a winery's rows share one."""
    return np.random.default_rng([seed, 2]).permutation(int(rows.winery.max()) + 1)[rows.winery] % FOLDS


def _answers(train: Rows, test: Rows, recipe: Recipe, baselines: bool, threads: int, step: Step) -> dict[str, Floats]:
    fitted: Fitted = fit(train.at_most(MOST, recipe.seed), recipe, step)
    facts = fitted.vocabulary.encode(test.wines)
    found = {name: fitted.answers(given) for name, given in _told(facts).items()}
    begin, end = told_by(fitted.processes, facts)
    found[PROCESS] = np.stack([begin, found[MODEL_NAME][1], end, found[MODEL_NAME][3]])
    return found | (_baselines(train, test, threads) if baselines else {})


def _baselines(train: Rows, test: Rows, threads: int) -> dict[str, Floats]:
    years = (variety_medians(train, test), shrunken_medians(train, test), weibull_aft(train, test), boosted_aft(train, test, threads))
    unknown = np.full(len(test), np.nan)
    return {name: np.stack([np.log(begin), unknown, np.log(end), unknown]) for name, (begin, end) in zip(BASELINES, years, strict=True)}


def _told(facts: WineFacts) -> dict[str, WineFacts]:
    """The same wines with all that is known, without a critic's points and a price, and by type, country and grapes alone."""
    uncriticised = WineFacts(facts.codes, facts.numbers.copy())
    uncriticised.numbers[:, :2] = np.nan
    few = WineFacts(facts.codes.copy(), uncriticised.numbers)
    for field in ("province", "region"):
        few.codes[:, FIELDS.index(field)] = 0
    return {MODEL_NAME: facts, NO_CRITIC: uncriticised, FEW_FACTS: few}


def _curves(rows: Rows, answers: Floats) -> Curves:
    """Windows of (4, rows); spreads that are missing are those that fit the errors: the mean absolute error over 2 log 2."""
    m1, s1, m2, s2 = answers
    scales = []
    for ages, middle, scale in zip(rows.ages, (m1, m2), (s1, s2), strict=True):
        errors = np.abs(np.log(ages) - middle)
        scales.append(np.where(np.isnan(scale), max(float(np.nanmean(errors)) / (2 * np.log(2)), NARROWEST), scale))
    return Curves(m1, scales[0], m2, scales[1])


def _evaluation(
    folder: DataFolder, rows: Rows, contestants: dict[str, Contestant], coverage: list[Coverage], protocol: str, began: float
) -> Evaluation:
    starts, ends = (int(np.isfinite(ages).sum()) for ages in rows.ages)
    return Evaluation(
        model="drinkability",
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        data={"source": folder.manifest.source, "digest": folder.digest()[:12]},
        protocol=protocol,
        rows=len(rows),
        starts=starts,
        ends=ends,
        wineries=len(np.unique(rows.winery)),
        contestants=contestants,
        coverage=coverage,
        seconds=time.monotonic() - began,
    )
