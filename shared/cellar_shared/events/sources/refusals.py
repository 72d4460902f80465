"""What an import cannot take, place by place: the first ends it, or all are counted and listed; every source uses it."""

from __future__ import annotations

import csv
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import polars as pl

from cellar_shared.errors import BadInput

REFUSED: Final = "refused.csv"
LINE: Final = "\0line"
"""The column with a row's place in its file, named as no source names one."""

SHOWN_TEXT: Final = 60
_IN_MEMORY: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row that was not taken: where (a text file's line, a Parquet file's row), what stood there, what was expected."""

    file: str
    line: int
    column: str
    found: str
    expected: str

    def __str__(self) -> str:
        found = self.found if len(self.found) <= SHOWN_TEXT else self.found[:SHOWN_TEXT] + "..."
        numbered = "row" if self.file.endswith(".parquet") else "line"
        return f"{self.file}, {numbered} {self.line}, column {self.column}: found {found!r}, expected {self.expected}"


class Refusals:
    """Collects refusals when `skip_bad`, otherwise the first one ends the import as BadInput; used as a context manager.

    However many there are, few are in memory at a time.
    """

    def __init__(self, skip_bad: bool) -> None:
        self.skip_bad = skip_bad
        self.count = 0
        self._listed = tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", newline="")  # noqa: SIM115
        self._rows = csv.writer(self._listed)
        self._rows.writerow(["file", "line", "column", "found", "expected"])

    def __enter__(self) -> Refusals:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listed.close()

    def add(self, refusal: Refusal) -> None:
        """Note a row that is left out, or raise."""
        if not self.skip_bad:
            raise BadInput(f"{refusal}. Mend the row, or say --skip-bad to keep the good rows and list the bad ones in a file")
        self.count += 1
        self._rows.writerow([refusal.file, refusal.line, refusal.column, refusal.found, refusal.expected])

    def write(self, path: Path) -> None:
        """Write what was left out as CSV; the file is there only when something was."""
        if self.count:
            self._listed.seek(0)
            with path.open("w", encoding="utf-8", newline="") as stream:
                shutil.copyfileobj(self._listed, stream)


def as_found(value: Any) -> str:
    """A value as a refusal shows it."""
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple | pl.Series) else str(value)
