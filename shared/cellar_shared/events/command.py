"""The commands `cellar data ...`: import a source, look a data folder over, say what a table holds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cellar_shared.display import Reporter

if TYPE_CHECKING:
    from cellar_shared.events.sources.intake import TableReport, Terms

Out = Annotated[Path, typer.Option("--out", help="The data folder to write.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace the data folder that stands there.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave bad rows out, count them, list them in OUT/refused.csv.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="MOMENT", help="Add to OUT what has happened since (UTC midnight of a date, or RFC 3339)."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]


def _now() -> int:
    from cellar_shared.events.moments import moment_of

    return moment_of(datetime.now(UTC))


def _terms(replace: bool, skip_bad: bool, since: str | None) -> Terms:
    from cellar_shared.events.sources.intake import Terms

    return Terms(_now(), replace, skip_bad, None if since is None else _moment_in(since))


def _moment_in(text: str) -> int:
    from cellar_shared.errors import BadInput
    from cellar_shared.events.moments import moment_of

    try:
        when = datetime.fromisoformat(text)
        return moment_of(when.replace(tzinfo=UTC) if len(text) == len("2024-05-03") else when)
    except ValueError:
        raise BadInput(f"--since {text!r} is no moment; say 2024-05-03 (its midnight UTC) or 2024-05-03T06:00:00+02:00") from None


def _tell(
    reporter: Reporter, out: Path, reports: dict[str, TableReport], since: str | None, more: Mapping[str, Any] = MappingProxyType({})
) -> None:
    refused = sum(report.refused for report in reports.values())
    facts: dict[str, Any] = {"out": str(out)} | {table: report.rows for table, report in reports.items()} | {"refused": refused}
    text = f"{out}: " + ", ".join(f"{report.rows:,} {'new ' if since else ''}{table}" for table, report in reports.items())
    if since:
        for fact, said in (("replaced", "replaced"), ("duplicates", "there already"), ("before", "older")):
            facts[fact] = {table: getattr(report, fact) for table, report in reports.items()}
            text += f"; {sum(facts[fact].values()):,} {said}"
    if refused:
        text += f"; {refused:,} rows left out, listed in {out / 'refused.csv'}"
    reporter.result(facts | _recognised(facts, out, reporter) | dict(more), text)


def _recognised(facts: Mapping[str, Any], out: Path, reporter: Reporter) -> dict[str, Any]:
    """The shares of words that the vocabularies know, said to the person who watches; nothing where no table holds such words."""
    from cellar_shared.events.tables import DataFolder
    from cellar_shared.events.vocabulary.recognition import TABLES, facts_of, line_of, recognised_in

    if not any(table in facts for table in TABLES):
        return {}
    found = recognised_in(DataFolder.open(out))
    if not reporter.as_json and (line := line_of(found)):
        reporter.say(line)
    return {"recognised": shares} if (shares := facts_of(found)) else {}


def import_xwines(
    source: Annotated[Path, typer.Argument(help="Folder with wines.csv and ratings.csv of an X-Wines release.")],
    out: Out,
    replace: Replace = False,
    skip_bad: SkipBad = False,
    since: Since = None,
    as_json: Json = False,
) -> None:
    """Import an X-Wines release (wines and ratings, scale 1-5, like = 4 or more)."""
    from cellar_shared.events.sources import xwines

    reporter = Reporter(as_json)
    with reporter.counting("reading X-Wines") as tell:
        reports = xwines.import_xwines(source, out, _terms(replace, skip_bad, since), progress=tell)
    _tell(reporter, out, reports, since)


def import_windows(
    file: Annotated[Path, typer.Argument(help="A CSV of stated windows: vintage, start, end, kind, points, price, country and so on.")],
    out: Out,
    currency: Annotated[str | None, typer.Option(help="ISO 4217 code of the file's prices.")] = None,
    replace: Replace = False,
    skip_bad: SkipBad = False,
    since: Since = None,
    as_json: Json = False,
) -> None:
    """Import drinking windows as critics stated them; a side that was not stated stays unknown.

    With --since they are added to a data folder of any source.
    """
    from cellar_shared.events.sources import windows

    reporter = Reporter(as_json)
    with reporter.counting("reading windows") as tell:
        reports = windows.import_windows(file, out, _terms(replace, skip_bad, since), currency=currency, progress=tell)
    _tell(reporter, out, reports, since)


def import_cellartracker(
    sources: Annotated[list[Path], typer.Argument(help="The export's files (tab or CSV), or the folder that holds them.")],
    out: Out,
    member: Annotated[str, typer.Option("--member", help="Whose export it is: the id under which the member is known here.")],
    replace: Replace = False,
    skip_bad: SkipBad = False,
    since: Since = None,
    as_json: Json = False,
) -> None:
    """Import what a member of CellarTracker exported: List, Inventory, Bottles, Consumed, Purchase, Pending, Notes, Availability.

    Tables are told by their headers; bottles that several tables describe count once. cellar never asks for a password.
    """
    import msgspec

    from cellar_shared.events.sources.cellartracker import importing

    reporter = Reporter(as_json)
    with reporter.counting("reading the export") as tell:
        report = importing.import_cellartracker(sources, out, _terms(replace, skip_bad, since), member=member, progress=tell)
    for each in report.files:
        fates = f"{each.rows:,} rows = {each.kept:,} kept + {each.merged:,} merged + {each.refused:,} refused"
        reporter.say(f"{each.file}: {each.table}, {each.encoding}, {fates}")
    for sentence in report.warnings + [f"{name} was left aside: by its name it is no table" for name in report.left_aside]:
        reporter.say(sentence)
    more = {"files": msgspec.to_builtins(report.files), "left_aside": report.left_aside, "warnings": report.warnings}
    _tell(reporter, out, report.tables, since, more)


def import_tables(
    sources: Annotated[list[Path], typer.Argument(help="CSV or Parquet files, or folders that hold them.")],
    out: Out,
    mapping: Annotated[Path, typer.Option("--map", help="The map.yml that says which files and columns become which table.")],
    replace: Replace = False,
    skip_bad: SkipBad = False,
    since: Since = None,
    as_json: Json = False,
) -> None:
    """Import your own tables, as a map.yml says."""
    from cellar_shared.events.sources import own_tables

    reporter = Reporter(as_json)
    with reporter.counting("reading tables") as tell:
        reports = own_tables.import_tables(sources, mapping, out, _terms(replace, skip_bad, since), progress=tell)
    _tell(reporter, out, reports, since)


def import_trace(
    file: Annotated[Path, typer.Argument(help="A CSV of times and temperatures, as a thermometer's app exports it.")],
    data: Annotated[Path, typer.Option("--data", help="The data folder to add the readings to.")],
    member: Annotated[str, typer.Option("--member", help="Whose place it is.")],
    storage: Annotated[str, typer.Option("--storage", help="The place's id, as bottles name it.")],
    zone: Annotated[str, typer.Option("--zone", help="The time zone of times that do not say theirs.")] = "UTC",
    fahrenheit: Annotated[bool, typer.Option("--fahrenheit", help="The temperatures are in Fahrenheit; convert them.")] = False,
    dates: Annotated[str | None, typer.Option("--dates", help="dmy or mdy: what 3/4/2024 means where the file does not tell.")] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave bad readings out, count them, list them in DATA/refused.csv.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Add a thermometer's readings to a place; readings that are there already change nothing."""
    from dataclasses import asdict

    from cellar_shared.events.sources import traces

    reporter = Reporter(as_json)
    with reporter.counting("reading a trace"):
        manner = traces.Manner(zone, fahrenheit, dates)
        report = traces.import_trace(file, data, member, storage, manner, now=_now(), skip_bad=skip_bad)
    text = f"{data}: {report.added:,} new readings of {storage}, {report.duplicates:,} there already; {report.readings:,} in all"
    if report.gaps:
        text += f", {report.gaps:,} gaps of more than a day (the longest {report.longest_gap_days:.1f} days)"
    if report.refused:
        text += f"; {report.refused:,} left out, listed in {data / 'refused.csv'}"
    reporter.result({"data": str(data), "storage_id": storage} | asdict(report), text)


def check(
    data: Annotated[Path, typer.Argument(help="A data folder.")],
    as_json: Json = False,
) -> None:
    """Check a data folder: digests, types, schema, keys, times, references between tables. Lists every broken rule.

    Says how much of its types, countries, regions and grapes the vocabularies know, and what they miss.
    """
    from cellar_shared.events.checks import check_folder
    from cellar_shared.events.tables import DataFolder
    from cellar_shared.events.vocabulary.recognition import SHOWN_MISSES, facts_of, line_of, recognised_in

    reporter = Reporter(as_json)
    facts = check_folder(data, _now())
    found = recognised_in(DataFolder.open(data))
    lines = [f"{name}: {value}" for name, value in facts.items()]
    lines += [line] if (line := line_of(found, misses=SHOWN_MISSES)) else []
    reporter.result(facts | ({"recognised": shares} if (shares := facts_of(found)) else {}), "\n".join(lines))


def match(
    data: Annotated[Path, typer.Argument(help="The data folder whose wines are looked for.")],
    to: Annotated[Path, typer.Option("--to", help="The data folder with the catalogue that they are looked for in.")],
    out: Annotated[Path | None, typer.Option("--out", help="A Parquet file for the matches, instead of table matches of DATA.")] = None,
    as_json: Json = False,
) -> None:
    """Find wines of another namespace in a catalogue by producer, name, region, grapes and colour, never by their ids.

    Writes table matches into DATA: the match or none, its score and the evidence. A wine without a match keeps its own facts.
    """
    from cellar_shared.durable import write_durably
    from cellar_shared.events.matching import matches

    reporter = Reporter(as_json)
    with reporter.counting("matching") as tell:
        found = matches.match_folders(data, to, step=lambda done: tell("wines", done))
    if out is None:
        matches.keep(data, found)
    else:
        stream = BytesIO()
        found.write_parquet(stream, compression="zstd")
        write_durably(out, stream.getvalue())
    counts = matches.counts_of(found)
    share = counts.get("matched", 0) / found.height
    facts = {"data": str(data), "to": str(to), "wines": found.height, "share": round(share, 4), "threshold": matches.THRESHOLD, **counts}
    others = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in counts.items() if reason != "matched")
    text = f"{counts.get('matched', 0):,} of {found.height:,} wines matched ({share:.1%}, score from {matches.THRESHOLD})"
    reporter.result(facts, text + (f"; {others}" if others else ""))


def schema(
    table: Annotated[str | None, typer.Argument(help="A table's name; without one, the page about all of them in Markdown.")] = None,
) -> None:
    """Print a table's JSON Schema: its columns, their types and what they mean."""
    import json

    from cellar_shared.events.tables import schema_of
    from cellar_shared.events.tables_page import page

    typer.echo(json.dumps(schema_of(table), indent=2, ensure_ascii=False) if table else page(), nl=table is not None)
