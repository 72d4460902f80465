"""Rating scales and the rule that turns a rating into a like; read by sources, by the encoder and by the services."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellar_shared.errors import BadInput


@dataclass(frozen=True, slots=True)
class Scale:
    """A rating scale: its ends, the rating from which a wine counts as liked, and how far a unit of taste reaches."""

    name: str
    lowest: float
    highest: float
    liked_from: float
    unit: float

    def holds(self, rating: float) -> bool:
        """Is `rating` on this scale?"""
        return self.lowest <= rating <= self.highest

    def strengths(self, ratings: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """How far each rating lies above (0 and more: liked) or below the line, in units; float32, within -4 to 4."""
        return np.clip((ratings - self.liked_from) / self.unit, -4.0, 4.0).astype(np.float32)


# X-Wines: a like is a rating of 4 or more; half stars are the steps, one star is the unit.
# 0-100 (CellarTracker, where the member does not use fLikeIt): a like is 90 or more. Unit 5 points (judgement): what
# separates "very good" from "outstanding" on the scale's own wording.
SCALES = {scale.name: scale for scale in (Scale("1-5", 1.0, 5.0, 4.0, 1.0), Scale("0-100", 0.0, 100.0, 90.0, 5.0))}


def scale_named(name: str) -> Scale:
    """The scale called `name`; BadInput names the scales there are."""
    try:
        return SCALES[name]
    except KeyError:
        raise BadInput(f"scale {name!r} is not known; use one of {', '.join(SCALES)}") from None
