"""The command `cellar demo`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cellar_shared.display import Reporter


def demo(
    data: Annotated[Path | None, typer.Option("--data", help="An X-Wines release or a data folder; else a made-up world.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop after the answers instead of staying up.")] = False,
    work: Annotated[Path, typer.Option("--work", help="Folder for what the demo makes; emptied first.")] = Path("run/demo"),
    threads: Annotated[int, typer.Option("--threads", min=0, help="0 takes all.")] = 0,
) -> None:
    """Ratings and cellars in, three trained models, a night, a generation, two services, honest answers over HTTP."""
    from cellar_deploy.demo.line import run_line

    run_line(data, work, is_once=once, threads=threads or os.cpu_count() or 1, reporter=Reporter())
