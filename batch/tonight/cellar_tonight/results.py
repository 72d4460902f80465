"""The evening's results as CSV with the export's own keys, a row per bottle; safe to open in a spreadsheet.

A cell that a spreadsheet would take for a formula is led in by an apostrophe (OWASP, "CSV Injection"), control characters become
blanks: what other people wrote into an export runs nowhere.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl

from cellar_shared.durable import write_durably
from cellar_shared.events.sources.cellartracker.wines import PREFIX
from cellar_tonight.evening import Evening, Line

HEADER: Final = (
    "iWine", "Barcode", "Vintage", "Wine", "Producer", "Size", "Location", "Bin", "BeginConsume", "EndConsume", "WindowSource",
    "Section", "Phase", "Drinkability", "ReadyFrom", "PeakFrom", "PeakTo", "DrinkBy", "DrinkByEarliest", "DrinkByLatest",
    "Chance", "ChanceBasis", "PlanYear", "PlanOccasion", "Linear", "Reason",
)  # fmt: skip
# What Excel, LibreOffice and Google's sheets start a formula with; the wide forms of East Asian keyboards count as well.
_FORMULA: Final = re.compile("^\\s*[=+\\-@|%\uff1d\uff0b\uff0d\uff20]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_BARCODE: Final = f"{PREFIX}b"
NON_VINTAGE: Final = 1001  # as the export writes it


def write_results(evening: Evening, bottles: pl.DataFrame, path: Path) -> None:
    """Write `results` into the file, whole or not at all, in UTF-8 with the mark by which spreadsheets know it."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(HEADER)
    writer.writerows([_cell(row[column]) for column in HEADER] for row in results(evening, bottles))
    write_durably(path, stream.getvalue().encode("utf-8-sig"))


def results(evening: Evening, bottles: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """A row per bottle of the evening's lines by column of HEADER; `bottles` are the rows of table bottles that they were made of."""
    by_id = {row["bottle_id"]: row for row in bottles.iter_rows(named=True)}
    planned = _planned(evening)
    linear = {lot.wine.wine_id: lot.by_style["linear"] for lot in evening.pace}
    for number, line in enumerate(evening.lines):
        years = iter(planned.get(number, []))
        for bottle_id in line.bottle_ids:
            year, occasion = next(years, (None, None))
            yield _row(line, by_id[bottle_id]) | {
                "PlanYear": year, "PlanOccasion": occasion, "Linear": linear.get(line.wine.wine_id),
            }  # fmt: skip


def _planned(evening: Evening) -> dict[int, list[tuple[int, str]]]:
    """The years of each line's bottles as they are planned, the soonest first."""
    planned: dict[int, list[tuple[int, str]]] = {}
    for each in sorted(evening.plan.planned if evening.plan else (), key=lambda one: (one.year, one.occasion)):
        planned.setdefault(each.line, []).extend([(each.year, each.occasion)] * each.bottles)
    return planned


def _row(line: Line, bottle: dict[str, Any]) -> dict[str, Any]:
    wine, standing, taste = line.wine, line.standing, line.taste
    return {
        "iWine": wine.key,
        "Barcode": bottle["bottle_id"].removeprefix(_BARCODE) if bottle["bottle_id"].startswith(_BARCODE) else None,
        "Vintage": NON_VINTAGE if wine.vintage == 0 else wine.vintage,
        "Wine": wine.name,
        "Producer": wine.producer,
        "Size": _size(bottle["size_ml"]),
        "Location": bottle["location"],
        "Bin": bottle["bin"],
        "BeginConsume": bottle["window_from"],
        "EndConsume": bottle["window_to"],
        "WindowSource": bottle["window_source"],
        "Section": line.section,
        "Phase": standing.phase,
        "Drinkability": standing.drinkability,
        "ReadyFrom": standing.ready_from,
        "PeakFrom": standing.peak_from,
        "PeakTo": standing.peak_to,
        "DrinkBy": standing.drink_by,
        "DrinkByEarliest": standing.drink_by_lo,
        "DrinkByLatest": standing.drink_by_hi,
        "Chance": taste.chance if taste.basis == "preference" else None,
        "ChanceBasis": taste.basis,
        "Reason": standing.reason,
    }


def _size(ml: int | None) -> str | None:
    """A size as the export writes it: 750ml, 1.5L."""
    return None if ml is None else f"{ml}ml" if ml < 1000 else f"{ml / 1000:.1f}L" if ml % 100 == 0 else f"{ml / 1000:g}L"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int | date):
        return str(value)
    text = _CONTROL.sub(" ", str(value))
    return f"'{text}" if _FORMULA.match(text) else text
