"""Turns a network's logits into percentages that come true: a line on the logit scale for each cell of evidence.

Read by services as plain arrays; `fit` makes them. Within a cell the order of the logits is kept: slopes are positive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64] | npt.NDArray[np.float64]

SUREST: Final = 30.0  # logit past which nothing is told apart: near 37 a double cannot tell a chance from 1


@dataclass(frozen=True, slots=True)
class Calibrator:
    """probability = 1 / (1 + exp(-(slope * logit + offset))) with slope and offset of the pair's cell.

    A cell is a band of the member's tastings that count and a band of the wine's ratings: a count lies in the last band
    whose lower bound it reaches. `slopes`, `offsets` (tasting bands, rating bands) float64, slopes above 0.
    """

    tastings_from: tuple[int, ...]
    ratings_from: tuple[int, ...]
    slopes: Float64s
    offsets: Float64s

    def __post_init__(self) -> None:
        shape = (len(self.tastings_from), len(self.ratings_from))
        for bounds in (self.tastings_from, self.ratings_from):
            if not bounds or bounds[0] != 0 or list(bounds) != sorted(set(bounds)):
                raise ValueError(f"bands {bounds} must begin at 0 and rise")
        if self.slopes.shape != shape or self.offsets.shape != shape:
            raise ValueError(f"slopes {self.slopes.shape} and offsets {self.offsets.shape} must both be {shape}")
        if not (self.slopes > 0).all() or not np.isfinite(self.slopes).all() or not np.isfinite(self.offsets).all():
            raise ValueError("slopes must be above 0, and slopes and offsets finite")

    def cells(self, tastings: Counts, ratings: Counts) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The cell of each pair as (band of tastings, band of ratings), both (pairs,)."""
        return np.searchsorted(self.tastings_from, tastings, side="right") - 1, np.searchsorted(
            self.ratings_from, ratings, side="right"
        ) - 1

    def apply(self, logits: Float64s, tastings: Counts, ratings: Counts, trailing: Float64s | None = None) -> Float64s:
        """Probabilities (pairs,) float64, above 0 and below 1, for logits and evidence counts (pairs,).

        `trailing` (pairs,) offsets are added on the logit scale where given.
        """
        cell = self.cells(tastings, ratings)
        exponent = -(self.slopes[cell] * logits + self.offsets[cell] + (0.0 if trailing is None else trailing))
        return np.asarray(1.0 / (1.0 + np.exp(np.clip(exponent, -SUREST, SUREST))))

    def to_json(self) -> dict[str, Any]:
        """The calibrator as plain lists."""
        return {
            "tastings_from": list(self.tastings_from),
            "ratings_from": list(self.ratings_from),
            "slopes": self.slopes.tolist(),
            "offsets": self.offsets.tolist(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The calibrator that `to_json` wrote."""
        return cls(
            tuple(content["tastings_from"]),
            tuple(content["ratings_from"]),
            np.array(content["slopes"], dtype=np.float64),
            np.array(content["offsets"], dtype=np.float64),
        )
