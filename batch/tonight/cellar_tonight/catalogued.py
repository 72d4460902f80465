"""An export as the services take it: wines under the catalogue's ids where it has them, described by their facts, ratings as a history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import polars as pl

from cellar_shared.events.matching.evidence import WineWords
from cellar_shared.events.matching.matches import Catalogue
from cellar_shared.events.scales import SCALES
from cellar_shared.events.tables import DataFolder
from cellar_shared.service.wire import HISTORY_MOST, About, HistoryRow

SCALE = SCALES["0-100"]


@dataclass(frozen=True, slots=True)
class Catalogued:
    """The export's wines (rows of table wines) by their own ids, and the catalogue's id of each that it has."""

    wines: Mapping[str, Mapping[str, Any]]
    matches: Mapping[str, str]

    @classmethod
    def of(cls, wines: pl.DataFrame, catalogue: Path | None) -> Self:
        """The export's `wines`, looked for by name, producer, place and grape in the data folder `catalogue`; BadInput where it is none."""
        rows = {str(row["wine_id"]): row for row in wines.iter_rows(named=True)}
        if catalogue is None:
            return cls(rows, {})
        folder = DataFolder.open(catalogue)
        folder.parts("wines")
        known = Catalogue([WineWords.of(row) for row in folder.scan("wines").collect().iter_rows(named=True)])
        found = [known.match(WineWords.of(row)) for row in rows.values()]
        return cls(rows, {match.wine_id: match.other for match in found if match.other is not None})

    def wine_id(self, wine_id: str) -> str:
        """The id under which services know the wine with that id of the export."""
        return self.matches.get(wine_id, wine_id)

    def vintage(self, wine_id: str) -> Any:
        """The wine's vintage as a request has it."""
        return vintage_asked(self.wines[wine_id]["vintage"])

    def about(self, wine_id: str) -> About:
        """The wine's facts as a request has them."""
        row = self.wines[wine_id]
        grapes = list(row["canonical_grapes"] or row["grapes"] or ())[:32]
        region = row["canonical_region"] or row["region"]
        return About(row["producer"], row["type"], grapes or None, row["country"], region, row["price"])

    def history(self, ratings: pl.DataFrame) -> list[HistoryRow]:
        """The member's newest ratings, as many as a request may hold; defective bottles say nothing."""
        newest = ratings.filter(~pl.col("defective")).sort("rated_at", "event_id", nulls_last=False).tail(HISTORY_MOST)
        return [
            HistoryRow(
                self.wine_id(row["wine_id"]),
                row["rating_raw"],
                self.vintage(row["wine_id"]),
                row["rated_at"],
                self.about(row["wine_id"]),
            )
            for row in newest.iter_rows(named=True)
        ]


def vintage_asked(vintage: int | None) -> Any:
    """A table's vintage as a request has it: a year, "NV", or None."""
    return "NV" if vintage == 0 else vintage
