"""What an evaluation found, as values that become JSON; filled by the judge, shown by the report, read by gates."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from cellar_shared.calibration.measure import ReliabilityBin
from cellar_shared.evaluation.estimate import Estimate

Cluster = Literal["member", "wine"]
PairedMetric = Literal["log_loss", "brier", "auc"]


class Calibration(msgspec.Struct, frozen=True):
    """A calibration error, and what perfectly calibrated probabilities like these would show with as many rows."""

    value: float
    noise_floor: float


class ContestantVerdict(msgspec.Struct, frozen=True):
    """All measures of one contestant on one split: log loss in nats, the others in their own ranges."""

    auc: Estimate
    within_member_auc: Estimate
    log_loss: Estimate
    brier: Estimate
    bias: Estimate
    ece: Calibration
    smece: Calibration
    reliability: tuple[ReliabilityBin, ...]


class PairedDifference(msgspec.Struct, frozen=True):
    """Metric of `first` minus metric of `second` on the same rows and the same resamples."""

    first: str
    second: str
    metric: PairedMetric
    difference: Estimate


class SplitVerdict(msgspec.Struct, frozen=True):
    """One split's rows and what each contestant made of them; `cluster` is what the intervals resample."""

    name: str
    title: str
    rows: int
    members: int
    wines: int
    like_rate: float
    cluster: Cluster
    contestants: dict[str, ContestantVerdict]
    differences: tuple[PairedDifference, ...]
    trained_through: str | None = None
    note: str = ""


class Evaluation(msgspec.Struct, frozen=True):
    """One run of `evaluate`: `data` holds facts of the rows by name, `protocol` says in prose how the splits are made.

    `created_at` is RFC 3339, `seconds` the run's length; a blank line in `protocol` starts a paragraph.
    """

    model: str
    created_at: str
    data: dict[str, Any]
    protocol: str
    splits: list[SplitVerdict]
    seconds: float
