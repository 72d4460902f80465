"""One place of a list given by lot, so that what was never shown can be learnt of: who gets it, and with what chance exactly.

The chance is logged with the impression: an outcome weighted by 1 / chance is what the wine would have done, shown to all.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

SOURCE: Final = "exploration"
_PURPOSE: Final = b"cellar recommender exploration"


@dataclass(frozen=True, slots=True)
class Drawn:
    """Which of the pool was drawn, by place, and the chance with which it was."""

    place: int
    propensity: float


def propensities(scores: npt.NDArray[np.floating], explore: float) -> npt.NDArray[np.float64]:
    """The chance of each wine of the pool to be drawn: a softmax whose temperature is `explore` (above 0) spreads of the scores. (pool,).

    Small: nearly always the best of the pool; 1: a wine one spread worse is drawn 1 / e as often. Standardised, so that a model
    whose scores have another scale explores as much.
    """
    wide = scores.astype(np.float64)
    spread = wide.std()
    # Below 1e-9 of their size the scores differ by rounding alone.
    if spread > 1e-9 * np.abs(wide).max():
        with np.errstate(over="ignore"):  # a share so small that its product with the spread would be none: the best is drawn
            logits = (wide - wide.max()) / spread / explore
    else:
        logits = np.zeros(len(wide))
    weights = np.exp(logits)
    return np.asarray(weights / weights.sum())


def draw(scores: npt.NDArray[np.floating], explore: float, seed: int) -> Drawn | None:
    """Who of the pool gets the place; None where `explore` is 0 or the pool is empty. The same seed draws the same.

    `scores` (pool,) are finite. Over all seeds, 0 to 2**53 - 1, each wine is drawn with its propensity.
    """
    if explore <= 0 or not len(scores):
        return None
    chances = propensities(scores, explore)
    reached = np.cumsum(chances)
    # Scaled to what the sum is in floating point, so that the lot falls on a wine of chance above 0 whatever was rounded.
    place = int(np.searchsorted(reached, lot(seed) * reached[-1], side="right"))
    return Drawn(place, float(chances[place]))


def lot(seed: int) -> float:
    """A number from 0 to below 1 that a seed stands for: uniform over seeds, the same on every machine and version of any library."""
    digest = blake2b(seed.to_bytes(8, "little"), digest_size=8, key=_PURPOSE).digest()
    return (int.from_bytes(digest, "little") >> 11) / 2.0**53
