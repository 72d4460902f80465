"""Judges the recipe on splits of the data's own past, or a bundle on rows it never saw; `cellar evaluate preference` calls it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cellar_preference.training.baselines import biases, boosted, wine_rate
from cellar_preference.training.evaluation.judge import judge_split
from cellar_preference.training.evaluation.verdict import Evaluation, SplitVerdict
from cellar_preference.training.fit import Recipe
from cellar_preference.training.learn import Learned, learn, steps_of
from cellar_preference.training.rows import RatedRows
from cellar_shared.bundle.learnt import learnt_from
from cellar_shared.bundle.manifest import require_same_data
from cellar_shared.calibration.trailing import WINDOW_DAYS, TrailingOffset
from cellar_shared.display import Reporter
from cellar_shared.errors import BadInput
from cellar_shared.evaluation.splits import FEWEST_ROWS, Split, make_splits
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, NEVER, day_of, iso_of, moment_of
from cellar_shared.events.tables import DataFolder
from cellar_shared.liking.predictor import MODEL, Predictor
from cellar_shared.store.looking_back import Span, counts_of
from cellar_shared.store.rating_log import RatingLog, read_rating_log

Float64s = npt.NDArray[np.float64]

NETWORK: Final = "network"
FIXED: Final = "network, fixed"
# Not the recipe's: another seed is another run of the learning, judged on the same rows.
SPLITS_SEED: Final = 20
BASELINES: Final = ("wine rate", "biases", "lightgbm")
PROTOCOL: Final = """Each split's model learns only from ratings before the split's cut. A test row is asked about as of its own
moment: it sees its member's earlier ratings and what others had rated before that day. Parameters stop at the cut, features
go on.

"network" answers as it is served, with its trailing offset; "network, fixed" is the same network without.

Intervals are 95 % percentile bootstraps over members (over wines for the split of wines nobody has rated). A difference is
paired: the same rows, the same resamples. ECE has 15 bins of equal mass; beside it and smECE stands the noise floor, the mean
error that perfectly calibrated probabilities like these would show at this number of rows (200 draws).

AUC within members compares a member's liked rows with their others. Where histories go on through the test rows (all splits but
those of new members) it understates whoever reads them: of two rows that differ, the earlier like raises the later one's chance."""


def evaluate_recipe(data: Path, recipe: Recipe, *, only: tuple[str, ...], baselines: bool, threads: int, reporter: Reporter) -> Evaluation:
    """Train the recipe on each split's past and judge it beside the baselines; BadInput when the data is too small."""
    began = time.monotonic()
    folder = DataFolder.open(data)
    log = read_rating_log(folder)
    splits = []
    for split in make_splits(log, SPLITS_SEED, only):
        if split.test.sum() < FEWEST_ROWS:
            reporter.say(f"{split.name}: {int(split.test.sum())} test rows are fewer than {FEWEST_ROWS}; left out")
        else:
            splits.append(split)
    if not splits:
        raise BadInput(f"no split of {data} has {FEWEST_ROWS} test rows; evaluate on more data")
    runs = {(split.cut, split.train.tobytes()) for split in splits}
    verdicts: list[SplitVerdict] = []
    learned: dict[tuple[int, bytes], Learned] = {}
    with reporter.advancing("evaluating", len(runs) * steps_of(recipe) + len(splits) * (len(BASELINES) if baselines else 1)) as step:
        for split in splits:
            key = (split.cut, split.train.tobytes())
            if key not in learned:
                learned = {key: learn(log, split.train, split.visible, split.counted, recipe, threads, _named(step, split.name))}
            verdict = _judge(log, split, learned[key], recipe, baselines, threads, _named(step, split.name))
            verdicts.append(verdict)
            reporter.say(f"{split.name}: {one_line(verdict)}")
    return _evaluation(folder, log, PROTOCOL, verdicts, began)


def evaluate_bundle(data: Path, bundle: Path, *, seed: int, say: Callable[[str], None]) -> Evaluation:
    """Judge the bundle at `bundle` on the ratings of `data` that it was not fitted on, with whole, short and no histories.

    BadInput when no such row is left.
    """
    began = time.monotonic()
    folder = DataFolder.open(data)
    log = read_rating_log(folder)
    predictor = Predictor.open(bundle)
    require_same_data(predictor.manifest, folder.manifest.namespace, folder.manifest.scale)
    dated = log.events["moment"] != NEVER
    unseen = dated & ~np.isin(log.event_ids, learnt_from(bundle))
    say(f"{int((dated & ~unseen).sum()):,} rows that the bundle was fitted on are left out, {int(unseen.sum()):,} remain")
    if not unseen.any():
        raise BadInput(f"{bundle} was fitted on every rating of {data}; hold some out (train --hold-out 30d) or bring newer ones")
    counts = counts_of(log, dated)
    rows = RatedRows(log, dated, counts, predictor.encoder, unseen)
    through = moment_of(datetime.fromisoformat(predictor.manifest.trained_through))
    since = dated & (log.events["moment"] >= through - WINDOW_DAYS * MICROSECONDS_PER_DAY)
    known = RatedRows(log, dated, counts, predictor.encoder, since)
    answers = _served(predictor, known, known.latest(predictor.history_limit), TrailingOffset.none())
    track = TrailingOffset.of_outcomes(day_of(known.as_of), answers, known.labels)
    note = f"rows that bundle {predictor.manifest.version} was not fitted on"
    verdicts = [
        judge_split(
            name,
            title,
            rows.labels,
            log.member_ids[rows.members],
            rows.wine_rows,
            {NETWORK: _served(predictor, rows, span, track), "wine rate": wine_rate(rows)},
            "member",
            [(NETWORK, "wine rate")],
            seed,
            trained_through=predictor.manifest.trained_through,
            note=note,
        )
        for name, title, span in (
            ("unseen", "Rows it never saw", rows.latest(predictor.history_limit)),
            ("unseen_5", "The same rows, looking back at the first five ratings", rows.first(5)),
            ("unseen_0", "The same rows, looking back at nothing", rows.first(0)),
        )
    ]
    return _evaluation(folder, log, f"The bundle at {bundle}, on {note}. {PROTOCOL}", verdicts, began)


def _judge(
    log: RatingLog, split: Split, learned: Learned, recipe: Recipe, baselines: bool, threads: int, step: Callable[[str], None]
) -> SplitVerdict:
    test = RatedRows(log, split.visible, learned.counts, learned.encoder, split.test)
    span = test.latest() if split.history.first is None else test.first(split.history.first)
    # Outcomes that were known by then: of the last days learnt from and, day by day, of those since.
    since = log.events["moment"] >= split.cut - WINDOW_DAYS * MICROSECONDS_PER_DAY
    track = learned.trail(RatedRows(log, split.visible, learned.counts, learned.encoder, split.counted & split.visible & since))
    contestants: dict[str, Float64s] = {
        NETWORK: learned.probabilities(test, span, track),
        FIXED: learned.probabilities(test, span),
    }
    if baselines:
        train = RatedRows(log, split.visible, learned.counts, learned.encoder, split.train)
        contestants["lightgbm"] = boosted(train, test, span, recipe, threads)
        step("lightgbm")
        contestants["biases"] = biases(train, test, span)
        step("biases")
    contestants["wine rate"] = wine_rate(test)
    step("wine rate")
    return judge_split(
        split.name,
        split.title,
        test.labels,
        log.member_ids[test.members],
        test.wine_rows,
        contestants,
        split.cluster,
        [(NETWORK, other) for other in contestants if other != NETWORK] + [(FIXED, other) for other in BASELINES if other in contestants],
        recipe.seed,
        trained_through=iso_of(split.cut),
        note=split.note,
    )


def _named(step: Callable[[str], None], name: str) -> Callable[[str], None]:
    return lambda note: step(f"{name}: {note}")


def _served(predictor: Predictor, rows: RatedRows, span: Span, track: TrailingOffset, size: int = 4096) -> Float64s:
    """What the bundle answers, through ONNX Runtime as it is served."""
    probabilities = np.zeros(len(rows))
    order = np.argsort(span.lengths, kind="stable")
    for begin in range(0, len(order), size):
        places = order[begin : begin + size]
        offsets = track.at(day_of(rows.as_of[places]))
        probabilities[places] = predictor.predict_encoded(rows.batch(places, span.only(places)), offsets).probabilities
    return probabilities


def _evaluation(folder: DataFolder, log: RatingLog, protocol: str, verdicts: list[SplitVerdict], began: float) -> Evaluation:
    facts: dict[str, Any] = {
        "source": folder.manifest.source,
        "digest": folder.digest(),
        "ratings": len(log.events),
        "members": len(log.member_ids),
        "wines": len(log.wine_ids),
    }
    return Evaluation(MODEL, datetime.now(UTC).isoformat(timespec="seconds"), facts, protocol, verdicts, time.monotonic() - began)


def one_line(verdict: SplitVerdict) -> str:
    """A split's verdict in one line: AUC and log loss of every contestant."""
    told = [f"{name} AUC {of.auc.value or 0:.3f} log loss {of.log_loss.value or 0:.4f}" for name, of in verdict.contestants.items()]
    return f"{verdict.rows:,} rows; " + "; ".join(told)
