"""Decides what each contestant's probabilities are worth on one split's rows; called by `evaluate` and by training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cellar_preference.training.evaluation.metrics import Concordance, row_log_losses, row_squared_errors
from cellar_preference.training.evaluation.verdict import (
    Calibration,
    Cluster,
    ContestantVerdict,
    PairedDifference,
    PairedMetric,
    SplitVerdict,
)
from cellar_shared.calibration.measure import checked, ece, noise_floor, reliability, smece
from cellar_shared.evaluation.bootstrap import (
    cluster_codes,
    interval_95,
    resample_ratios,
    resample_weighted,
    sum_by_cluster,
)
from cellar_shared.evaluation.estimate import Estimate

Floats = NDArray[np.float64]
PAIRED: tuple[PairedMetric, ...] = ("log_loss", "brier", "auc")


@dataclass(frozen=True, slots=True)
class _Sampled:
    """A metric's value and its resampled values (resamples,)."""

    value: float
    resampled: Floats

    def estimate(self) -> Estimate:
        low, high = interval_95(self.value, self.resampled)
        return Estimate(*(number if math.isfinite(number) else None for number in (self.value, low, high)))

    def minus(self, other: _Sampled) -> _Sampled:
        return _Sampled(self.value - other.value, self.resampled - other.resampled)


@dataclass(frozen=True, slots=True)
class _Rows:
    """A split's labels (rows,) float64, each row's member and cluster as codes, and what is resampled."""

    labels: Floats
    members: NDArray[np.int64]
    codes: NDArray[np.int64]
    clusters: int
    cluster: Cluster


def judge_split(
    name: str,
    title: str,
    labels: ArrayLike,
    members: ArrayLike,
    wines: ArrayLike,
    contestants: Mapping[str, ArrayLike],
    cluster: Cluster,
    pairs: Sequence[tuple[str, str]] = (),
    seed: int = 0,
    *,
    trained_through: str | None = None,
    note: str = "",
) -> SplitVerdict:
    """Judge contestants (name to probabilities (rows,)) on rows with labels 0/1 and any sortable member and wine ids.

    Intervals resample whole members or whole wines, as `cluster` says; every contestant sees the same resamples, so
    each of `pairs` (first, second) gets the interval of its difference first minus second. Equal input and seed give
    an equal verdict. ValueError names the contestant, the pair or the rows that cannot be judged.
    """
    if cluster not in ("member", "wine"):
        raise ValueError(f"split {name!r}: cluster is {cluster!r}; give 'member' or 'wine'")
    if not contestants:
        raise ValueError(f"split {name!r} has no contestants; give at least one array of probabilities")
    for unknown in {one for pair in pairs for one in pair} - set(contestants):
        raise ValueError(f"split {name!r}: a pair names {unknown!r}, which is none of {', '.join(contestants)}")
    probabilities = {}
    for contestant, given in contestants.items():
        try:
            y, probabilities[contestant] = checked(labels, given)
        except ValueError as error:
            raise ValueError(f"split {name!r}, contestant {contestant!r}: {error}") from error
    member_codes, member_count = cluster_codes(members)
    wine_codes, wine_count = cluster_codes(wines)
    if not member_codes.shape == wine_codes.shape == y.shape:
        raise ValueError(
            f"split {name!r}: {y.size} labels, {member_codes.size} members and {wine_codes.size} wines; give one of each per row"
        )
    by_member = cluster == "member"
    codes, clusters = (member_codes, member_count) if by_member else (wine_codes, wine_count)
    rows = _Rows(y, member_codes, codes, clusters, cluster)
    sampled = _sample_ratios(rows, probabilities, seed) | _sample_ranks(rows, probabilities, seed)
    return SplitVerdict(
        name=name,
        title=title,
        rows=y.size,
        members=member_count,
        wines=wine_count,
        like_rate=float(y.mean()),
        cluster=cluster,
        contestants={contestant: _verdict(y, p, contestant, sampled, seed) for contestant, p in probabilities.items()},
        differences=tuple(
            PairedDifference(first, second, metric, sampled[first, metric].minus(sampled[second, metric]).estimate())
            for metric in PAIRED
            for first, second in pairs
        ),
        trained_through=trained_through,
        note=note,
    )


def _sample_ratios(rows: _Rows, probabilities: Mapping[str, Floats], seed: int) -> dict[tuple[str, str], _Sampled]:
    """What is a ratio of cluster sums, for all contestants in one pass over the resamples."""
    count = sum_by_cluster(rows.codes, np.ones_like(rows.labels), rows.clusters)
    sums: dict[tuple[str, str], tuple[Floats, Floats]] = {}
    for contestant, p in probabilities.items():
        of_rows = {
            "log_loss": row_log_losses(rows.labels, p),
            "brier": row_squared_errors(rows.labels, p),
            "bias": p - rows.labels,
        }
        for metric, values in of_rows.items():
            sums[contestant, metric] = sum_by_cluster(rows.codes, values, rows.clusters), count
        if rows.cluster == "member":  # each pair lies within one cluster, so pairs are summed per cluster too
            sums[contestant, "within_member_auc"] = Concordance.of(rows.labels, p, rows.members).sums()
    numerators = np.stack([above for above, _ in sums.values()], axis=1)
    denominators = np.stack([below for _, below in sums.values()], axis=1)
    totals = denominators.sum(axis=0)
    values = np.divide(numerators.sum(axis=0), totals, out=np.full_like(totals, np.nan), where=totals > 0)
    resampled = _unless_alone(rows, resample_ratios(numerators, denominators, seed=seed))
    return {key: _Sampled(float(values[i]), resampled[:, i]) for i, key in enumerate(sums)}


def _sample_ranks(rows: _Rows, probabilities: Mapping[str, Floats], seed: int) -> dict[tuple[str, str], _Sampled]:
    """What compares rows of different clusters, by weighting the rows with how often their cluster was drawn."""
    sampled = {}
    for contestant, p in probabilities.items():
        ranked = {"auc": Concordance.of(rows.labels, p)}
        if rows.cluster == "wine":
            ranked["within_member_auc"] = Concordance.of(rows.labels, p, rows.members)
        for metric, concordance in ranked.items():
            resampled = resample_weighted(concordance.share, rows.codes, rows.clusters, seed=seed)
            sampled[contestant, metric] = _Sampled(concordance.share(), _unless_alone(rows, resampled))
    return sampled


def _unless_alone(rows: _Rows, resampled: Floats) -> Floats:
    """One cluster drawn again and again shows no spread, which is not certainty: it has no interval."""
    return resampled if rows.clusters > 1 else np.full_like(resampled, np.nan)


def _verdict(y: Floats, p: Floats, contestant: str, sampled: Mapping[tuple[str, str], _Sampled], seed: int) -> ContestantVerdict:
    return ContestantVerdict(
        auc=sampled[contestant, "auc"].estimate(),
        within_member_auc=sampled[contestant, "within_member_auc"].estimate(),
        log_loss=sampled[contestant, "log_loss"].estimate(),
        brier=sampled[contestant, "brier"].estimate(),
        bias=sampled[contestant, "bias"].estimate(),
        ece=Calibration(ece(y, p), noise_floor(ece, p, seed=seed)),
        smece=Calibration(smece(y, p), noise_floor(smece, p, seed=seed)),
        reliability=reliability(y, p),
    )
