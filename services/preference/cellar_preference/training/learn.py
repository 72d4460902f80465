"""One learning run: vocabulary, networks and calibrator out of the ratings before a moment; train and evaluate both call it.

The calibrator must be fitted on answers the network had not learnt, and recent ones. So a first network learns from all
but the latest months, is calibrated on those, and the calibrator is kept for the networks that learn from everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from cellar_preference.training.fit import Recipe, fit_networks, logits_of
from cellar_preference.training.network import Served
from cellar_preference.training.rows import RatedRows
from cellar_shared.calibration.apply import Calibrator
from cellar_shared.calibration.fit import fit_calibrator
from cellar_shared.calibration.measure import bias, ece, noise_floor
from cellar_shared.calibration.trailing import TrailingOffset
from cellar_shared.errors import BadInput
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, day_of
from cellar_shared.features.counts import RunningCounts
from cellar_shared.features.encoder import Encoder
from cellar_shared.liking.predictor import wine_ratings_of
from cellar_shared.store.looking_back import Span, counts_of, vocabulary_of
from cellar_shared.store.rating_log import RatingLog

Bools = npt.NDArray[np.bool_]
Float64s = npt.NDArray[np.float64]

NAME_FEWEST: Final = 5  # ratings that carry a name before it gets an embedding of its own
CALIBRATION_DAYS: Final = 180
CALIBRATION_SHARE: Final = 0.5  # at most this share of the rows, where the log is short
FEWEST_ROWS: Final = 200
TASTINGS_FROM: Final = (0, 1, 4, 11)
RATINGS_FROM: Final = (0, 1, 10, 50)


@dataclass(frozen=True, slots=True)
class Learned:
    """What one run made; `counts` are those it learnt with, for whoever asks it next.

    `calibration`: how true the calibrated answers of the network that had not learnt the calibration rows are on them.
    """

    encoder: Encoder
    network: Served
    calibrator: Calibrator
    counts: RunningCounts
    calibration_rows: Bools
    calibration: dict[str, float]

    def probabilities(self, rows: RatedRows, span: Span, track: TrailingOffset | None = None) -> Float64s:
        """Calibrated chances of a like for every row, looking back at `span`; with `track`, moved by its day's offset."""
        offsets = None if track is None else track.at(day_of(rows.as_of))
        return self.calibrator.apply(logits_of(self.network, rows, span), span.lengths, wine_ratings_of(rows.wine_features), offsets)

    def trail(self, rows: RatedRows) -> TrailingOffset:
        """The trailing offsets that the outcomes of `rows` call for."""
        return TrailingOffset.of_outcomes(day_of(rows.as_of), self.probabilities(rows, rows.latest()), rows.labels)


def learn(
    log: RatingLog, train: Bools, visible: Bools, counted: Bools, recipe: Recipe, threads: int, step: Callable[[str], None]
) -> Learned:
    """Learn from the ratings that `train` marks; histories come from `visible`, counts from `counted` ((ratings,) bool).

    `step` hears once per epoch of each network. BadInput when the rows are too few. Same input, recipe and machine give
    the same result.
    """
    if train.sum() < FEWEST_ROWS:
        raise BadInput(f"{int(train.sum())} ratings are too few to learn from; {FEWEST_ROWS} is the least")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    counts = counts_of(log, counted)
    encoder = Encoder(vocabulary_of(log, train, NAME_FEWEST))
    held = _calibration_rows(log, train)
    if not held.any() or held.sum() == train.sum():
        raise BadInput("the ratings to learn from lie at one moment; a calibrator needs later ones than the network learns from")
    first = fit_networks(
        RatedRows(log, visible, counts, encoder, train & ~held), recipe.with_networks(1), lambda note: step(f"calibration {note}")
    )
    held_rows = RatedRows(log, visible, counts, encoder, held)
    calibrator = _calibrate(first, held_rows)
    network = fit_networks(RatedRows(log, visible, counts, encoder, train), recipe, step)
    return Learned(encoder, network, calibrator, counts, held, _measure(first, calibrator, held_rows))


def steps_of(recipe: Recipe) -> int:
    """How many times `learn` calls its `step`."""
    return recipe.epochs * (recipe.networks + 1)


def _calibration_rows(log: RatingLog, train: Bools) -> Bools:
    moments = log.events["moment"]
    last = moments[train].max()
    begin = max(int(last - CALIBRATION_DAYS * MICROSECONDS_PER_DAY), int(np.quantile(moments[train], 1 - CALIBRATION_SHARE)))
    return np.asarray(train & (moments > begin))


def _calibrate(network: Served, rows: RatedRows) -> Calibrator:
    """Fit on every row as it was asked, and again with short and empty histories, so that each cell has rows of its own."""
    spans = (rows.latest(), rows.first(5), rows.first(2), rows.first(0))
    logits = [logits_of(network, rows, span) for span in spans]
    return fit_calibrator(
        np.concatenate(logits),
        np.tile(rows.labels, len(spans)),
        np.concatenate([span.lengths for span in spans]),
        np.tile(wine_ratings_of(rows.wine_features), len(spans)),
        tastings_from=TASTINGS_FROM,
        ratings_from=RATINGS_FROM,
    )


def _measure(network: Served, calibrator: Calibrator, rows: RatedRows) -> dict[str, float]:
    """Fitted on these rows, so a figure of health and no evaluation."""
    span = rows.latest()
    probabilities = calibrator.apply(logits_of(network, rows, span), span.lengths, wine_ratings_of(rows.wine_features))
    return {
        "rows": float(len(rows)),
        "ece": round(ece(rows.labels, probabilities), 5),
        "ece_noise_floor": round(noise_floor(ece, probabilities, seed=0), 5),
        "bias": round(bias(rows.labels, probabilities), 5),
    }
