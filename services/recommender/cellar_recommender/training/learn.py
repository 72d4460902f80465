"""One learning run: sources and ranker out of the ratings before a moment; train and evaluate both call it.

The ranker must see scores as sources give them for what they had not learnt. So first sources learn from all but the latest
likes; their towers stop learning when a month after no longer gains; the ranker learns from the likes after that month; and
the sources that it then orders for learn from everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from cellar_recommender.serving.forest import Forest
from cellar_recommender.serving.item_item import ItemItem
from cellar_recommender.serving.sources import Sources
from cellar_recommender.training.asking import groups
from cellar_recommender.training.evaluation.metrics import ndcg, ranks_of
from cellar_recommender.training.fit import Recipe, fit_towers
from cellar_recommender.training.forest_export import export_forest
from cellar_recommender.training.item_item import Tastings, learn_item_item
from cellar_recommender.training.network import TorchTowers
from cellar_recommender.training.ranker import MOST_ROWS, ROUNDS, fit_ranker, judged_candidates
from cellar_recommender.training.rows import LikedRows
from cellar_shared.errors import BadInput
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, NEVER
from cellar_shared.features.counts import RunningCounts
from cellar_shared.features.encoder import Encoder
from cellar_shared.store.looking_back import counts_of, vocabulary_of
from cellar_shared.store.note_log import NoteLog
from cellar_shared.store.rating_log import RatingLog

Bools = npt.NDArray[np.bool_]
Step = Callable[[str], None]

NAME_FEWEST: Final = 5  # ratings that carry a name before it gets an embedding of its own
RANKER_SHARE: Final = 0.15  # of the likes, the latest, are the ranker's
VALIDATION_DAYS: Final = 30
MOST_JUDGED: Final = 2_000  # rows of the validation month that towers are judged by
FEWEST_LIKES: Final = 500


@dataclass(frozen=True, slots=True)
class Settings:
    """A run's recipe of towers, and the ranker's rounds."""

    recipe: Recipe = field(default_factory=Recipe)
    rounds: int = ROUNDS


@dataclass(frozen=True, slots=True)
class Learned:
    """What one run made; `ranker` is the forest as ONNX bytes, `counts` are those it learnt with, `epochs` how long the towers learnt."""

    sources: Sources
    towers: TorchTowers
    ranker: bytes
    forest: Forest
    counts: RunningCounts
    epochs: int
    metrics: dict[str, float]


def learn(
    log: RatingLog,
    train: Bools,
    visible: Bools,
    counted: Bools,
    settings: Settings,
    threads: int,
    step: Step,
    notes: NoteLog | None = None,
) -> Learned:
    """Learn from the ratings that `train` marks; histories come from `visible`, counts from `counted` ((ratings,) bool).

    Of `notes` those count that are counted beside these ratings; where there are none, the towers do not read any.

    `step` hears of progress; BadInput when there are too few likes. Same input, settings and machine give the same result.
    """
    liked = train & log.events["liked"].astype(bool) & (log.events["row"] >= 0)
    if liked.sum() < FEWEST_LIKES:
        raise BadInput(f"{int(liked.sum())} likes are too few to learn from; {FEWEST_LIKES} is the least")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    moments = log.events["moment"]
    counts = counts_of(log, counted, notes)
    begin = int(np.quantile(moments[liked], 1 - RANKER_SHARE))
    past = train & (moments < begin)
    encoder = Encoder(vocabulary_of(log, past, NAME_FEWEST))
    after = begin + VALIDATION_DAYS * MICROSECONDS_PER_DAY
    validation = LikedRows(log, visible, counts, encoder, _latest(log, liked & (moments >= begin) & (moments < after), MOST_JUDGED))
    towers, epochs = fit_towers(
        LikedRows(log, visible, counts, encoder, past),
        settings.recipe,
        lambda note: step(f"past {note}"),
        judge=lambda towers: judge_towers(towers, encoder, validation) if len(validation) else 0.0,
    )
    earlier = Sources(encoder, towers, item_item_of(log, past), counts.notes is not None)
    later = LikedRows(log, visible, counts, encoder, _latest(log, liked & (moments >= after), MOST_ROWS))
    judged = judged_candidates(later, earlier, settings.recipe.seed)
    step(f"{len(judged.sizes):,} looks at likes for the ranker")
    ranker = export_forest(fit_ranker(judged, settings.rounds, threads, settings.recipe.seed))
    step("ranker")
    encoder = Encoder(vocabulary_of(log, train, NAME_FEWEST))
    rows = LikedRows(log, visible, counts, encoder, train)
    towers, _ = fit_towers(rows, settings.recipe, step, epochs=epochs)
    metrics = {"tower_epochs": float(epochs), "ranker_looks": float(len(judged.sizes))}
    sources = Sources(encoder, towers, item_item_of(log, train), rows.with_notes)
    return Learned(sources, towers, ranker, Forest(ranker), counts, epochs, metrics)


def steps_of(settings: Settings) -> int:
    """How many times `learn` calls its `step`, at most."""
    return 2 * settings.recipe.epochs + 2


def judge_towers(towers: TorchTowers, encoder: Encoder, rows: LikedRows) -> float:
    """NDCG of the towers alone over the whole catalogue, to its end: a month holds few questions, and few answers among the first ten."""
    alone = Sources(encoder, towers, item_item_of(rows.log, np.zeros(len(rows.log.events), dtype=bool)), rows.with_notes)
    gains = []
    for group in groups(rows, rows.latest(), alone):
        scores = towers.members(group.asked.member) @ group.shelf.vectors.T
        rank = ranks_of(np.where(group.rated, -np.inf, scores), rows.wine_rows[group.places])
        gains.append(ndcg(rank))
    return float(np.concatenate(gains).mean())


def item_item_of(log: RatingLog, kept: Bools) -> ItemItem:
    """Weights between wines, out of the dated ratings that `kept` marks; how old one is counts from the newest."""
    places = np.flatnonzero(kept & (log.events["moment"] != NEVER) & (log.events["row"] >= 0))
    rated = log.events[places]
    ages_days = (rated["moment"].max(initial=0) - rated["moment"]) / MICROSECONDS_PER_DAY
    return learn_item_item(Tastings(log.members[places], log.wines["wine"][rated["row"]], rated["liked"] > 0, ages_days))


def _latest(log: RatingLog, kept: Bools, most: int) -> Bools:
    """The latest `most` of the ratings that `kept` marks."""
    places = np.flatnonzero(kept)
    latest = places[np.argsort(log.events["moment"][places], kind="stable")][-most:]
    chosen = np.zeros(len(kept), dtype=bool)
    chosen[latest] = True
    return chosen
