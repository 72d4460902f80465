"""What an evaluation found, as values that become JSON; filled by the judge, shown by the report, read by gates."""

from __future__ import annotations

from typing import Any

import msgspec

from cellar_shared.evaluation.estimate import Estimate


class Contestant(msgspec.Struct, frozen=True):
    """One contestant on one split: `measures` by name; what share of the catalogue its first tens hold; and how much more popular
    they are than what was liked (1: as popular; likes of the year before)."""

    measures: dict[str, Estimate]
    coverage: float
    popularity_lift: float | None


class PairedDifference(msgspec.Struct, frozen=True):
    """Measure of `first` minus that of `second` on the same questions and the same resamples."""

    first: str
    second: str
    measure: str
    difference: Estimate


class DiversityPrice(msgspec.Struct, frozen=True):
    """The ranked list at one level of `diversity`: NDCG@10, what that is below none (`price`), the mean cosine of its first ten's wines."""

    diversity: float
    ndcg_10: Estimate
    price: Estimate
    likeness: float


class SplitVerdict(msgspec.Struct, frozen=True):
    """One split's questions and what each contestant made of them; `cluster` is what the intervals resample.

    `candidate_recall`: the share of answers among each source's own best 300, and among the merged candidates. `diversity`: the
    price of each level, on some of the questions. `at_once`: measures by contestant where each member is asked about once, with all
    that they came to like as right answers; of splits of new members only, else empty.
    """

    name: str
    title: str
    questions: int
    members: int
    wines: int
    catalogue: int
    cluster: str
    contestants: dict[str, Contestant]
    differences: list[PairedDifference]
    candidate_recall: dict[str, Estimate]
    diversity: list[DiversityPrice]
    at_once: dict[str, dict[str, Estimate]]
    trained_through: str
    note: str


class Evaluation(msgspec.Struct, frozen=True):
    """One run of `evaluate`: `data` holds facts by name, `protocol` says in prose how the splits are made; `seconds` its length."""

    model: str
    created_at: str
    data: dict[str, Any]
    protocol: str
    splits: list[SplitVerdict]
    seconds: float
