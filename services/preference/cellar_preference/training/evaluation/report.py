"""Writes an evaluation as evaluation.json and as one page that needs nothing else; called by `evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from cellar_preference.training.evaluation.charts import place_forest, place_reliability
from cellar_preference.training.evaluation.judge import PAIRED
from cellar_preference.training.evaluation.verdict import Evaluation, SplitVerdict
from cellar_shared.durable import write_durably
from cellar_shared.evaluation.estimate import Estimate
from cellar_shared.evaluation.page import page
from cellar_shared.evaluation.wording import number

TITLES: Final = {
    "auc": "AUC",
    "within_member_auc": "AUC within members",
    "log_loss": "Log loss",
    "brier": "Brier",
    "bias": "Bias",
}
HIGHER_IS_BETTER: Final = ("auc", "within_member_auc")
LOWER_IS_BETTER: Final = ("log_loss", "brier")


def write(evaluation: Evaluation, folder: Path) -> None:
    """Write evaluation.json and evaluation.html into `folder` (made if missing), each whole or not at all."""
    write_durably(folder / "evaluation.json", msgspec.json.format(msgspec.json.encode(evaluation), indent=2) + b"\n")
    write_durably(folder / "evaluation.html", page_of(evaluation).encode())


def summary_lines(evaluation: Evaluation) -> list[str]:
    """The evaluation for a terminal: under each split's heading a line per contestant with log loss and AUC."""
    lines = []
    for split in evaluation.splits:
        lines.append(f"{split.title} ({split.rows:,} rows, {split.members:,} members, {split.wines:,} wines)")
        width = max(len(name) for name in split.contestants)
        for name, found in split.contestants.items():
            loss, auc = _with_interval(found.log_loss), _with_interval(found.auc)
            lines.append(f"  {name:<{width}}  log loss {loss}  AUC {auc}")
    return lines


def _with_interval(estimate: Estimate) -> str:
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"


def page_of(evaluation: Evaluation) -> str:
    """The evaluation as one HTML document: pictures and style inside, no script, nothing fetched, all text escaped."""
    return page(
        "cellar_preference.training.evaluation",
        evaluation=evaluation,
        names=list(dict.fromkeys(name for split in evaluation.splits for name in split.contestants)),
        titles=TITLES,
        best={(i, metric): best(split, metric) for i, split in enumerate(evaluation.splits) for metric in TITLES},
        forests=[_forests(split) for split in evaluation.splits],
        place_reliability=place_reliability,
    )


def _forests(split: SplitVerdict) -> list[Any]:
    return [place_forest(metric, split.differences) for metric in PAIRED] if split.differences else []


def best(split: SplitVerdict, metric: str) -> Sequence[str]:
    """Who has the split's best value of `metric`: none where only one competes or the metric has no better end."""
    values = {}
    for name, contestant in split.contestants.items():
        estimate = getattr(contestant, metric)
        if isinstance(estimate, Estimate) and estimate.value is not None:
            values[name] = estimate.value
    if len(values) < 2 or metric not in HIGHER_IS_BETTER + LOWER_IS_BETTER:
        return ()
    wanted = max(values.values()) if metric in HIGHER_IS_BETTER else min(values.values())
    return tuple(name for name, value in values.items() if value == wanted)
