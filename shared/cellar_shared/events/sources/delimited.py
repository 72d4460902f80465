"""Reads a delimited text file into string columns and keeps count of what cannot be taken, place by place; for sources."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import polars as pl

from cellar_shared.errors import BadInput

LINE = "line"
SHOWN_TEXT = 60


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row that was not taken: where, what stood there, what was expected."""

    file: str
    line: int
    column: str
    found: str
    expected: str

    def __str__(self) -> str:
        found = self.found if len(self.found) <= SHOWN_TEXT else self.found[:SHOWN_TEXT] + "..."
        return f"{self.file}, line {self.line}, column {self.column}: found {found!r}, expected {self.expected}"


@dataclass(slots=True)
class Refusals:
    """Collects refusals when `skip_bad`, otherwise the first one ends the import as BadInput."""

    skip_bad: bool
    kept: list[Refusal] = field(default_factory=list)

    def add(self, refusal: Refusal) -> None:
        """Note a row that is left out, or raise."""
        if not self.skip_bad:
            raise BadInput(f"{refusal}. Mend the row, or say --skip-bad to keep the good rows and list the bad ones in a file")
        self.kept.append(refusal)

    def write(self, path: Path) -> None:
        """Write what was left out as CSV; the file is there only when something was."""
        if self.kept:
            with path.open("w", encoding="utf-8", newline="") as stream:
                writer = csv.writer(stream)
                writer.writerow(["file", "line", "column", "found", "expected"])
                writer.writerows((r.file, r.line, r.column, r.found, r.expected) for r in self.kept)


@dataclass(frozen=True, slots=True)
class Rule:
    """How one column of a source becomes one column of a table.

    `value` makes the value out of the stripped text (empty text is null beforehand), null when it cannot; a row whose
    text is not null and whose value is null is refused as not being `expected`. `required` refuses empty text too.
    """

    column: str
    name: str
    value: pl.Expr
    expected: str
    required: bool = False


def read_batches(path: Path, columns: Sequence[str], refusals: Refusals, rows: int = 200_000) -> Iterator[pl.DataFrame]:
    """Batches of `columns` as text (stripped, empty is null) with the physical `line` each row ends on.

    The file is UTF-8, comma separated, with a header; other columns are ignored. BadInput when it has no such header;
    rows with another number of fields and bytes that are not UTF-8 go to `refusals`.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}); expected a CSV file with columns {', '.join(columns)}") from error
    with stream:
        reader = csv.reader(_decoded(stream, path.name, refusals), strict=True)
        header = _header_of(reader, path, columns)
        places = [header.index(name) for name in columns]
        good = _rows_of(reader, path.name, len(header), refusals)
        while batch := [(line, *(row[place] for place in places)) for line, row in islice(good, rows)]:
            frame = pl.DataFrame(batch, schema={LINE: pl.Int64, **dict.fromkeys(columns, pl.String)}, orient="row")
            text = pl.col(columns).str.strip_chars()
            yield frame.select(LINE, pl.when(text != "").then(text).name.keep())


def _header_of(reader: Iterator[list[str]], path: Path, columns: Sequence[str]) -> list[str]:
    """The file's header, which holds each of `columns` once."""
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise BadInput(f"{path}, line 1: the header cannot be read ({error}); expected columns {', '.join(columns)}") from error
    missing = [name for name in columns if name not in header]
    if missing:
        raise BadInput(f"{path}, line 1: column {', '.join(missing)} is missing; found {', '.join(header) or 'nothing'}")
    twice = [name for name in columns if header.count(name) > 1]
    if twice:
        raise BadInput(f"{path}, line 1: column {', '.join(twice)} stands there more than once; keep one")
    return header


def _decoded(stream: Iterator[bytes], file: str, refusals: Refusals) -> Iterator[str]:
    for number, raw in enumerate(stream, start=1):
        try:
            yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            refusals.add(Refusal(file, number, f"byte {error.start + 1}", repr(raw[error.start : error.start + 4]), "text in UTF-8"))
            yield "\n"


def _rows_of(reader: Iterator[list[str]], file: str, width: int, refusals: Refusals) -> Iterator[tuple[int, list[str]]]:
    """Each row of `width` fields with the physical line it ends on."""
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            refusals.add(Refusal(file, reader.line_num, "the row", str(error), "comma-separated fields, quotes doubled"))  # type: ignore[attr-defined]
            continue
        line: int = reader.line_num  # type: ignore[attr-defined]
        if not row:
            continue
        if len(row) != width:
            refusals.add(Refusal(file, line, "the row", f"{len(row)} fields", f"{width} fields as in the header"))
            continue
        yield line, row


def apply_rules(batch: pl.DataFrame, rules: Sequence[Rule], file: str, refusals: Refusals) -> pl.DataFrame:
    """The rows of `batch` that keep every rule, with the rules' columns made; the others go to `refusals`, once each."""
    made = batch.with_columns(rule.value.alias(f"made {rule.name}") for rule in rules)
    broken = [
        (pl.col(f"made {rule.name}").is_null() & (pl.lit(True) if rule.required else pl.col(rule.column).is_not_null())).alias(
            f"broken {rule.name}"
        )
        for rule in rules
    ]
    made = made.with_columns(broken)
    bad = made.filter(pl.any_horizontal(f"broken {rule.name}" for rule in rules))
    for row in bad.iter_rows(named=True):
        rule = next(rule for rule in rules if row[f"broken {rule.name}"])
        refusals.add(Refusal(file, row[LINE], rule.column, row[rule.column] or "", rule.expected))
    good = made.filter(~pl.any_horizontal(f"broken {rule.name}" for rule in rules)) if bad.height else made
    return good.select(LINE, *(pl.col(f"made {rule.name}").alias(rule.name) for rule in rules))
