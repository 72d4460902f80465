"""One request, stage by stage, by the very code that serves it: what the bench times."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final, Self

import msgspec
import numpy as np

from cellar_recommender.serving.answering import Engine, recommend
from cellar_recommender.serving.catalogue import Catalogue, Catalogues
from cellar_recommender.serving.contract import Item, RecommenderRequest
from cellar_recommender.serving.recommender import Recommender
from cellar_recommender.serving.rules import NO_RULES
from cellar_recommender.serving.telling import items_of
from cellar_recommender.serving.understanding import understand
from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.features.histories import Events
from cellar_shared.store.generation import Generation, Known
from cellar_shared.store.wishes import NO_WISHES

Lap = Callable[[str], None]

ASKED: Final = RecommenderRequest(member_id="somebody", intent="buy")


class StageFigures(msgspec.Struct, frozen=True):
    """Milliseconds of one stage, or of the whole, over all requests."""

    name: str
    median_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Served:
    """Answers what a member should buy as the service does once it has read the member: all but HTTP and the store."""

    engine: Engine

    @classmethod
    def of(cls, recommender: Recommender, generation: Generation, catalogue: Catalogue) -> Self:
        """On one bundle's catalogue of one generation."""
        rows = generation.index.rows_of(recommender.sources.item_item.identities).astype(np.int64)
        return cls(Engine(recommender, generation, Catalogues(recommender, generation, catalogue), rows, None, None, NO_RULES))

    @property
    def asked_at(self) -> int:
        """The first midnight before which everything that the generation knows counts, in microseconds since 1970."""
        return self.engine.catalogues.own.day * MICROSECONDS_PER_DAY

    def __call__(self, events: Events, lap: Lap) -> list[Item]:
        """The items for a member with these ratings, asked when all of the generation counts; `lap` hears of each stage when it ends."""
        limit = self.engine.recommender.history_limit
        known = Known(b"", events, None, NO_WISHES, 0)
        understood = understand(ASKED, [known], self.asked_at, self.engine.generation, limit, limit)
        lap("understand")
        made = recommend(self.engine, ASKED, understood, (), 0, lap)
        items = items_of(self.engine, made, understood, with_reasons=False)
        lap("tell")
        return items


def measure_requests(served: Served, members: Sequence[Events], rounds: int) -> list[StageFigures]:
    """Ask for each of `members` in turn, `rounds` times after one that warms up; each stage's figures, then those of the whole."""
    times: dict[str, list[float]] = {}
    whole: list[float] = []
    for turn in range(rounds + 1):
        for events in members:
            begun = since = perf_counter()
            laps: dict[str, float] = {}

            def lap(stage: str) -> None:
                nonlocal since
                now = perf_counter()
                laps[stage] = (now - since) * 1_000  # noqa: B023 - called within this turn
                since = now

            served(events, lap)
            if turn:
                whole.append((perf_counter() - begun) * 1_000)
                for stage, ms in laps.items():
                    times.setdefault(stage, []).append(ms)
    return [_figures(name, found) for name, found in [*times.items(), ("whole", whole)]]


def _figures(name: str, times: list[float]) -> StageFigures:
    return StageFigures(name, statistics.median(times), float(np.quantile(times, 0.95)))
