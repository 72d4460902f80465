"""Reads one file of an export: its encoding, its separator, its table, and its rows with the lines they end on; importing.py calls it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cellar_shared.errors import BadInput
from cellar_shared.events.sources.cellartracker.kinds import KINDS, READ, TableKind, key_of, kind_of
from cellar_shared.events.sources.refusals import Refusal

SEPARATORS: Final = ("\t", ",", ";")
NAMES: Final = {"\t": "tab", ",": "comma", ";": "semicolon"}
TABLES: Final = (".tsv", ".csv", ".tab", ".txt", ".asp", ".aspx", "")
"""The ends of file names that are looked into when a folder is named; what else lies there is left aside and told."""

_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_HIGH: Final = re.compile(rb"[\x80-\xff]+")
# A letter of UTF-8 read as windows-1252 and saved: a lead byte's letter before a following byte's sign.
_TWICE: Final = re.compile(
    "[\u00c2-\u00c5\u00e2][\u0080-\u00bf\u0152-\u0153\u0160-\u0161\u0178\u017d-\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
)
# What no name holds within a word: another code page's letter read as windows-1252.
_WITHIN_A_WORD: Final = re.compile(
    "[^\\W\\d_](?:[\u201a\u201e\u2020-\u2022\u2030\u2039\u203a\u2122\u00a1-\u00a9\u00ab-\u00b6\u00b8-\u00bf\u00d7\u00f7]|(?<=[A-Za-z])[\u017d\u0152\u0160\u0178](?=[a-z]))[^\\W\\d_]"
)
_TEXTS: Final = ("wine", "locale", "producer", "varietal", "region")


@dataclass(slots=True)
class Row:
    """One row: the line it ends on and its cells by the column's key."""

    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str | None:
        return self.cells.get(key_of(column))


@dataclass(slots=True)
class TableFile:
    """One file of an export as it was read; `refused` rows are not among `rows`."""

    path: Path
    kind: TableKind
    columns: dict[str, str]
    """What the file calls each column, by its key."""
    encoding: str
    separator: str
    rows: list[Row] = field(default_factory=list)
    refused: int = 0


def read_table(path: Path, refuse: Callable[[Refusal], None]) -> TableFile:
    """The table in the file; BadInput when it holds none. Rows that cannot be read go to `refuse`, counted."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}); name a file of the export") from error
    encoding, lines = _lines_of(raw, path.name)
    if not lines or not lines[0].strip():
        raise BadInput(f"{path.name} is empty; expected one of the tables {READ}. Export it again")
    _require_no_page(lines, path.name)
    # A spreadsheet's first line may name the separator.
    above = 1 if re.fullmatch(r"sep=.", lines[0].strip(), re.IGNORECASE) and len(lines) > 1 else 0
    separator = max(SEPARATORS, key=lambda mark: _known_columns(lines[above], mark))
    header = next(csv.reader([lines[above]], delimiter=separator))
    kind = kind_of(header, path.name)
    keys = [key_of(name) for name in header]
    table = TableFile(path, kind, {key: name.strip() for key, name in zip(keys, header, strict=True)}, encoding, separator)

    def out(line: int, column: str, found: str, expected: str) -> None:
        refuse(Refusal(path.name, line, table.columns.get(column, column), found, expected))
        table.refused += 1

    for line, cells, fault in _best_reading(lines[above:], separator, len(header)):
        if fault:
            out(line + above, "the row", fault, f"{len(header)} fields as in the header, {NAMES[separator]}-separated")
            continue
        row = Row(line + above, dict(zip(keys, cells, strict=False)))
        if spoilt := _spoilt(row, encoding):
            out(line + above, *spoilt)
        else:
            table.rows.append(row)
    return table


def _lines_of(raw: bytes, file: str) -> tuple[str, list[str]]:
    """The file's encoding and its lines with their ends; bytes that are of neither encoding stand as surrogates."""
    if raw.startswith(_UTF16):
        try:
            return "utf-16", io.StringIO(raw.decode("utf-16"), newline="").readlines()
        except UnicodeDecodeError as error:
            raise BadInput(f"{file}, byte {error.start + 1}: the file begins as UTF-16 and is not; save it as UTF-8") from error
    if b"\x00" in raw[:4096]:
        raise BadInput(
            f"{file}, byte {raw.index(0) + 1}: found a zero byte, expected text in UTF-8 or windows-1252; save the file as UTF-8"
        )
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    encoding = "utf-8" if _is_utf8(raw) else "windows-1252"
    text = raw.decode("utf-8" if encoding == "utf-8" else "cp1252", errors="surrogateescape")
    return encoding, io.StringIO(text, newline="").readlines()


def _is_utf8(raw: bytes) -> bool:
    """Is most of what is not ASCII UTF-8? A file cut within a letter still is; one re-encoded in part is what most of it is."""
    good = bad = 0
    for found in _HIGH.finditer(raw):
        try:
            found[0].decode("utf-8")
            good += 1
        except UnicodeDecodeError:
            bad += 1
    return good >= bad


def _require_no_page(lines: Sequence[str], file: str) -> None:
    start = "".join(lines[:50]).lstrip()
    if start.startswith("<"):
        said = " ".join(re.sub(r"<[^>]*>", " ", re.sub(r"(?is)<(script|style|head).*?</\1>", " ", start)).split())[:80]
        quoted = f" that says {said!r}" if said else ""
        raise BadInput(
            f"{file}, line 1: this is a web page{quoted}, not a table: the site answers so when nobody is logged in. "
            "Log in with your browser, export again and name the new file; cellar never asks for your password"
        )


def _known_columns(header: str, separator: str) -> int:
    known = {key_of(name) for kind in KINDS for name in (*kind.marks, *kind.required)}
    return sum(key_of(name) in known for name in header.split(separator))


_Reading = list[tuple[int, list[str], str | None]]


def _best_reading(lines: Sequence[str], separator: str, width: int) -> _Reading:
    """The rows read with quotes around fields; in a tab-separated file without them, where that spoils fewer rows."""
    quoted = list(_rows_of(lines, separator, width, csv.QUOTE_MINIMAL))
    if separator != "\t" or not any(fault for *_, fault in quoted):
        return quoted
    plain = list(_rows_of(lines, separator, width, csv.QUOTE_NONE))
    return min(quoted, plain, key=lambda rows: (sum(fault is not None for *_, fault in rows), -len(rows)))


def _rows_of(lines: Sequence[str], separator: str, width: int, quoting: int) -> Iterator[tuple[int, list[str], str | None]]:
    """The line, the fields and what is wrong with them, of every row below the header that is not blank."""
    reader = csv.reader(iter(lines[1:]), delimiter=separator, strict=True, quoting=quoting)  # type: ignore[arg-type]
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num + 1, [], str(error)
            continue
        if not any(cell.strip() for cell in cells):
            continue
        # Fields beyond the header's that hold nothing are a spreadsheet's.
        is_wide = len(cells) > width and any(cell.strip() for cell in cells[width:])
        yield reader.line_num + 1, cells[:width], f"{len(cells)} fields" if len(cells) < width or is_wide else None


def _spoilt(row: Row, encoding: str) -> tuple[str, str, str] | None:
    """The column, what was found and what was expected where a row's letters are not of its encoding."""
    for column, cell in row.cells.items():
        if any("\udc80" <= letter <= "\udcff" for letter in cell):
            shown = cell.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            return column, shown, f"text in {encoding.upper()}"
    for column in _TEXTS:
        cell = row.cells.get(column, "")
        if _TWICE.search(cell):
            return column, cell, "text that was not decoded twice: save the file as UTF-8 from the site's own download"
        if encoding == "windows-1252" and _WITHIN_A_WORD.search(cell):
            return column, cell, "text in UTF-8 or windows-1252; the file was saved in another encoding"
    return None
