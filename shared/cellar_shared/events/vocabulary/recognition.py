"""How much of a folder's wines and windows the vocabularies know, and what they miss; imports and `cellar data check` print it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import polars as pl

from cellar_shared.events.tables import DataFolder
from cellar_shared.events.vocabulary.canonical import KINDS, PLACEHOLDERS, Kind, canonical, country_code, made_of, place_of
from cellar_shared.events.vocabulary.words import folded

SHOWN_MISSES: Final = 20
TABLES: Final = ("wines", "windows")


class Recognised(msgspec.Struct):
    """Of one kind of word: in how many cells something stands, how many of those are known, and the unknown ones by number of cells."""

    cells: int = 0
    known: int = 0
    misses: dict[str, int] = {}

    @property
    def share(self) -> float | None:
        """The share of cells that is known, 0 to 1; None where nothing stands."""
        return self.known / self.cells if self.cells else None


def recognised_in(folder: DataFolder) -> dict[Kind, Recognised]:
    """What the vocabularies know of the folder's wines and windows, for each kind of word; memory grows with the distinct words."""
    found = {kind: Recognised(misses={}) for kind in KINDS}
    for table in TABLES:
        if table in folder.manifest.tables:
            for kind, text, country, cells in _words(folder.scan(table)):
                _count(found[kind], kind, text, country, cells)
    return found


def _words(frame: pl.LazyFrame) -> list[tuple[Kind, str, str | None, int]]:
    have = frame.collect_schema().names()
    words: list[tuple[Kind, str, str | None, int]] = []
    for kind, column in (("type", "type"), ("country", "country"), ("region", "region"), ("region", "province"), ("grape", "grapes")):
        if column not in have:
            continue
        cells = frame.select(pl.col(column).alias("text"), pl.col("country").alias("of"))
        if kind == "grape":
            cells = cells.explode("text", empty_as_null=True, keep_nulls=True)
        counted = (
            cells.drop_nulls("text").group_by("text", "of").agg(pl.len().alias("cells")).sort("text", "of").collect(engine="streaming")
        )
        words += [(kind, text, country, count) for text, country, count in counted.iter_rows()]  # type: ignore[misc]
    return words


def _count(found: Recognised, kind: Kind, text: str, country: str | None, cells: int) -> None:
    if folded(text) in PLACEHOLDERS:
        return
    found.cells += cells
    known = made_of(text) is not None if kind == "grape" else canonical(kind, text, country) is not None
    if known:
        found.known += cells
    else:
        found.misses[text] = found.misses.get(text, 0) + cells


def facts_of(found: Mapping[Kind, Recognised]) -> dict[str, Any]:
    """The same as plain values for JSON: shares, and the most frequent misses with their number of cells."""
    return {
        kind: {"cells": each.cells, "share": None if each.share is None else round(each.share, 4), "misses": _most_frequent(each.misses)}
        for kind, each in found.items()
        if each.cells
    }


def _most_frequent(misses: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(misses.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_MISSES])


def line_of(found: Mapping[Kind, Recognised], *, misses: int = 5) -> str:
    """One line for a person: the shares, and the most frequent `misses` of each kind."""
    parts = []
    for kind, each in found.items():
        if each.share is not None:
            missed = [repr(text) for text in list(_most_frequent(each.misses))[:misses]]
            rest = len(each.misses) - len(missed)
            listed = f" (not {', '.join(missed)}{f' and {rest} more' if rest > 0 else ''})" if missed else ""
            parts.append(f"{kind} {each.share:.1%}{listed}")
    return "recognised: " + "; ".join(parts) if parts else ""


def with_vocabulary(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of table wines or windows with `country_code`, `canonical_region` and `canonical_grapes` added, where the source has none."""
    made: list[pl.Series] = []
    if "country_code" not in rows.columns:
        codes = {name: country_code(name) for name in rows["country"].unique().to_list() if name}
        made.append(pl.Series("country_code", [codes.get(name) for name in rows["country"]], dtype=pl.String))
    if "canonical_region" not in rows.columns:
        named = [rows[column] for column in ("region", "province") if column in rows.columns]
        made.append(
            pl.Series(
                "canonical_region",
                [_place(country, *names) for country, *names in zip(rows["country"], *named, strict=True)],
                dtype=pl.String,
            )
        )
    if "canonical_grapes" not in rows.columns:
        grapes = [_spelled(each) for each in rows["grapes"].to_list()]
        made.append(pl.Series("canonical_grapes", grapes, dtype=pl.List(pl.String)))
    return rows.with_columns(made)


def _place(country: str | None, *names: str | None) -> str | None:
    found = (place_of(name, country) for name in names if name)
    return next((place.name for place in found if place), None)


def _spelled(grapes: list[str] | None) -> list[str] | None:
    if not grapes:
        return None
    found = [made for grape in grapes if (made := made_of(grape))]
    return list(dict.fromkeys(grape for made in found for grape in made.grapes)) or None
