"""Shows an evaluation: JSON for machines and gates, a table for a terminal."""

from __future__ import annotations

from pathlib import Path

import msgspec

from cellar_recommender.training.evaluation.verdict import Evaluation, SplitVerdict
from cellar_shared.durable import write_durably
from cellar_shared.evaluation.estimate import Estimate
from cellar_shared.evaluation.wording import number

COLUMNS = {"ndcg_10": "NDCG@10", "recall_10": "R@10", "recall_50": "R@50", "mrr": "MRR", "percentile": "percentile"}


def write(evaluation: Evaluation, folder: Path) -> None:
    """Write evaluation.json into `folder` (made if missing), whole or not at all."""
    write_durably(folder / "evaluation.json", msgspec.json.format(msgspec.json.encode(evaluation), indent=2) + b"\n")


def table_of(evaluation: Evaluation) -> str:
    """The evaluation for a terminal: a line per contestant, then the differences that matter and the candidates' recall."""
    return "\n\n".join("\n".join(_lines(split)) for split in evaluation.splits)


def _lines(split: SplitVerdict) -> list[str]:
    lines = [f"{split.title} ({split.questions:,} likes of {split.members:,} members, {split.wines:,} of {split.catalogue:,} wines)"]
    width = max(len(name) for name in split.contestants)
    lines.append(
        f"  {'':<{width}}  {'NDCG@10':<23}" + "".join(f"{title:>11}" for title in list(COLUMNS.values())[1:]) + "   coverage  lift"
    )
    for name, of in split.contestants.items():
        rest = "".join(f"{number(of.measures[measure].value):>11}" for measure in list(COLUMNS)[1:])
        lift = number(of.popularity_lift, 2)
        lines.append(f"  {name:<{width}}  {_with_interval(of.measures['ndcg_10']):<23}{rest}{number(of.coverage, 3):>11}{lift:>6}")
    for difference in split.differences:
        if difference.measure in ("ndcg_10", "recall_50"):
            lines.append(
                f"  {difference.first} - {difference.second}, {COLUMNS[difference.measure]}: {_with_interval(difference.difference)}"
            )
    recall = ", ".join(f"{name} {number(of.value, 3)}" for name, of in split.candidate_recall.items())
    return [*lines, f"  answers among 300 candidates: {recall}"]


def _with_interval(estimate: Estimate) -> str:
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"
