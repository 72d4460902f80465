"""Decides what each contestant's ranks are worth on one split's questions, and whether a difference is more than chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.merging import NONE, best
from cellar_recommender.training.evaluation.metrics import measures, ranks_of
from cellar_recommender.training.evaluation.verdict import Contestant, PairedDifference
from cellar_shared.evaluation.bootstrap import cluster_codes, interval_95, resample_ratios, sum_by_cluster
from cellar_shared.evaluation.estimate import Estimate

Int64s = npt.NDArray[np.int64]
FIRST: Final = 10
PAIRED: Final = ("ndcg_10", "recall_10", "recall_50", "mrr")


@dataclass(slots=True)
class Standings:
    """One contestant's answers, gathered some questions at a time: ranks, and which wines its first tens hold."""

    wines: int
    ranks: list[Int64s] = field(default_factory=list)
    shown: npt.NDArray[np.int64] = field(init=False)
    popularity: float = 0.0

    def __post_init__(self) -> None:
        self.shown = np.zeros(self.wines, dtype=np.int64)

    def add(self, scores: npt.NDArray[np.floating], answers: Int64s, year_likes: npt.NDArray[np.floating]) -> None:
        """Take `scores` (questions, wines), -inf where nothing may be recommended; `year_likes` (wines,) of the day."""
        self.ranks.append(ranks_of(scores, answers))
        first = best(np.asarray(scores, dtype=np.float32), FIRST)
        first = first[first != NONE]
        self.shown += np.bincount(first, minlength=self.wines)
        self.popularity += float(year_likes[first].sum())

    @property
    def of_all(self) -> Int64s:
        return np.concatenate(self.ranks)


def judge_contestants(
    standings: Mapping[str, Standings], clusters: Int64s, liked_popularity: float, pairs: Sequence[tuple[str, str]], seed: int
) -> tuple[dict[str, Contestant], list[PairedDifference]]:
    """Each contestant's measures with 95 % intervals over `clusters` (questions,), and each pair's differences on the same resamples.

    `liked_popularity` is the mean of the likes that the answers had had in the year before.
    """
    sampled = {name: _sampled(measures(of.of_all, of.wines), clusters, seed) for name, of in standings.items()}
    contestants = {}
    for name, of in standings.items():
        shown = int(of.shown.sum())
        lift = of.popularity / shown / liked_popularity if shown and liked_popularity else None
        estimates = {measure: estimate(value, drawn) for measure, (value, drawn) in sampled[name].items()}
        contestants[name] = Contestant(estimates, float((of.shown > 0).mean()), lift)
    differences = []
    for measure in PAIRED:
        for first, second in pairs:
            (one, one_drawn), (other, other_drawn) = sampled[first][measure], sampled[second][measure]
            differences.append(PairedDifference(first, second, measure, estimate(one - other, one_drawn - other_drawn)))
    return contestants, differences


def estimate_of(values: npt.NDArray[np.float64], clusters: Int64s, seed: int) -> Estimate:
    """The mean of `values` (questions,) with its 95 % interval over clusters."""
    return estimate(*_sampled({"it": values}, clusters, seed)["it"])


def estimates_of_each(values: Mapping[str, npt.NDArray[np.float64]], seed: int) -> dict[str, Estimate]:
    """The mean of each measure's `values` (members,), one a member, with its 95 % interval over them."""
    members = len(next(iter(values.values())))
    return {name: estimate(*found) for name, found in _sampled(values, np.arange(members), seed).items()}


def estimate(value: float, drawn: npt.NDArray[np.float64]) -> Estimate:
    """A value with the interval of its resamples; none where they say nothing."""
    low, high = interval_95(value, drawn)
    return Estimate(*(number if math.isfinite(number) else None for number in (value, low, high)))


def _sampled(
    values: Mapping[str, npt.NDArray[np.float64]], clusters: Int64s, seed: int
) -> dict[str, tuple[float, npt.NDArray[np.float64]]]:
    codes, count = cluster_codes(clusters)
    above = np.stack([sum_by_cluster(codes, of, count) for of in values.values()], axis=1)
    below = np.repeat(sum_by_cluster(codes, np.ones(len(codes)), count)[:, None], above.shape[1], axis=1)
    drawn = resample_ratios(above, below, seed=seed)
    if count < 2:  # one cluster drawn again and again shows no spread, which is not certainty
        drawn[:] = np.nan
    return {name: (float(values[name].mean()), drawn[:, place]) for place, name in enumerate(values)}
