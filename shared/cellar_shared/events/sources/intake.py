"""What becomes of the rows that a source has read: held to the table's rules, told apart by key, written or added to a folder.

Every source hands its files over as `Reading`s. A whole import writes a new data folder; with `since` only what is new
from that moment on is added to the one that stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import polars as pl

from cellar_shared.errors import BadInput
from cellar_shared.events.appending import DataAppender
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, datetime_of
from cellar_shared.events.rules import row_rules
from cellar_shared.events.sources.increment import Increment
from cellar_shared.events.sources.refusals import LINE, REFUSED, Refusal, Refusals, as_found
from cellar_shared.events.sources.seen_keys import SeenKeys
from cellar_shared.events.tables import DataWriter, conformed, schema_of
from cellar_shared.events.vocabulary.recognition import TABLES as VOCABULARY_TABLES
from cellar_shared.events.vocabulary.recognition import with_vocabulary

_PLACES_IN_A_FILE = 1 << 40


@dataclass(frozen=True, slots=True)
class Reading:
    """One file for one table: `batches` yields rows with the table's columns and LINE; `called` is what the file calls each."""

    table: str
    file: Path
    called: Mapping[str, str]
    batches: Callable[[Refusals], Iterator[pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class Terms:
    """How an import goes: the moment it is `now`, whether bad rows are skipped, and what is done with a folder that stands."""

    now: int
    replace: bool = False
    skip_bad: bool = False
    since: int | None = None


class TableReport(msgspec.Struct):
    """What became of a table's rows: added, replaced, there already, older than asked for, refused."""

    rows: int = 0
    replaced: int = 0
    duplicates: int = 0
    before: int = 0
    refused: int = 0


@dataclass(slots=True)
class _Intake:
    terms: Terms
    refusals: Refusals
    add: Callable[[str, pl.DataFrame], None]
    increment: Increment | None
    reports: dict[str, TableReport] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    seen: dict[str, SeenKeys] = field(default_factory=dict)

    def take(self, reading: Reading, progress: Callable[[str, int], None]) -> None:
        report = self.reports.setdefault(reading.table, TableReport())
        self.files.append(reading.file.name)
        refused = self.refusals.count
        for batch in reading.batches(self.refusals):
            ready = conformed(reading.table, batch)
            if reading.table in VOCABULARY_TABLES:
                ready = conformed(reading.table, with_vocabulary(ready))
            rows = self._first_of(reading, self._keeping_rules(reading, self._since(reading, ready)))
            if self.increment:
                settled = self.increment.settle(reading.table, rows)
                key = schema_of(reading.table)["x-key"]
                self._refuse(reading, settled.conflicts, *key, expected=lambda _: "the content that it has in the data folder already")
                report.duplicates += settled.duplicates
                report.replaced += settled.replaced
                rows = settled.new
            if rows.height:
                self.add(reading.table, rows.drop(LINE))
            report.rows += rows.height
            progress(reading.table, report.rows)
        report.refused += self.refusals.count - refused

    def _since(self, reading: Reading, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows that may have happened since; one dated only to a day may have until its end, an undated one any time."""
        column = schema_of(reading.table).get("x-time")
        if self.terms.since is None or column is None:
            return rows
        at = pl.col(column)
        if "time_precision" in rows.columns:
            whole_day = pl.duration(microseconds=MICROSECONDS_PER_DAY - 1)
            at = pl.when(pl.col("time_precision") == "date").then(at + whole_day).otherwise(at)
        kept = rows.filter((at >= pl.lit(datetime_of(self.terms.since))).fill_null(True))
        self.reports[reading.table].before += rows.height - kept.height
        return kept

    def _keeping_rules(self, reading: Reading, rows: pl.DataFrame) -> pl.DataFrame:
        rules = row_rules(reading.table, rows.columns, self.terms.now)
        marks = [rule.broken.fill_null(False).alias(str(place)) for place, rule in enumerate(rules)]
        broken = rows.select(first=pl.coalesce(pl.when(mark).then(pl.lit(place)) for place, mark in enumerate(marks)))["first"]
        for place, row in zip(broken.drop_nulls(), rows.filter(broken.is_not_null()).iter_rows(named=True), strict=True):
            rule = rules[place]
            called = reading.called.get(rule.column, rule.column)
            self.refusals.add(Refusal(reading.file.name, row[LINE], called, as_found(row[rule.column]), rule.expected))
        return rows.filter(broken.is_null()) if broken.null_count() < len(broken) else rows

    def _first_of(self, reading: Reading, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows whose key no earlier row of the import has, in whichever file."""
        key = schema_of(reading.table)["x-key"]
        places = rows[LINE].to_numpy() + (len(self.files) - 1) * _PLACES_IN_A_FILE
        first = self.seen.setdefault(reading.table, SeenKeys()).first_places(rows, key, places)
        again = first != places
        if not again.any():
            return rows
        earlier = dict(zip(places[again].tolist(), first[again].tolist(), strict=True))

        def expected(line: int) -> str:
            file, there = divmod(earlier[line + (len(self.files) - 1) * _PLACES_IN_A_FILE], _PLACES_IN_A_FILE)
            elsewhere = f" of {self.files[file]}" if file != len(self.files) - 1 else ""
            return f"an id of its own (line {there}{elsewhere} has it too)"

        self._refuse(reading, rows.filter(pl.Series(again)), *key, expected=expected)
        return rows.filter(pl.Series(~again))

    def _refuse(self, reading: Reading, rows: pl.DataFrame, *key: str, expected: Callable[[int], str]) -> None:
        called = ", ".join(reading.called.get(column, column) for column in key)
        for row in rows.iter_rows(named=True):
            found = ", ".join(as_found(row[column]) for column in key)
            self.refusals.add(Refusal(reading.file.name, row[LINE], called, found, expected(row[LINE])))


def take_in(
    readings: Sequence[Reading],
    out: Path,
    terms: Terms,
    *,
    namespace: str,
    scale: str,
    source: str,
    progress: Callable[[str, int], None],
) -> dict[str, TableReport]:
    """Write the readings' rows as the data folder `out`, or add to it what is new since `terms.since`; all or nothing.

    The answer says per table what became of its rows. `progress` hears the table's name and the rows taken so far. The first bad
    row ends the import with BadInput that names file, line and column; with `skip_bad` bad rows are left out, counted and
    listed in `out/refused.csv`.
    """
    if terms.since is None:
        return _write_whole(readings, out, terms, namespace, scale, source, progress)
    if terms.replace:
        raise BadInput("--since adds to a data folder and --replace puts another in its place; say one of them")
    return _add_since(readings, out, terms, namespace, scale, progress)


def _write_whole(
    readings: Sequence[Reading], out: Path, terms: Terms, namespace: str, scale: str, source: str, progress: Callable[[str, int], None]
) -> dict[str, TableReport]:
    with ExitStack() as stack:
        refusals = stack.enter_context(Refusals(terms.skip_bad))
        writer = stack.enter_context(DataWriter(out, namespace, scale, source, replace=terms.replace))
        intake = _Intake(terms, refusals, writer.add, None)
        for reading in readings:
            intake.take(reading, progress)
        for table, report in intake.reports.items():
            if not report.rows:
                files = ", ".join(str(reading.file) for reading in readings if reading.table == table)
                raise BadInput(f"{files} holds no row that can be taken; expected at least one of table {table}")
        writer.notes.update(refused=refusals.count)
        refusals.write(writer.staging / REFUSED)
    return intake.reports


def _add_since(
    readings: Sequence[Reading], out: Path, terms: Terms, namespace: str, scale: str, progress: Callable[[str, int], None]
) -> dict[str, TableReport]:
    with Refusals(terms.skip_bad) as refusals:
        with DataAppender(out) as appender:
            manifest = appender.folder.manifest
            for what, stands, comes in (("namespace", manifest.namespace, namespace), ("scale", manifest.scale, scale)):
                if stands != comes:
                    raise BadInput(f"{out} has the {what} {stands!r} and the import {comes!r}; ids and ratings of both do not mix")
            increment = Increment(appender)
            intake = _Intake(terms, refusals, appender.add, increment)
            for reading in readings:
                intake.take(reading, progress)
            increment.finish()
        refusals.write(out / REFUSED)
    return intake.reports
