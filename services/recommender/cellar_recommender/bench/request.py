"""One request, stage by stage, as a service would answer it: what the bench times, and the seam at which the whole is put in."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final, Protocol, Self

import msgspec
import numpy as np

from cellar_recommender.serving.catalogue import Catalogue
from cellar_recommender.serving.golden import questions_of
from cellar_recommender.serving.merging import NONE, QUOTAS, best, merge
from cellar_recommender.serving.ranking import Pool, pair_features
from cellar_recommender.serving.recommender import Recommender
from cellar_recommender.serving.recommending import CANDIDATES
from cellar_recommender.serving.sources import ITEM_ITEM, POPULAR, TOWERS, Asked
from cellar_recommender.serving.towers import WINDOWS, Float32s, Int64s
from cellar_shared.features.histories import Events, history_of
from cellar_shared.features.tastings import ITEM_FEATURES
from cellar_shared.store.generation import Generation

Lap = Callable[[str], None]

_LIKED: Final = list(ITEM_FEATURES).index("liked")


class Served(Protocol):
    """Answers one member's request, and names each stage to `lap` when it ends."""

    def __call__(self, events: Events, lap: Lap) -> object: ...


class StageFigures(msgspec.Struct, frozen=True):
    """Milliseconds of one stage, or of the whole, over all requests."""

    name: str
    median_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Stages:
    """What every answer takes: features, towers, retrieve, rank; (1, CANDIDATES) rows and their scores."""

    recommender: Recommender
    generation: Generation
    catalogue: Catalogue
    item_rows: Int64s  # (items,) rows of the wines that go together, -1 for one that the catalogue lacks

    @classmethod
    def of(cls, recommender: Recommender, generation: Generation, catalogue: Catalogue) -> Self:
        """The stages on one bundle's catalogue of one generation."""
        rows = generation.index.rows_of(recommender.sources.item_item.identities).astype(np.int64)
        return cls(recommender, generation, catalogue, rows)

    def __call__(self, events: Events, lap: Lap) -> tuple[Int64s, Float32s]:
        generation, sources = self.generation, self.recommender.sources
        as_of = generation.manifest.events_through
        history, _ = history_of(events, generation.wines, as_of, self.recommender.history_limit)
        asked = self.recommender.asked(questions_of(history, as_of), generation.counts)
        lap("features")
        vector = sources.towers.members(asked.member)
        lap("towers")
        rows = self._retrieved(asked, vector, np.unique(events["row"]))
        lap("retrieve")
        pool = self._pool(asked, vector, rows)
        scores = pool.tower + self.recommender.forest.scores(pair_features(pool, sources.item_item))
        lap("rank")
        return rows, np.where(pool.is_there, scores, -np.inf).astype(np.float32)

    def _retrieved(self, asked: Asked, vector: Float32s, rated: Int64s) -> Int64s:
        near = self.catalogue.index.search(vector, CANDIDATES + len(rated)).rows.astype(np.int64)
        popular = self.catalogue.popular[np.newaxis, : CANDIDATES + len(rated)]
        item_item = self.recommender.sources.item_item
        liked = asked.member.item[..., _LIKED] * asked.member.mask
        together = item_item.scores(item_item.places(asked.tasted["wine"]), liked)
        together = np.where((self.item_rows >= 0) & (liked > 0).any(), together, -np.inf).astype(np.float32)
        places = best(together, CANDIDATES + len(rated)) if together.shape[1] else np.zeros((1, 0), dtype=np.int64)
        proposed = {TOWERS: near, ITEM_ITEM: np.append(self.item_rows, NONE)[places], POPULAR: popular}
        lists = {name: np.where(np.isin(rows, rated), NONE, rows) for name, rows in proposed.items()}
        return merge(lists, QUOTAS, CANDIDATES)[0]

    def _pool(self, asked: Asked, vector: Float32s, candidates: Int64s) -> Pool:
        shelf, rows = self.catalogue.shelf, np.maximum(candidates, 0)
        return Pool(
            asked=shelf.wines[rows],
            is_there=candidates != NONE,
            tower=np.matmul(shelf.vectors[rows], vector[:, :, np.newaxis])[..., 0],
            member=asked.member,
            tasted=asked.tasted,
            features=shelf.features[rows],
            likes=shelf.likes[rows],
            total_likes=np.broadcast_to(self.catalogue.total_likes, (len(rows), len(WINDOWS))),
        )


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
