"""Judges the recipe on splits of the data's own past, beside what it must beat; `cellar evaluate recommender` calls it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.recommending import CANDIDATES, Retrieved, order_of_all, rank, retrieve, without
from cellar_recommender.serving.sources import SOURCES, TOWERS
from cellar_recommender.serving.towers import WINDOWS
from cellar_recommender.training.asking import Group, groups
from cellar_recommender.training.baselines import BASELINES, Scorer
from cellar_recommender.training.evaluation.judge import Standings, estimate_of, judge_contestants
from cellar_recommender.training.evaluation.metrics import ranks_of, recall_at
from cellar_recommender.training.evaluation.verdict import Evaluation, SplitVerdict
from cellar_recommender.training.fit import fit_towers
from cellar_recommender.training.item_item import likes_matrix
from cellar_recommender.training.learn import Learned, Settings, learn, steps_of
from cellar_recommender.training.network import TorchTowers
from cellar_recommender.training.rows import LikedRows
from cellar_shared.display import Reporter
from cellar_shared.errors import BadInput
from cellar_shared.evaluation.splits import FEWEST_ROWS, Split, make_splits
from cellar_shared.events.moments import iso_of
from cellar_shared.events.tables import DataFolder
from cellar_shared.store.rating_log import RatingLog, read_rating_log

Float32s = npt.NDArray[np.float32]
Step = Callable[[str], None]

MODEL: Final = "recommender"
RANKED: Final = "recommender"
TOWERS_ALONE: Final = "towers"
POPULARITY: Final = {"popularity, 90 days": "90d", "popularity, 365 days": "365d"}
NO_LOGQ: Final = "towers, no logQ"
SPLITS_SEED: Final = 20  # not the recipe's: another seed is another run of the learning, judged on the same rows
PROTOCOL: Final = """Each split's models learn only from ratings before the split's cut. A question is a rating that was a like,
asked as of its own moment: it sees its member's earlier ratings and what others had rated before that day. The whole catalogue
is ranked, less what the member had rated before. Parameters stop at the cut, features go on.

"recommender" is the whole: candidates of all sources, ordered by the ranker; "towers" is retrieval alone. What is not among the
candidates stands behind them, in the towers' order. "without" a source: the same ranker, on what the other sources propose.

Intervals are 95 % percentile bootstraps over members (over wines for the split of wines nobody has rated). A difference is
paired: the same questions, the same resamples. Popularity lift compares the likes of the year before of what stands among the
first ten with those of what was liked."""


def evaluate_recipe(
    data: Path, settings: Settings, *, only: tuple[str, ...], baselines: bool, ablations: bool, threads: int, reporter: Reporter
) -> Evaluation:
    """Learn on each split's past and judge it there; BadInput when the data is too small."""
    began = time.monotonic()
    folder = DataFolder.open(data)
    log = read_rating_log(folder)
    liked = log.events["liked"].astype(bool)
    splits = []
    for split in make_splits(log, SPLITS_SEED, only):
        if (split.test & liked).sum() < FEWEST_ROWS:
            reporter.say(f"{split.name}: {int((split.test & liked).sum())} likes to ask about are fewer than {FEWEST_ROWS}; left out")
        else:
            splits.append(split)
    if not splits:
        raise BadInput(f"no split of {data} has {FEWEST_ROWS} likes to ask about; evaluate on more data")
    verdicts: list[SplitVerdict] = []
    learned: dict[tuple[int, bytes], Learned] = {}
    runs = {(split.cut, split.train.tobytes()) for split in splits}
    with reporter.advancing("evaluating", len(runs) * steps_of(settings) + len(splits)) as step:
        for split in splits:
            key = (split.cut, split.train.tobytes())
            if key not in learned:
                learned = {key: learn(log, split.train, split.visible, split.counted, settings, threads, _named(step, split.name))}
            verdict = _judge(log, split, learned[key], settings, baselines, ablations)
            verdicts.append(verdict)
            step(split.name)
            reporter.say(f"{split.name}: {one_line(verdict)}")
    facts: dict[str, Any] = {
        "source": folder.manifest.source,
        "digest": folder.digest(),
        "ratings": len(log.events),
        "members": len(log.member_ids),
        "wines": len(log.wine_ids),
    }
    return Evaluation(MODEL, datetime.now(UTC).isoformat(timespec="seconds"), facts, PROTOCOL, verdicts, time.monotonic() - began)


def _judge(log: RatingLog, split: Split, learned: Learned, settings: Settings, baselines: bool, ablations: bool) -> SplitVerdict:
    rows = LikedRows(log, split.visible, learned.counts, learned.sources.encoder, split.test)
    span = rows.latest() if split.history.first is None else rows.first(split.history.first)
    scorers: dict[str, Scorer] = {}
    if baselines and split.cluster == "member":
        liked = split.train & log.events["liked"].astype(bool) & (log.events["row"] >= 0)
        likes = likes_matrix(log.members[liked], log.events["row"][liked].astype(np.int64), len(log.wines))
        scorers = {name: make(likes) for name, make in BASELINES.items()}
    uncorrected = _without_logq(log, split, learned, settings) if ablations and split.history.first is None else None
    standings: dict[str, Standings] = {}
    recalled: dict[str, list[npt.NDArray[np.float64]]] = {}
    order, popularity = [], []
    for group in groups(rows, span, learned.sources):
        answers = rows.wine_rows[group.places]
        retrieved = retrieve(learned.sources, group.asked, group.shelf, group.rated)
        year = group.shelf.likes[:, WINDOWS.index("365d")]
        for name, scores in _contestants(group, retrieved, learned, scorers, uncorrected, ablations):
            standings.setdefault(name, Standings(len(log.wines))).add(np.where(group.rated, -np.inf, scores), answers, year)
        for name, found in _recall(group, retrieved, answers).items():
            recalled.setdefault(name, []).append(found)
        order.append(group.places)
        popularity.append(year[answers])
    places = np.concatenate(order)
    clusters = (rows.members if split.cluster == "member" else rows.wine_rows)[places].astype(np.int64)
    others = [name for name in standings if name != RANKED]
    pairs = [(RANKED, other) for other in others] + [(TOWERS_ALONE, other) for other in (*scorers, NO_LOGQ) if other in standings]
    seed = settings.recipe.seed
    contestants, differences = judge_contestants(standings, clusters, float(np.concatenate(popularity).mean()), pairs, seed)
    return SplitVerdict(
        name=split.name,
        title=split.title,
        questions=len(rows),
        members=len(np.unique(rows.members)),
        wines=len(np.unique(rows.wine_rows)),
        catalogue=len(log.wines),
        cluster=split.cluster,
        contestants=contestants,
        differences=differences,
        candidate_recall={name: estimate_of(np.concatenate(found), clusters, seed) for name, found in recalled.items()},
        trained_through=iso_of(split.cut),
        note=split.note,
    )


def _contestants(
    group: Group, retrieved: Retrieved, learned: Learned, scorers: Mapping[str, Scorer], uncorrected: TorchTowers | None, ablations: bool
) -> Iterator[tuple[str, Float32s]]:
    """Each contestant's scores of every wine for the group's questions; (questions, wines)."""
    yield RANKED, _whole(group, retrieved, learned)
    yield TOWERS_ALONE, retrieved.scores[TOWERS]
    for name, window in POPULARITY.items():
        yield name, np.broadcast_to(group.shelf.likes[:, WINDOWS.index(window)], group.rated.shape)
    for name, scorer in scorers.items():
        yield name, scorer(group.likes)
    for source in SOURCES if ablations else ():
        yield f"without {source}", _whole(group, without(retrieved, source, group.rated), learned)
    if uncorrected is not None:
        yield NO_LOGQ, np.asarray(uncorrected.members(group.asked.member) @ uncorrected.wines(group.shelf.inputs).T, dtype=np.float32)


def _whole(group: Group, retrieved: Retrieved, learned: Learned) -> Float32s:
    return order_of_all(retrieved, rank(learned.forest, learned.sources, group.asked, group.shelf, retrieved))


def _without_logq(log: RatingLog, split: Split, learned: Learned, settings: Settings) -> TorchTowers:
    """Towers that learnt as the recipe's did, by a plain in-batch softmax."""
    rows = LikedRows(log, split.visible, learned.counts, learned.sources.encoder, split.train)
    return fit_towers(rows, replace(settings.recipe, logq=False), lambda _: None, epochs=learned.epochs)[0]


def _recall(group: Group, retrieved: Retrieved, answers: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.float64]]:
    """Whether the answer is among each source's best, and among the merged candidates; (questions,) each."""
    found = {}
    for name, scores in retrieved.scores.items():
        found[name] = recall_at(CANDIDATES, ranks_of(np.where(group.rated, -np.inf, scores), answers))
    found["merged"] = (retrieved.proposed.rows == answers[:, None]).any(axis=1).astype(np.float64)
    return found


def _named(step: Step, name: str) -> Step:
    return lambda note: step(f"{name}: {note}")


def one_line(verdict: SplitVerdict) -> str:
    """A split's verdict in one line: NDCG@10 and Recall@50 of every contestant."""
    told = [
        f"{name} {of.measures['ndcg_10'].value or 0:.4f} / {of.measures['recall_50'].value or 0:.3f}"
        for name, of in verdict.contestants.items()
    ]
    return f"{verdict.questions:,} likes; NDCG@10 / Recall@50: " + "; ".join(told)
