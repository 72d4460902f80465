"""How far the member is likely to like each wine: a preference bundle's percentage, else what scores there are.

Scores are not chances. Where no bundle answers they only order a cellar's wines among each other, drawn towards the middle by how little
one score says: the member's own strongly, the community's weakly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import polars as pl

from cellar_preference.serving.contract import PreferenceRequest, WineAsked
from cellar_preference.serving.service import PreferenceService
from cellar_shared.errors import BadInput
from cellar_shared.service.contract import NotYet, RequestContext
from cellar_shared.service.problems import Problem
from cellar_shared.service.timing import Stages
from cellar_shared.service.wire import WINES_MOST, HistoryRow
from cellar_shared.store.opening import open_store
from cellar_tonight.catalogued import SCALE, Catalogued
from cellar_tonight.evening import Taste

# How a score moves the neutral .5, a unit of the scale (5 points) from its line of a like (judgement), and how far at most.
OWN, COMMUNITY = 0.2, 0.1
FURTHEST: Final = 0.45


@dataclass(frozen=True, slots=True)
class Model:
    """Where percentages or recommendations come from: a bundle, and the store of the catalogue that it learnt from."""

    bundle: Path
    store: str


@dataclass(frozen=True, slots=True)
class Tastes:
    """A Taste by wine_id, the version of what answered, and what the member should know of it."""

    of: Mapping[str, Taste]
    model: str | None = None
    notes: tuple[str, ...] = ()


def by_scores(wines: pl.DataFrame, ratings: pl.DataFrame) -> Tastes:
    """Taste by what scores there are; rows of tables wines and ratings of one member."""
    own = _own_scores(ratings)
    return Tastes({row["wine_id"]: _of_scores(own.get(row["wine_id"]), row["community_score"]) for row in wines.iter_rows(named=True)})


def _own_scores(ratings: pl.DataFrame) -> dict[str, float]:
    """The member's own latest score of each wine; a defective bottle says nothing of the wine."""
    whole = ratings.filter(~pl.col("defective")).sort("rated_at", "event_id", nulls_last=False)
    return {str(row["wine_id"]): float(row["rating_raw"]) for row in whole.iter_rows(named=True)}


def _of_scores(own: float | None, community: float | None) -> Taste:
    score, weight, basis = (own, OWN, "own") if own is not None else (community, COMMUNITY, "community")
    if score is None:
        return Taste(None, None)
    moved = weight * (score - SCALE.liked_from) / SCALE.unit
    return Taste(0.5 + min(max(moved, -FURTHEST), FURTHEST), basis, own, community)


def by_model(model: Model, wines: pl.DataFrame, ratings: pl.DataFrame, known: Catalogued, as_of: datetime | None) -> Tastes:
    """Taste by the percentages of a preference bundle, asked as of `as_of` (None: now) with the member's ratings as a history.

    BadInput or Incompatible when bundle or store cannot be taken. A wine that no match knows is described to the bundle.
    """
    scored = by_scores(wines, ratings)
    history = known.history(ratings)
    service = PreferenceService(model.bundle, open_store(model.store))
    try:
        service.load()
    except NotYet as error:
        raise BadInput(f"--store {model.store}: {error}") from error
    asked = [WineAsked(known.wine_id(wine_id), known.vintage(wine_id), known.about(wine_id)) for wine_id in known.wines]
    answers = asyncio.run(_asked(service, history, asked, as_of))
    tastes = {
        wine_id: Taste(answer.probability, "preference", scored.of[wine_id].own_score, scored.of[wine_id].community_score)
        for wine_id, answer in zip(known.wines, answers.results, strict=True)
    }
    bases = [answer.basis for answer in answers.results]
    note = (
        f"Percentages stand on {len(history):,} ratings of yours; {bases.count('catalogue'):,} of {len(bases):,} wines are known to the "
        f"catalogue, {bases.count('about'):,} by their facts, {bases.count('prior'):,} not at all."
    )
    degraded = [f"Percentages are degraded: {', '.join(sorted(answers.degraded))}."] if answers.degraded else []
    return Tastes(tastes, f"preference {answers.version}", (note, *degraded))


@dataclass(frozen=True, slots=True)
class _Answers:
    results: list[Any]
    version: str
    degraded: set[str]


async def _asked(service: PreferenceService, history: list[HistoryRow], wines: Sequence[WineAsked], as_of: datetime | None) -> _Answers:
    answers = _Answers([], service.metadata().versions[0], set())
    try:
        for some in _chunks(wines, WINES_MOST):
            request = PreferenceRequest(list(some), history=history, scale=SCALE.name, as_of=as_of)
            answer = await service.score(request, RequestContext(uuid4().hex, datetime.now(UTC), Stages()))
            answers.results.extend(answer.results)
            answers.degraded.update(answer.degraded)
    except Problem as problem:
        raise BadInput(f"the preference bundle cannot answer: {problem.detail}") from problem
    finally:
        await service.close()
    return answers


def _chunks(rows: Sequence[WineAsked], size: int) -> Iterator[Sequence[WineAsked]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
