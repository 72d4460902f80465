"""Shows an evaluation: JSON for machines and gates, a page with pictures that needs nothing else, a table for a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from cellar_recommender.training.evaluation.contest import TOWERS_ALONE, WHOLE
from cellar_recommender.training.evaluation.verdict import Evaluation, SplitVerdict
from cellar_shared.durable import write_durably
from cellar_shared.evaluation.estimate import Estimate
from cellar_shared.evaluation.page import page
from cellar_shared.evaluation.picture import Picture, picture_of
from cellar_shared.evaluation.wording import number

COLUMNS: Final = {
    "ndcg_10": "NDCG@10",
    "recall_10": "R@10",
    "recall_50": "R@50",
    "mrr": "MRR",
    "recall_300": "R@300",
    "percentile": "percentile",
}
SHOWN: Final = ("ndcg_10", "recall_50", "percentile")  # side by side, with their intervals
COMPARED: Final = ("ndcg_10", "recall_50")


def write(evaluation: Evaluation, folder: Path) -> None:
    """Write evaluation.json and evaluation.html into `folder` (made if missing), each whole or not at all."""
    write_durably(folder / "evaluation.json", msgspec.json.format(msgspec.json.encode(evaluation), indent=2) + b"\n")
    write_durably(folder / "evaluation.html", page_of(evaluation).encode())


def page_of(evaluation: Evaluation) -> str:
    """The evaluation as one HTML document: pictures and style inside, no script, nothing fetched, all text escaped."""
    return page(
        "cellar_recommender.training.evaluation",
        evaluation=evaluation,
        columns=COLUMNS,
        own=(WHOLE, TOWERS_ALONE),
        pictures=[_pictures(split) for split in evaluation.splits],
    )


def _pictures(split: SplitVerdict) -> list[tuple[str, str, Picture]]:
    """Each picture's title, what it shows, and where its marks go."""
    found: list[tuple[str, str, dict[str, Estimate]]] = [
        (COLUMNS[measure], "95 % intervals", {name: of.measures[measure] for name, of in split.contestants.items()}) for measure in SHOWN
    ]
    if split.at_once:
        once = {name: of["ndcg_10"] for name, of in split.at_once.items()}
        found.append(("NDCG@10, asked once", "one question a member, all later likes right", once))
    for measure in COMPARED:
        below = {f"to {of.second}": of.difference for of in split.differences if of.first == WHOLE and of.measure == measure}
        if below:
            found.append((f"{COLUMNS[measure]}: {WHOLE} against each", "paired; right of zero it is ahead", below))
    found.append(("Answers among 300 candidates", "each source's own best 300, and what is ranked", split.candidate_recall))
    if split.diversity:
        price = {f"diversity {of.diversity:g}": of.price for of in split.diversity}
        found.append(("The price of diversity", "NDCG@10 lost against none, paired", price))
    return [(title, says, picture_of(named)) for title, says, named in found]


def table_of(evaluation: Evaluation) -> str:
    """The evaluation for a terminal: a line per contestant, then differences, candidates' recall, the price of diversity."""
    return "\n\n".join("\n".join(_lines(split)) for split in evaluation.splits)


def _lines(split: SplitVerdict) -> list[str]:
    lines = [f"{split.title} ({split.questions:,} likes of {split.members:,} members, {split.wines:,} of {split.catalogue:,} wines)"]
    width = max(len(name) for name in split.contestants)
    headings = f"  {'':<{width}}  {'NDCG@10':<23}" + "".join(f"{title:>11}" for title in list(COLUMNS.values())[1:])
    lines.append(f"{headings}   coverage  lift")
    for name, of in split.contestants.items():
        rest = "".join(f"{number(of.measures[measure].value):>11}" for measure in list(COLUMNS)[1:])
        lift = number(of.popularity_lift, 2)
        lines.append(f"  {name:<{width}}  {_with_interval(of.measures['ndcg_10']):<23}{rest}{number(of.coverage, 3):>11}{lift:>6}")
    lines += [
        f"  {of.first} - {of.second}, {COLUMNS[of.measure]}: {_with_interval(of.difference)}"
        for of in split.differences
        if of.measure in COMPARED
    ]
    lines += _once_lines(split.at_once, width)
    recall = ", ".join(f"{name} {number(of.value, 3)}" for name, of in split.candidate_recall.items())
    lines.append(f"  answers among 300 candidates: {recall}")
    lines += [
        f"  diversity {of.diversity:g}: NDCG@10 {_with_interval(of.ndcg_10)}, price {_with_interval(of.price)}, "
        f"likeness of the first ten {number(of.likeness, 2)}"
        for of in split.diversity
    ]
    return lines


def _once_lines(at_once: dict[str, dict[str, Estimate]], width: int) -> list[str]:
    if not at_once:
        return []
    lines = ["  Each member asked once, as of their first like here; all their likes from then on are right answers:"]
    for name, of in at_once.items():
        rest = "".join(f"  {COLUMNS[measure]} {number(of[measure].value)}" for measure in list(of)[1:])
        lines.append(f"    {name:<{width}}  NDCG@10 {_with_interval(of['ndcg_10'])}{rest}")
    return lines


def _with_interval(estimate: Estimate) -> str:
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"
