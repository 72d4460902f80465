"""Heat that a trace has seen, stretch by stretch, in months of cellar life; what a person is shown beside the curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellar_shared.ageing.arrhenius import HEAT_C, Floats, heat_rate
from cellar_shared.ageing.storage import DAYS_PER_YEAR


@dataclass(frozen=True, slots=True)
class HeatEvent:
    """A stretch of a trace above 21 degrees, in days since 1970, and how many months of cellar life it cost beyond those that passed."""

    from_day: float
    to_day: float
    highest_c: float
    months: float


def heat_events(days: npt.ArrayLike, temperatures_c: npt.ArrayLike) -> Sequence[HeatEvent]:
    """The stretches of a trace (as for `place_of_trace`) above 21 degrees, in the order of time.

    A stretch begins and ends where the straight line between two readings crosses 21 degrees, or with the trace. It costs what its
    time uses up at the rate of heat, less what it would have used up at 13 degrees.
    """
    at, warm = _with_crossings(np.asarray(days, np.float64), np.asarray(temperatures_c, np.float64))
    extra = heat_rate(warm) - 1
    hot = warm > HEAT_C
    edges = np.flatnonzero(np.diff(np.concatenate([[False], hot, [False]]).astype(np.int8)))
    events = []
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        part = slice(max(first - 1, 0), min(end + 1, len(at)))
        months = float(np.trapezoid(extra[part], at[part])) / DAYS_PER_YEAR * 12
        events.append(HeatEvent(float(at[part][0]), float(at[part][-1]), float(warm[part].max()), months))
    return events


def _with_crossings(at: Floats, warm: Floats) -> tuple[Floats, Floats]:
    """The trace with a reading more wherever it crosses 21 degrees."""
    over = warm - HEAT_C
    crosses = np.flatnonzero(over[1:] * over[:-1] < 0)
    share = over[crosses] / (over[crosses] - over[crosses + 1])
    moments = at[crosses] + share * (at[crosses + 1] - at[crosses])
    return np.insert(at, crosses + 1, moments), np.insert(warm, crosses + 1, HEAT_C)
