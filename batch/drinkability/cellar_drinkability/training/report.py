"""Shows an evaluation: a table for a terminal, evaluation.json, and one page with pictures that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from cellar_drinkability.training.evaluate import MODEL_NAME, Evaluation
from cellar_drinkability.training.judge import MEASURES
from cellar_shared.durable import write_durably
from cellar_shared.evaluation.estimate import Estimate
from cellar_shared.evaluation.page import page
from cellar_shared.evaluation.picture import picture_of
from cellar_shared.evaluation.wording import number

SHORT: Final = {
    "start_mae": "start MAE", "end_mae": "end MAE", "end_mae_both": "end, both", "start_concordance": "conc. start",
    "end_concordance": "conc. end", "start_coverage": "cov. start", "end_coverage": "cov. end", "brier": "Brier", "iou": "IoU",
    "impossible": "impossible", "before_start": "< start",
}  # fmt: skip
PICTURED: Final = ("start_mae", "end_mae", "brier", "iou")


def write(evaluation: Evaluation, folder: Path) -> None:
    """Write evaluation.json and evaluation.html into `folder` (made if missing), each whole or not at all."""
    write_durably(folder / "evaluation.json", msgspec.json.format(msgspec.json.encode(evaluation), indent=2) + b"\n")
    write_durably(folder / "evaluation.html", page_of(evaluation).encode())


def table_of(evaluation: Evaluation) -> str:
    """Contestants by measures for a terminal, the intervals below each line, then the errors by kind of statement."""
    contestants = evaluation.contestants
    width = max(len(name) for name in (*contestants, "contestant")) + 2
    lines = [
        f"{evaluation.rows:,} statements of {evaluation.wineries:,} wineries: {evaluation.starts:,} starts, {evaluation.ends:,} ends",
        "".join(["contestant".ljust(width), *(SHORT[measure].rjust(13) for measure in MEASURES)]),
    ]
    for name, found in contestants.items():
        lines.append("".join([name.ljust(width), *(number(found.measures[measure].value, 3).rjust(13) for measure in MEASURES)]))
        lines.append("".join([" " * width, *(_interval(found.measures[measure]).rjust(13) for measure in MEASURES)]))
    kinds = list(dict.fromkeys(kind for found in contestants.values() for kind in found.by_kind))
    lines += ["", "".join(["MAE by kind, years".ljust(width), *(kind.rjust(18) for kind in kinds)])]
    counts = next(iter(contestants.values())).by_kind
    lines.append("".join(["  statements".ljust(width), *(f"{counts[kind][1]:,}".rjust(18) for kind in kinds)]))
    lines += [
        "".join([name.ljust(width), *(number(found.by_kind[kind][0].value, 2).rjust(18) for kind in kinds)])
        for name, found in contestants.items()
    ]
    return "\n".join(lines)


def page_of(evaluation: Evaluation) -> str:
    """The evaluation as one HTML document: pictures and style inside, no script, nothing fetched, all text escaped."""
    return page(
        "cellar_drinkability.training",
        evaluation=evaluation,
        measures=MEASURES,
        short=SHORT,
        model=MODEL_NAME,
        pictures={
            measure: picture_of({name: found.measures[measure] for name, found in evaluation.contestants.items()}) for measure in PICTURED
        },
        kinds=list(next(iter(evaluation.contestants.values())).by_kind),
        sides=sorted({each.side for each in evaluation.coverage}, reverse=True),
    )


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{number(estimate.low, 3)}-{number(estimate.high, 3)}"
