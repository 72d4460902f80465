"""Puts bottles together into the lines of a cellar, and each line into its section: open, at risk, leave, unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from cellar_shared.events.sources.cellartracker.wines import PREFIX
from cellar_tonight.evening import Line, Place, Section, Standing, Taste, Window, Wine

# A bottle past its best, or to be drunk within a year, is at risk (judgement: the site's own reports look a year ahead).
AT_RISK_WITHIN: Final = timedelta(days=365)


def wines_of(wines: pl.DataFrame) -> dict[str, Wine]:
    """The wines by wine_id; rows of table wines."""
    return {row["wine_id"]: _wine(row) for row in wines.iter_rows(named=True)}


def _wine(row: Mapping[str, Any]) -> Wine:
    number = row["wine_id"].removeprefix(PREFIX)
    return Wine(
        wine_id=row["wine_id"],
        key=number if number.isdigit() else None,
        name=row["full_name"] or row["name"],
        producer=row["producer"],
        vintage=row["vintage"],
        type=row["type"],
        colour=row["colour"],
        country=row["country"],
        region=row["canonical_region"] or row["region"],
        grapes=tuple(row["canonical_grapes"] or row["grapes"] or ()),
    )


def lines_of(
    bottles: pl.DataFrame, standings: Sequence[Standing | None], wines: Mapping[str, Wine], tastes: Mapping[str, Taste], as_of: date
) -> list[Line]:
    """A line per wine, vintage and size of `bottles` (rows of table bottles) that are there or awaited, in the order of their labels.

    A line stands where its furthest bottle stands: of bottles that lay warmer the first to be lost counts.
    """
    lots: dict[tuple[str, int | None], list[tuple[dict[str, Any], Standing]]] = {}
    for row, standing in zip(bottles.iter_rows(named=True), standings, strict=True):
        if standing is not None:
            lots.setdefault((row["wine_id"], row["size_ml"]), []).append((row, standing))
    lines = [_line(lot, wines[wine_id], size_ml, tastes.get(wine_id, Taste(None, None)), as_of) for (wine_id, size_ml), lot in lots.items()]
    return sorted(lines, key=lambda line: (line.wine.label.casefold(), line.size_ml or 0, line.wine.wine_id))


def _line(lot: Sequence[tuple[dict[str, Any], Standing]], wine: Wine, size_ml: int | None, taste: Taste, as_of: date) -> Line:
    rows = [row for row, _ in lot]
    here = [row for row in rows if row["state"] != "pending"]
    standing = min((standing for _, standing in lot), key=lambda each: (each.drink_by or date.max, each.ready_from or date.max))
    first = rows[0]
    valued = next((row for row in here + rows if row["value"] or row["price"]), first)
    return Line(
        wine=wine,
        size_ml=size_ml,
        bottles=len(here),
        awaited=len(rows) - len(here),
        places=_places(here),
        window=Window(first["window_from"], first["window_to"], first["window_source"]),
        standing=standing,
        taste=taste,
        section=section_of(standing, as_of),
        value=valued["value"] or valued["price"],
        currency=valued["currency"],
        bottle_ids=tuple(row["bottle_id"] for row in here + [row for row in rows if row["state"] == "pending"]),
    )


def _places(rows: Sequence[Mapping[str, Any]]) -> tuple[Place, ...]:
    """Where bottles lie, the most of them first."""
    counts: dict[tuple[str | None, str | None], int] = {}
    for row in rows:
        where = (row["location"], row["bin"])
        counts[where] = counts.get(where, 0) + 1
    places = [Place(location, bin_, count) for (location, bin_), count in counts.items()]
    return tuple(sorted(places, key=lambda place: (-place.bottles, place.label)))


def section_of(standing: Standing, as_of: date) -> Section:
    """Where a bottle belongs: at risk past its best or within a year of its end, open in its window, leave before it."""
    if standing.phase == "hold":
        return "leave"
    ends_soon = standing.drink_by is not None and standing.drink_by - as_of <= AT_RISK_WITHIN
    if standing.phase in ("late", "past") or ends_soon:
        return "at_risk"
    return "open" if standing.phase in ("early", "peak") else "unknown"
