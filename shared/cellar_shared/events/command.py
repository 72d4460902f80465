"""The commands `cellar data ...`: import a source, look a data folder over, say what a table holds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cellar_shared.display import Reporter

Out = Annotated[Path, typer.Option("--out", help="The data folder to write.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace the data folder that stands there.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]


def _now() -> int:
    from cellar_shared.events.moments import moment_of

    return moment_of(datetime.now(UTC))


def import_xwines(
    source: Annotated[Path, typer.Argument(help="Folder with wines.csv and ratings.csv of an X-Wines release.")],
    out: Out,
    replace: Replace = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave bad rows out, count them, list them in OUT/refused.csv.")] = False,
    as_json: Json = False,
) -> None:
    """Import an X-Wines release (wines and ratings, scale 1-5, like = 4 or more)."""
    from cellar_shared.events.sources import xwines

    reporter = Reporter(as_json)
    with reporter.counting("reading X-Wines") as tell:
        report = xwines.import_xwines(source, out, replace=replace, skip_bad=skip_bad, progress=tell)
    reporter.result(
        {"out": str(out), "wines": report.wines, "ratings": report.ratings, "refused": report.refused},
        f"{out}: {report.wines:,} wines, {report.ratings:,} ratings"
        + (f"; {report.refused:,} rows left out, listed in {out / 'refused.csv'}" if report.refused else ""),
    )


def check(
    data: Annotated[Path, typer.Argument(help="A data folder.")],
    as_json: Json = False,
) -> None:
    """Check a data folder: digests, types, schema, keys, times, references between tables. Lists every broken rule."""
    from cellar_shared.events.checks import check_folder

    reporter = Reporter(as_json)
    facts = check_folder(data, _now())
    reporter.result(facts, "\n".join(f"{name}: {value}" for name, value in facts.items()))


def schema(
    table: Annotated[str | None, typer.Argument(help="A table's name; without one, the page about all of them in Markdown.")] = None,
) -> None:
    """Print a table's JSON Schema: its columns, their types and what they mean."""
    import json

    from cellar_shared.events.tables import schema_of
    from cellar_shared.events.tables_page import page

    typer.echo(json.dumps(schema_of(table), indent=2, ensure_ascii=False) if table else page(), nl=table is not None)
