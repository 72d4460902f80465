"""Judges the recipe on splits of the data's own past, or a bundle on likes it never saw; `cellar evaluate recommender` calls it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from cellar_recommender.serving.recommender import MODEL, Recommender
from cellar_recommender.training.evaluation.contest import Contest, Told, learn_scorers
from cellar_recommender.training.evaluation.verdict import Evaluation, SplitVerdict
from cellar_recommender.training.fit import fit_towers
from cellar_recommender.training.learn import Learned, Settings, learn, steps_of
from cellar_recommender.training.network import TorchTowers
from cellar_recommender.training.rows import LikedRows
from cellar_shared.bundle.learnt import learnt_from
from cellar_shared.bundle.manifest import require_same_data
from cellar_shared.display import Reporter
from cellar_shared.errors import BadInput
from cellar_shared.evaluation.splits import FEWEST_ROWS, Split, make_splits
from cellar_shared.events.moments import NEVER, iso_of
from cellar_shared.events.tables import DataFolder
from cellar_shared.store.looking_back import counts_of
from cellar_shared.store.note_log import NoteLog, read_note_log
from cellar_shared.store.rating_log import RatingLog, read_rating_log

Step = Callable[[str], None]

SPLITS_SEED: Final = 20  # not the recipe's: another seed is another run of the learning, judged on the same rows
PROTOCOL: Final = """Each split's models learn only from ratings before the split's cut. A question is a rating that was a like,
asked as of its own moment: it sees its member's earlier ratings and what others had rated before that day. The whole catalogue
is ranked, less what the member had rated before, also where a split lets the models look at the first few of those ratings only.
Parameters stop at the cut, features go on. Tasting notes count as ratings do, those of members and wines that a split leaves out of its
counts nowhere; so nothing was noted of wines that nobody has rated. One like is right: NDCG@10 is 1 / log2(2 + rank) within the first ten.

"recommender" is the whole: candidates of all sources, ordered by the ranker; "towers" is retrieval alone. What is not among the
candidates stands behind them, in the towers' order. "without" a source: the same ranker, on what the other sources propose.

Wines nobody has rated are ranked among all others as they stand ("recommender", "towers": against wines of known popularity) and
with every wine shown as if nobody had rated it, nor knew its producer ("towers, facts alone").

"Asked once" is another way to judge new members: one question each, as of the first of their likes that is asked about, with all
their likes from then on as right answers; NDCG is over that of the best list there could be, recall the share of likes found.

The price of diversity is what NDCG@10 loses when the ranked candidates are made less alike, on some questions drawn at random.

Intervals are 95 % percentile bootstraps over members (over wines for the split of wines nobody has rated). A difference is
paired: the same questions, the same resamples. Popularity lift compares the likes of the year before of what stands among the
first ten with those of what was liked."""


def evaluate_recipe(
    data: Path,
    settings: Settings,
    *,
    only: tuple[str, ...],
    baselines: bool,
    ablations: bool,
    threads: int,
    reporter: Reporter,
    with_notes: bool = True,
) -> Evaluation:
    """Learn on each split's past and judge it there; BadInput when the data is too small.

    `with_notes`: the towers read tasting notes, where the data has some.
    """
    began = time.monotonic()
    folder = DataFolder.open(data)
    log = read_rating_log(folder)
    notes = read_note_log(folder, log) if with_notes else NoteLog.none()
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
                told = _named(step, split.name)
                learned = {key: learn(log, split.train, split.visible, split.counted, settings, threads, told, notes)}
            verdict = _judge(log, split, learned[key], settings, baselines, ablations)
            verdicts.append(verdict)
            step(split.name)
            reporter.say(f"{split.name}: {one_line(verdict)}")
    return _evaluation(folder, log, PROTOCOL, verdicts, began)


def evaluate_bundle(data: Path, bundle: Path, *, baselines: bool, seed: int, say: Callable[[str], None]) -> Evaluation:
    """Judge the bundle at `bundle` on the likes of `data` that it was not fitted on, with whole, short and no histories.

    With `baselines`, those learn from the ratings that the bundle learnt from, where the data holds them. BadInput when no like is left.
    """
    began = time.monotonic()
    folder = DataFolder.open(data)
    log = read_rating_log(folder)
    recommender = Recommender.open(bundle)
    require_same_data(recommender.manifest, folder.manifest.namespace, folder.manifest.scale)
    dated = log.events["moment"] != NEVER
    seen = np.isin(log.event_ids, learnt_from(bundle))
    unseen = dated & ~seen
    say(f"{int((dated & seen).sum()):,} ratings that the bundle was fitted on are left out, {int(unseen.sum()):,} remain")
    notes = read_note_log(folder, log) if recommender.sources.with_notes else None
    rows = LikedRows(log, dated, counts_of(log, dated, notes), recommender.sources.encoder, unseen)
    if not len(rows):
        raise BadInput(f"{bundle} was fitted on every like of {data}; hold some out (train --hold-out 30d) or bring newer ones")
    contest = Contest(recommender.sources, recommender.forest, learn_scorers(log, dated & seen) if baselines else {})
    note = f"likes that bundle {recommender.manifest.version} was not fitted on"
    asked = (
        ("unseen", "Likes it never saw", rows.latest()),
        ("unseen_5", "The same likes, looking back at the first five ratings", rows.first(5)),
        ("unseen_0", "The same likes, looking back at nothing", rows.first(0)),
    )
    through = recommender.manifest.trained_through
    verdicts = [
        contest.judge(rows, span, Told(name, title, "member", through, note, is_new=place > 0), seed)
        for place, (name, title, span) in enumerate(asked)
    ]
    return _evaluation(folder, log, f"The bundle at {bundle}, on {note}. {PROTOCOL}", verdicts, began)


def _judge(log: RatingLog, split: Split, learned: Learned, settings: Settings, baselines: bool, ablations: bool) -> SplitVerdict:
    rows = LikedRows(log, split.visible, learned.counts, learned.sources.encoder, split.test)
    span = rows.latest() if split.history.first is None else rows.first(split.history.first)
    contest = Contest(
        learned.sources,
        learned.forest,
        learn_scorers(log, split.train) if baselines and split.cluster == "member" else {},
        _without_logq(log, split, learned, settings) if ablations and split.history.first is None else None,
        is_taken_apart=ablations,
        is_by_facts=split.cluster == "wine",
    )
    told = Told(split.name, split.title, split.cluster, iso_of(split.cut), split.note, is_new=split.history.first is not None)
    return contest.judge(rows, span, told, settings.recipe.seed)


def _without_logq(log: RatingLog, split: Split, learned: Learned, settings: Settings) -> TorchTowers:
    """Towers that learnt as the recipe's did, by a plain in-batch softmax."""
    rows = LikedRows(log, split.visible, learned.counts, learned.sources.encoder, split.train)
    return fit_towers(rows, replace(settings.recipe, logq=False), lambda _: None, epochs=learned.epochs)[0]


def _evaluation(folder: DataFolder, log: RatingLog, protocol: str, verdicts: list[SplitVerdict], began: float) -> Evaluation:
    facts: dict[str, Any] = {
        "source": folder.manifest.source,
        "digest": folder.digest(),
        "ratings": len(log.events),
        "members": len(log.member_ids),
        "wines": len(log.wine_ids),
    }
    return Evaluation(MODEL, datetime.now(UTC).isoformat(timespec="seconds"), facts, protocol, verdicts, time.monotonic() - began)


def _named(step: Step, name: str) -> Step:
    return lambda note: step(f"{name}: {note}")


def one_line(verdict: SplitVerdict) -> str:
    """A split's verdict in one line: NDCG@10 and Recall@50 of every contestant."""
    told = [
        f"{name} {of.measures['ndcg_10'].value or 0:.4f} / {of.measures['recall_50'].value or 0:.3f}"
        for name, of in verdict.contestants.items()
    ]
    return f"{verdict.questions:,} likes; NDCG@10 / Recall@50: " + "; ".join(told)
