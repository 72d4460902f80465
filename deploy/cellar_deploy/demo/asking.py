"""Whom and what the demo asks about, and how: one member of the data, its wines by name, questions over HTTP; each table is made of it."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

import msgspec
import polars as pl
from rich.console import Console

from cellar_shared.errors import CellarError
from cellar_shared.events.tables import DataFolder

ASKED: Final = 4  # unseen ratings that are shown
CELLAR: Final = 12  # bottles that make a cellar to choose from (judgement)
WIDEST: Final = 44
console = Console(width=120)


@dataclass(frozen=True, slots=True)
class Demo:
    """What there is to ask: the services' `urls` by model, the data, and the ratings that the models have not seen.

    `member_id` is whom it is about, `rows` some of their unseen ratings, `evening` the moment of the newest rating of all.
    """

    folder: DataFolder
    wines: pl.DataFrame
    urls: Mapping[str, str]
    evening: datetime
    unseen: pl.DataFrame
    member_id: str
    rows: pl.DataFrame

    @classmethod
    def of(cls, folder: DataFolder, urls: Mapping[str, str], evening: datetime, trained_through: str) -> Self:
        """The questions about `folder`, whose models have seen what was rated before `trained_through`."""
        after = pl.lit(trained_through).str.to_datetime(time_unit="us", time_zone="UTC")
        unseen = folder.scan("ratings").filter(pl.col("rated_at") >= after).sort("rated_at", "event_id").collect()
        member_id = _well_known(folder, unseen)
        rows = unseen.filter(pl.col("member_id") == member_id).head(ASKED)
        return cls(folder, folder.scan("wines").collect(), urls, evening, unseen, member_id, rows)

    def ask(self, model: str, request: dict[str, Any]) -> Any:
        """The answer of `model`; CellarError for any other than that."""
        status, answer = post(self.urls[model], request)
        if status != http.HTTPStatus.OK:
            raise CellarError(f"{model} answered {status}: {answer}")
        return answer

    def wine(self, wine_id: str) -> dict[str, Any]:
        """A wine of the catalogue as its row."""
        return self.wines.row(by_predicate=pl.col("wine_id") == wine_id, named=True)

    def label(self, wine_id: str, vintage: int | str | None) -> str:
        """A wine as people say it."""
        row = self.wine(wine_id)
        parts = [str(vintage) if vintage else None, row["producer"], row["name"]]
        return " ".join(part for part in parts if part)


def post(url: str, request: dict[str, Any]) -> tuple[int, Any]:
    """POST `request` to the service's /score; the status and the decoded answer."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request("POST", "/score", msgspec.json.encode(request), {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, msgspec.json.decode(response.read())
    finally:
        connection.close()


def _well_known(folder: DataFolder, unseen: pl.DataFrame) -> str:
    """Of the members with the most unseen ratings (at most ASKED) and bottles (at most CELLAR), the one with the longest history."""
    ratings = folder.scan("ratings").group_by("member_id").len("ratings").collect()
    counts = unseen.group_by("member_id").len("unseen").join(ratings, on="member_id")
    if "bottles" in folder.manifest.tables:
        there = folder.scan("bottles").filter(pl.col("state") == "stored").group_by("member_id").len("bottles").collect()
        counts = counts.join(there, on="member_id", how="left").with_columns(pl.col("bottles").fill_null(0))
    else:
        counts = counts.with_columns(bottles=pl.lit(0))
    capped = counts.with_columns(pl.col("unseen").clip(upper_bound=ASKED), pl.col("bottles").clip(upper_bound=CELLAR))
    best = capped.sort("unseen", "bottles", "ratings", "member_id", descending=[True, True, True, False])
    return str(best["member_id"][0])
