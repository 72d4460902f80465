"""The commands `cellar score drinkability` and `cellar bench drinkability`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cellar_shared.display import Reporter

Bundle = Annotated[Path, typer.Option("--bundle", help="The drinkability bundle.")]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Processes that work on parts, a thread each.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]


class StepName(StrEnum):
    """One step of the night."""

    curves = "curves"
    score = "score"
    close = "close"


class EngineName(StrEnum):
    """What hands parts to processes."""

    local = "local"
    daft = "daft"


def score(
    bundle: Bundle,
    data: Annotated[Path, typer.Option("--data", help="The data folder: tables bottles, storage, wines.")],
    out: Annotated[Path, typer.Option("--out", help="The folder of nights; the same one every night.")],
    as_of: Annotated[datetime, typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day for which bottles are scored.")],
    workers: Workers = 2,
    error_threshold: Annotated[
        int, typer.Option("--error-threshold", min=0, help="Parts that may be set aside before the exit status says so.")
    ] = 0,
    step: Annotated[StepName | None, typer.Option("--step", help="Only this step of curves, score, close.")] = None,
    engine: Annotated[
        EngineName, typer.Option("--engine", help="local processes, or Daft on the cluster of its own settings.")
    ] = EngineName.local,
    previous: Annotated[
        Path | None, typer.Option("--previous", help="The --out of the night to compare with; else the last one here or beside it.")
    ] = None,
    keep: Annotated[int, typer.Option("--keep", min=1, help="Nights whose files stay.")] = 7,
    as_json: Json = False,
) -> None:
    """Score every bottle of every cellar for one day: where it stands on its ageing curve, and its dates."""
    import msgspec

    from cellar_drinkability.scoring import night, pool
    from cellar_shared.errors import CellarError

    if engine is EngineName.daft:
        from cellar_drinkability.scoring.daft_engine import run as running
    else:
        running = pool.run
    reporter = Reporter(as_json)
    steps = night.STEPS if step is None else (step.value,)
    report = night.run_night(
        data,
        bundle,
        out,
        as_of.date(),
        steps=steps,
        workers=workers,
        engine=running,
        previous=previous,
        keep=keep,
        watch=reporter.measuring,
        say=reporter.say,
    )
    manifest = report.manifest
    rates = ", ".join(f"{name} {report.seconds[name]:.1f} s" for name in report.seconds)
    facts = {"out": str(out), **report.facts(), "night": msgspec.to_builtins(manifest) if manifest else None}
    reporter.result(facts, f"{manifest.text()}\n{rates}" if manifest else f"{out}: {rates}")
    if len(report.set_aside) > error_threshold:
        shown = "; ".join(f"{each.part}: {each.error}" for each in report.set_aside[:5])
        raise CellarError(
            f"{len(report.set_aside)} parts were set aside, {error_threshold} may be: {shown}. The others stand; mend and run again"
        )


def bench(
    rows: Annotated[int, typer.Option("--rows", min=1, help="Bottles.")] = 20_000_000,
    wines: Annotated[int, typer.Option("--wines", min=1, help="Wines in the catalogue.")] = 200_000,
    sizes: Annotated[str, typer.Option("--sizes", help="More numbers of bottles to show time and memory of: 2000000,100000000.")] = "",
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Measure with this bundle; else arithmetic stands in for the model.")
    ] = None,
    workers: Workers = 2,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How often score and its floor are measured, in turn.")] = 3,
    work: Annotated[Path | None, typer.Option("--work", help="A folder for what is written, emptied; else a temporary one.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a night on made-up bottles: rates, score against writing its rows once more, memory by size."""
    import tempfile

    import msgspec

    from cellar_drinkability.scoring.bench import bench as measure
    from cellar_shared.errors import BadInput

    reporter = Reporter(as_json)
    try:
        others = [int(size) for size in sizes.split(",") if size.strip()]
    except ValueError:
        raise BadInput(f"--sizes {sizes!r} holds what is no number; write 2000000,100000000") from None
    if work is not None and work.exists() and any(work.iterdir()):
        raise BadInput(f"{work} is not empty; name a folder that may be emptied")
    with tempfile.TemporaryDirectory() as folder:
        report = measure(work or Path(folder) / "bench", bundle, [*others, rows], wines, workers=workers, rounds=rounds, reporter=reporter)
    reporter.result(msgspec.to_builtins(report), report.text())
