"""How long labels take: which share of a night's bottles has a label after so many days, estimated from nights of any age.

The latest nights have had little time, so a plain share would understate what is to come. The Kaplan-Meier estimator counts a bottle
as long as its night can have heard of it (Kaplan & Meier 1958, JASA 53).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellar_shared.ageing.arrhenius import Floats
from cellar_shared.calibration.measure import NORMAL_95


@dataclass(frozen=True, slots=True)
class NightsLabels:
    """One night: how many bottles it spoke of, how many days it has been heard of since, and after how many days each label came."""

    bottles: int
    heard_days: int
    arrived_days: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ArrivalCurve:
    """The share of bottles with a label after each of `days` (days,), and its 95 % interval (Greenwood 1926)."""

    days: npt.NDArray[np.int64]
    share: Floats
    low: Floats
    high: Floats
    at_risk: npt.NDArray[np.int64]

    def share_after(self, days: int) -> float | None:
        """The share after `days`; None beyond what any night has been heard of."""
        place = int(np.searchsorted(self.days, days, side="right")) - 1
        return None if days > self.days[-1] else float(self.share[place])

    def days_until(self, share: float) -> int | None:
        """After how many days `share` of the bottles have a label; None where it is not reached."""
        reached = np.flatnonzero(self.share >= share)
        return int(self.days[reached[0]]) if len(reached) else None


def arrival_curve(nights: Sequence[NightsLabels]) -> ArrivalCurve:
    """The curve over days 0 to the oldest night's; labels that came before their night are none of its. ValueError without a night."""
    if not nights:
        raise ValueError("there is no night to count labels of; give at least one")
    longest = max(night.heard_days for night in nights)
    came = np.zeros(longest + 1, np.int64)
    left = np.zeros(longest + 2, np.int64)  # whose night has been heard of for so long and no longer
    for night in nights:
        counted = night.arrived_days[(night.arrived_days >= 0) & (night.arrived_days <= night.heard_days)]
        came += np.bincount(counted, minlength=longest + 1)
        left[night.heard_days + 1] += night.bottles - len(counted)
    # At risk on a day: everybody, less those whose label came before it and those who were heard of no longer.
    gone = np.concatenate([[0], np.cumsum(came)[:-1]]) + np.cumsum(left)[:-1]
    at_risk = sum(night.bottles for night in nights) - gone
    some = np.maximum(at_risk, 1)
    remain = np.asarray(np.cumprod(1 - came / some), np.float64)
    greenwood = np.cumsum(came / (some * np.maximum(some - came, 1)))
    half = NORMAL_95 * remain * np.sqrt(greenwood)
    share = np.asarray(1 - remain, np.float64)
    return ArrivalCurve(np.arange(longest + 1), share, np.clip(share - half, 0, 1), np.clip(share + half, 0, 1), at_risk)
