"""What to buy next: the recommender asked in process with the member's ratings as a history and their bottles as a cellar."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import polars as pl

from cellar_recommender.serving.contract import BottleGiven, Item, RecommenderAnswer, RecommenderRequest
from cellar_recommender.serving.service import RecommenderService
from cellar_shared.errors import BadInput
from cellar_shared.events.tables import DataFolder
from cellar_shared.service.contract import NotYet, RequestContext
from cellar_shared.service.problems import Problem
from cellar_shared.service.timing import Stages
from cellar_shared.store.opening import open_store
from cellar_tonight.catalogued import SCALE, Catalogued, vintage_asked
from cellar_tonight.evening import Because, Suggestion, Wine
from cellar_tonight.taste import Model

WINES: Final = 10


@dataclass(frozen=True, slots=True)
class Buying:
    """Wines to buy, best first, the version of what answered, and what the member should know of it."""

    wines: tuple[Suggestion, ...]
    model: str
    notes: tuple[str, ...]


def to_buy(
    model: Model, bottles: pl.DataFrame, ratings: pl.DataFrame, known: Catalogued, catalogue: Path | None, as_of: datetime | None
) -> Buying:
    """At most WINES of the store's catalogue that the member has neither rated nor there nor on the way, asked as of `as_of` (None: now).

    `bottles` and `ratings` are rows of the export's tables; the data folder `catalogue` says how wines are called and what they cost.
    BadInput or Incompatible when bundle, store or catalogue cannot be taken.
    """
    history = known.history(ratings)
    service = RecommenderService(model.bundle, open_store(model.store))
    try:
        service.load()
    except NotYet as error:
        raise BadInput(f"--store {model.store}: {error}") from error
    request = RecommenderRequest(
        history=history, cellar=_cellar(bottles, known), scale=SCALE.name, intent="buy", limit=WINES, explain=True, as_of=as_of
    )
    answer = asyncio.run(_asked(service, request))
    rows = {} if catalogue is None else _rows(catalogue, [item.wine_id for item in answer.items])
    rated = {known.wine_id(wine_id) for wine_id in ratings["wine_id"].unique().to_list()}
    found = len(rated & set(known.matches.values()))
    has = f"it has {found:,} of the {len(rated):,} wines you rated" if rated else "you rated none, so that it goes by what others like"
    note = f"What to buy is chosen among {answer.matched:,} wines of the catalogue that you neither have nor rated; {has}."
    degraded = [f"What to buy is degraded: {', '.join(sorted(answer.degraded))}."] if answer.degraded else []
    return Buying(
        tuple(_suggestion(item, rows.get(item.wine_id)) for item in answer.items),
        f"recommender {answer.model.version}",
        (note, *degraded),
    )


async def _asked(service: RecommenderService, request: RecommenderRequest) -> RecommenderAnswer:
    try:
        return await service.score(request, RequestContext(uuid4().hex, datetime.now(UTC), Stages()))
    except Problem as problem:
        raise BadInput(f"the recommender bundle cannot answer: {problem.detail}") from problem
    finally:
        await service.close()


def _cellar(bottles: pl.DataFrame, known: Catalogued) -> list[BottleGiven]:
    """The bottles that are there or on their way."""
    kept = bottles.filter(pl.col("state") != "consumed")
    return [
        BottleGiven(row["bottle_id"], known.wine_id(row["wine_id"]), vintage_asked(row["vintage"]), state=row["state"])
        for row in kept.iter_rows(named=True)
    ]


def _rows(catalogue: Path, wine_ids: list[str]) -> dict[str, dict[str, Any]]:
    """The catalogue's rows of these wines."""
    found = DataFolder.open(catalogue).scan("wines").filter(pl.col("wine_id").is_in(wine_ids)).collect()
    return {row["wine_id"]: row for row in found.iter_rows(named=True)}


def _suggestion(item: Item, row: Mapping[str, Any] | None) -> Suggestion:
    whys = tuple(Because(reason.code, reason.text, reason.effect) for reason in item.reasons)
    vintage = 0 if item.vintage == "NV" else None if item.vintage is None else int(item.vintage)
    if row is None:
        wine = Wine(item.wine_id, None, item.wine_id, None, vintage, None, None, None, None)
        return Suggestion(wine, item.probability, None, None, whys)
    wine = Wine(
        wine_id=item.wine_id,
        key=None,
        name=_name(row["name"], row["producer"]),
        producer=row["producer"],
        vintage=vintage,
        type=row["type"],
        colour=None,
        country=row["country"],
        region=row["region"],
        grapes=tuple(row["grapes"] or ()),
    )
    return Suggestion(wine, item.probability, row["price"], row["currency"], whys)


def _name(name: str, producer: str | None) -> str:
    return name if not producer or producer.casefold() in name.casefold() else f"{producer} {name}"
