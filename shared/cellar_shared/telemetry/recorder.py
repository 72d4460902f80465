"""Counts what happens, in this process, at a price that a request can pay; exporters read it, whatever they are.

OpenTelemetry's own instruments take 10 to 15 us a measurement and reader, and one request has about ten of them: more than
the request's network. Here each takes well under one, and `otel` hands the sums on in OpenTelemetry's data model.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cellar_shared.telemetry.names import Metric

Label = str | int
Labels = tuple[Label, ...]

# More series than the closed lists of any metric can give: past it something unexpected became a label, and memory is safe.
SERIES_MOST: Final = 500
OVERFLOW: Final = "overflow"


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a histogram saw: values per bucket, (bounds + 1,), each up to and including its bound; their sum and extremes."""

    counts: tuple[int, ...]
    total: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class Family:
    """One metric's series at one moment, by label values in the order of the metric's attributes."""

    metric: Metric
    numbers: Mapping[Labels, float]
    distributions: Mapping[Labels, Distribution]


class _Tally:
    """A histogram's series while it grows."""

    __slots__ = ("counts", "highest", "lowest", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.total = 0.0
        self.lowest = math.inf
        self.highest = -math.inf


class Recorder:
    """Adds up measurements, from any thread. No call raises or blocks: a measurement that makes no sense is left out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[Metric, dict[Labels, float]] = {}
        self._tallies: dict[Metric, dict[Labels, _Tally]] = {}
        self._watched: dict[Metric, Callable[[], float]] = {}

    def count(self, metric: Metric, amount: float = 1, labels: Labels = ()) -> None:
        """Add `amount`; a counter takes nothing below 0, a gauge does."""
        try:
            if not amount or (amount < 0 and metric.kind == "counter"):
                return
            with self._lock:
                series = self._numbers.setdefault(metric, {})
                key = labels if labels in series else _admitted(series, metric, labels)
                series[key] = series.get(key, 0) + amount
        except Exception:  # noqa: S110 - the request that was measured goes on
            pass

    def observe(self, metric: Metric, value: float, labels: Labels = ()) -> None:
        """Add one value to a histogram."""
        self.observe_each(metric, ((labels, value),))

    def observe_each(self, metric: Metric, measured: Iterable[tuple[Labels, float]]) -> None:
        """Add values to series of one histogram, for less than one by one."""
        try:
            bounds = metric.bounds
            with self._lock:
                series = self._tallies.get(metric)
                if series is None:
                    series = self._tallies[metric] = {}
                for labels, value in measured:
                    if not math.isfinite(value):
                        continue
                    tally = series.get(labels)
                    if tally is None:
                        tally = series.setdefault(_admitted(series, metric, labels), _Tally(len(bounds) + 1))
                    tally.counts[bisect_left(bounds, value)] += 1
                    tally.total += value
                    if value < tally.lowest:  # noqa: PLR1730 - min() takes several times as long
                        tally.lowest = value
                    if value > tally.highest:  # noqa: PLR1730
                        tally.highest = value
        except Exception:  # noqa: S110
            pass

    def set(self, metric: Metric, value: float, labels: Labels = (), *, alone: bool = False) -> None:
        """Set a gauge; with `alone` its other series end, as an old generation's does."""
        try:
            with self._lock:
                series = self._numbers.setdefault(metric, {})
                if alone:
                    series.clear()
                series[_admitted(series, metric, labels)] = value
        except Exception:  # noqa: S110
            pass

    def watch(self, metric: Metric, read: Callable[[], float]) -> None:
        """Ask `read` for a gauge without labels whenever metrics are read, as for an age, which grows by itself."""
        with self._lock:
            self._watched[metric] = read

    def families(self) -> list[Family]:
        """Everything recorded so far, by metric name."""
        with self._lock:
            numbers = {metric: dict(series) for metric, series in self._numbers.items()}
            distributions = {
                metric: {
                    labels: Distribution(tuple(tally.counts), tally.total, tally.lowest, tally.highest) for labels, tally in series.items()
                }
                for metric, series in self._tallies.items()
            }
            watched = dict(self._watched)
        for metric, read in watched.items():
            try:
                numbers[metric] = {(): float(read())}
            except Exception:  # noqa: S112 - what cannot be read now is left out now
                continue
        metrics = sorted(numbers.keys() | distributions.keys(), key=lambda metric: metric.name)
        return [Family(metric, numbers.get(metric, {}), distributions.get(metric, {})) for metric in metrics]


def _admitted(series: Mapping[Labels, object], metric: Metric, labels: Labels) -> Labels:
    """The labels under which a measurement is booked: its own unless they are of a wrong number or one too many."""
    if labels in series:
        return labels
    if len(labels) != len(metric.attributes) or len(series) >= SERIES_MOST:
        return (OVERFLOW,) * len(metric.attributes)
    return labels


# The process's own. What is recorded before an exporter starts, or without one, is there and costs next to nothing.
RECORDER: Final = Recorder()
