"""The command `cellar labels drinkability`: which labels have come for past nights, and what they say of them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cellar_shared.display import Reporter


def labels(
    data: Annotated[Path, typer.Option("--data", help="The data folder whose table outcomes says what was found.")],
    night: Annotated[Path, typer.Option("--night", help="The folder of nights: the --out of `cellar score drinkability`.")],
    out: Annotated[Path | None, typer.Option("--out", help="Write the joined labels to this Parquet file.")] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="Count labels recorded up to this day; else the last there is.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")] = False,
) -> None:
    """Join what was found in opened bottles to what the night before had said; show how long labels take and whether they agree."""
    from cellar_drinkability.labelling.report import labels_report

    reporter = Reporter(as_json)
    report = labels_report(data, night, until.date() if until else None, say=reporter.say)
    if out is not None:
        report.write(out)
    reporter.result(report.facts(), report.text())
