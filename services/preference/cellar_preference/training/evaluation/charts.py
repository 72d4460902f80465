"""Where the marks of the evaluation page's pictures go, in SVG units; the template draws them, the report asks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cellar_preference.training.evaluation.verdict import PairedDifference, PairedMetric
from cellar_shared.calibration.measure import ReliabilityBin
from cellar_shared.evaluation.estimate import Estimate
from cellar_shared.evaluation.wording import ticks

NOT_WORSE_MARGIN: Final = 0.005  # nats: a contestant is not worse when its difference's upper end stays below
LABEL_LENGTH: Final = 34  # characters of the longest label that fits beside its number


@dataclass(frozen=True, slots=True)
class Point:
    """A reliability bin in a square of 200 units: centre, radius, and the whisker's ends."""

    x: float
    y: float
    radius: float
    y_low: float
    y_high: float
    bin: ReliabilityBin


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference's row: its label, its numbers, places along the axis, and which side the interval proves."""

    label: str
    full_label: str
    estimate: Estimate
    y: float
    x: float | None
    x_low: float | None
    x_high: float | None
    side: str  # "better", "worse" (for the first of the pair) or "open"


@dataclass(frozen=True, slots=True)
class Forest:
    """Differences of one metric above one axis; the margin has a place for log loss only."""

    metric: PairedMetric
    intervals: tuple[Interval, ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float
    margin: float | None
    height: float
    lower_is_better: bool


def place_reliability(bins: Sequence[ReliabilityBin]) -> tuple[Point, ...]:
    """Points with area in proportion to their share of the rows."""
    largest = max(b.count for b in bins)
    return tuple(
        Point(
            x=200 * b.probability,
            y=200 * (1 - b.liked),
            radius=1 + 2.4 * math.sqrt(b.count / largest),
            y_low=200 * (1 - b.low),
            y_high=200 * (1 - b.high),
            bin=b,
        )
        for b in bins
    )


def place_forest(metric: PairedMetric, differences: Sequence[PairedDifference], width: float = 360) -> Forest:
    """The differences of `metric` in their order, on an axis that holds zero, every interval and the margin."""
    chosen = [difference for difference in differences if difference.metric == metric]
    margin = NOT_WORSE_MARGIN if metric == "log_loss" else None
    known = [0.0, *([margin] if margin else [])]
    for one in chosen:
        known += [x for x in (one.difference.value, one.difference.low, one.difference.high) if x is not None]
    padding = 0.06 * (max(known) - min(known)) or 0.001
    start, end = min(known) - padding, max(known) + padding

    def place(value: float) -> float:
        return width * (value - start) / (end - start)

    def place_known(value: float | None) -> float | None:
        return None if value is None else place(value)

    intervals = []
    for row, one in enumerate(chosen):
        label = f"{one.first} \u2212 {one.second}"
        intervals.append(
            Interval(
                label=label if len(label) <= LABEL_LENGTH else label[: LABEL_LENGTH - 1] + "\u2026",
                full_label=label,
                estimate=one.difference,
                y=18 + 46 * row,
                x=place_known(one.difference.value),
                x_low=place_known(one.difference.low),
                x_high=place_known(one.difference.high),
                side=_side(one.difference, metric != "auc"),
            )
        )
    return Forest(
        metric=metric,
        intervals=tuple(intervals),
        ticks=tuple((place(value), label) for value, label in ticks(start, end)),
        zero=place(0.0),
        margin=place_known(margin),
        height=18 + 46 * len(intervals),
        lower_is_better=metric != "auc",
    )


def _side(difference: Estimate, lower_is_better: bool) -> str:
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        return "open"
    return "better" if (difference.high < 0) == lower_is_better else "worse"
