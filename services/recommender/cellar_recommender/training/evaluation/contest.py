"""Lets contestants answer the same questions: the whole recommender, its parts, and what it must beat; evaluation calls it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.forest import Forest
from cellar_recommender.serving.recommending import CANDIDATES, Retrieved, order_of_all, rank, retrieve, without
from cellar_recommender.serving.sources import SOURCES, TOWERS, Sources
from cellar_recommender.serving.towers import WINDOWS, Towers, wine_inputs
from cellar_recommender.training.asking import Group, groups
from cellar_recommender.training.baselines import BASELINES, Scorer
from cellar_recommender.training.evaluation.at_once import AtOnce, Once
from cellar_recommender.training.evaluation.judge import Standings, estimate_of, estimates_of_each, judge_contestants
from cellar_recommender.training.evaluation.metrics import ranks_of, recall_at
from cellar_recommender.training.evaluation.price import MOST_ASKED, Prices
from cellar_recommender.training.evaluation.verdict import SplitVerdict
from cellar_recommender.training.item_item import likes_matrix
from cellar_recommender.training.rows import LikedRows
from cellar_shared.features.identity import UNKNOWN
from cellar_shared.store.looking_back import Span
from cellar_shared.store.rating_log import RatingLog

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]

WHOLE: Final = "recommender"
TOWERS_ALONE: Final = "towers"
NO_LOGQ: Final = "towers, no logQ"
BY_FACTS: Final = "towers, facts alone"
POPULARITY: Final = {"popularity, 90 days": "90d", "popularity, 365 days": "365d"}
YEAR: Final = WINDOWS.index("365d")


@dataclass(frozen=True, slots=True)
class Told:
    """What a verdict says of its questions; `cluster` is what its intervals resample; `is_new`: members are new, so ask once as well."""

    name: str
    title: str
    cluster: Literal["member", "wine"]
    trained_through: str
    note: str
    is_new: bool = False


def learn_scorers(log: RatingLog, train: npt.NDArray[np.bool_]) -> dict[str, Scorer]:
    """The baselines, out of the likes among the ratings that `train` (ratings,) marks."""
    liked = train & log.events["liked"].astype(bool) & (log.events["row"] >= 0)
    likes = likes_matrix(log.members[liked], log.events["row"][liked].astype(np.int64), len(log.wines))
    return {name: make(likes) for name, make in BASELINES.items()}


@dataclass(frozen=True, slots=True)
class Contest:
    """Who competes: sources and forest as one and apart, baselines, towers that learnt without logQ.

    With `is_taken_apart` also the whole without each source. With `is_by_facts` also the towers where every wine is shown as one that
    nobody has rated, by a producer nobody knows: how well a wine is placed by what it is, apart from how much more is known of others.
    """

    sources: Sources
    forest: Forest
    scorers: Mapping[str, Scorer] = field(default_factory=dict)
    uncorrected: Towers | None = None
    is_taken_apart: bool = False
    is_by_facts: bool = False

    def judge(self, rows: LikedRows, span: Span, told: Told, seed: int) -> SplitVerdict:
        """What everyone's answers to the rows are worth, looking back at `span`."""
        catalogue = len(rows.log.wines)
        standings: dict[str, Standings] = {}
        recalled: dict[str, list[Float64s]] = {}
        once, at_once, prices = Once.of(rows), dict[str, AtOnce](), Prices()
        is_priced = np.random.default_rng(seed).permutation(len(rows)) < MOST_ASKED
        order, popularity = [], []
        for group in groups(rows, span, self.sources):
            answers = rows.wine_rows[group.places]
            retrieved = retrieve(self.sources, group.asked, group.shelf, group.rated)
            ranked = rank(self.forest, self.sources, group.asked, group.shelf, retrieved)
            year = group.shelf.likes[:, YEAR]
            for name, scores in self._answers(rows, group, retrieved, ranked):
                offered = np.where(group.rated, -np.inf, scores)
                standings.setdefault(name, Standings(catalogue)).add(offered, answers, year)
                for place in np.flatnonzero(once.is_first[group.places]) if told.is_new else ():
                    at_once.setdefault(name, AtOnce()).add(offered[place], once.likes[int(group.places[place])])
            for place in np.flatnonzero(is_priced[group.places]):
                prices.add(retrieved.proposed.rows[place], ranked[place], group.shelf.vectors, int(answers[place]))
            for name, found in _recall(group, retrieved, answers).items():
                recalled.setdefault(name, []).append(found)
            order.append(group.places)
            popularity.append(year[answers])
        asked = np.concatenate(order)
        clusters = (rows.members if told.cluster == "member" else rows.wine_rows)[asked].astype(np.int64)
        pairs = [(WHOLE, other) for other in standings if other != WHOLE]
        pairs += [(TOWERS_ALONE, other) for other in (*self.scorers, NO_LOGQ) if other in standings]
        contestants, differences = judge_contestants(standings, clusters, float(np.concatenate(popularity).mean()), pairs, seed)
        return SplitVerdict(
            name=told.name,
            title=told.title,
            questions=len(rows),
            members=len(np.unique(rows.members)),
            wines=len(np.unique(rows.wine_rows)),
            catalogue=catalogue,
            cluster=told.cluster,
            contestants=contestants,
            differences=differences,
            candidate_recall={name: estimate_of(np.concatenate(found), clusters, seed) for name, found in recalled.items()},
            diversity=prices.told(clusters[is_priced[asked]], seed),
            at_once={name: estimates_of_each(of.arrays(), seed) for name, of in at_once.items()},
            trained_through=told.trained_through,
            note=told.note,
        )

    def _answers(self, rows: LikedRows, group: Group, retrieved: Retrieved, ranked: Float32s) -> Iterator[tuple[str, Float32s]]:
        """Each contestant's scores of every wine for the group's questions; (questions, wines)."""
        yield WHOLE, order_of_all(retrieved, ranked)
        yield TOWERS_ALONE, retrieved.scores[TOWERS]
        for name, window in POPULARITY.items():
            yield name, np.broadcast_to(group.shelf.likes[:, WINDOWS.index(window)], group.rated.shape)
        for name, scorer in self.scorers.items():
            yield name, scorer(group.likes)
        for source in SOURCES if self.is_taken_apart else ():
            fewer = without(retrieved, source, group.rated)
            yield f"without {source}", order_of_all(fewer, rank(self.forest, self.sources, group.asked, group.shelf, fewer))
        day = int(rows.days[group.places[0]])
        if self.is_by_facts:
            wines, hidden = group.shelf.wines.copy(), np.ones(len(group.shelf.wines), dtype=bool)
            wines["producer"] = UNKNOWN  # many have one wine only
            inputs, _ = wine_inputs(self.sources.encoder, wines, rows.counts, day, hidden, with_notes=self.sources.with_notes)
            yield BY_FACTS, np.asarray(self.sources.towers.members(group.asked.member) @ self.sources.towers.wines(inputs).T, np.float32)
        if self.uncorrected is not None:
            inputs, _ = wine_inputs(self.sources.encoder, group.shelf.wines, rows.counts, day, with_notes=self.sources.with_notes)
            vectors = self.uncorrected.members(group.asked.member), self.uncorrected.wines(inputs)
            yield NO_LOGQ, np.asarray(vectors[0] @ vectors[1].T, dtype=np.float32)


def _recall(group: Group, retrieved: Retrieved, answers: npt.NDArray[np.int64]) -> dict[str, Float64s]:
    """Whether the answer is among each source's best, and among the merged candidates; (questions,) each."""
    found = {
        name: recall_at(CANDIDATES, ranks_of(np.where(group.rated, -np.inf, scores), answers)) for name, scores in retrieved.scores.items()
    }
    return found | {"merged": (retrieved.proposed.rows == answers[:, None]).any(axis=1).astype(np.float64)}
