"""Reads a delimited text file into string columns, and makes a table's columns out of them by rules; for sources."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import polars as pl

from cellar_shared.errors import BadInput
from cellar_shared.events.sources.refusals import LINE, Refusal, Refusals, as_found


@dataclass(frozen=True, slots=True)
class Form:
    """How a delimited file is written: what stands between fields, and which bytes stand for letters."""

    delimiter: str = ","
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        """ValueError with a sentence when the delimiter or the encoding cannot be used."""
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise ValueError(f"a delimiter is one character such as ; or a tab, not {self.delimiter!r}")
        try:
            codecs.lookup(self.encoding)
            line_end = "\n".encode(self.encoding)
        except (LookupError, UnicodeError):
            raise ValueError(f"encoding {self.encoding!r} is not known; try utf-8, windows-1252 or iso-8859-15") from None
        if line_end != b"\n":
            raise ValueError(f"encoding {self.encoding!r} cannot be read line by line; save the file as utf-8")

    @property
    def decoder(self) -> str:
        """The codec of the first line, which may begin with a byte order mark."""
        return "utf-8-sig" if codecs.lookup(self.encoding).name == "utf-8" else self.encoding


@dataclass(frozen=True, slots=True)
class Rule:
    """How one column of a source becomes one column of a table.

    `value` makes the value out of the stripped text (empty text is null beforehand), null when it cannot; a row whose
    text is not null and whose value is null is refused as not being `expected`. `required` refuses empty text too.
    `called` is the column's name for people, where that is another.
    """

    column: str
    name: str
    value: pl.Expr
    expected: str
    required: bool = False
    called: str | None = None


def read_batches(
    path: Path, columns: Sequence[str], refusals: Refusals, form: Form = Form(), rows: int = 200_000
) -> Iterator[pl.DataFrame]:
    """Batches of `columns` as text (stripped, empty is null) with the physical line (LINE) each row ends on.

    The file is as `form` says, with a header; other columns are ignored. BadInput when it has no such header; rows with
    another number of fields and bytes that are not of its encoding go to `refusals`.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}); expected a file with columns {', '.join(columns)}") from error
    with stream:
        reader = csv.reader(_decoded(stream, path.name, form, refusals), strict=True, delimiter=form.delimiter)
        header = _header_of(reader, path, columns)
        places = [header.index(name) for name in columns]
        good = _rows_of(reader, path.name, form, len(header), refusals)
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


def _decoded(stream: Iterator[bytes], file: str, form: Form, refusals: Refusals) -> Iterator[str]:
    for number, raw in enumerate(stream, start=1):
        try:
            yield raw.decode(form.decoder if number == 1 else form.encoding)
        except UnicodeDecodeError as error:
            found = repr(raw[error.start : error.start + 4])
            refusals.add(Refusal(file, number, f"byte {error.start + 1}", found, f"text in {form.encoding.upper()}"))
            yield "\n"


def _rows_of(reader: Iterator[list[str]], file: str, form: Form, width: int, refusals: Refusals) -> Iterator[tuple[int, list[str]]]:
    """Each row of `width` fields with the physical line it ends on."""
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            between = {",": "comma", "\t": "tab", ";": "semicolon"}.get(form.delimiter, repr(form.delimiter))
            refusals.add(Refusal(file, reader.line_num, "the row", str(error), f"{between}-separated fields, quotes doubled"))  # type: ignore[attr-defined]
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
        refusals.add(Refusal(file, row[LINE], rule.called or rule.column, as_found(row[rule.column]), rule.expected))
    good = made.filter(~pl.any_horizontal(f"broken {rule.name}" for rule in rules)) if bad.height else made
    return good.select(LINE, *(pl.col(f"made {rule.name}").alias(rule.name) for rule in rules))
