"""Keeps percentages true between trainings: how far recent outcomes lay off a model's answers, day by day.

People's rating habits drift by the month and a model's parameters stand still. The offset of a day is what would have made
the answers to the WINDOW_DAYS before it come true, drawn to zero; it knows nothing of the day itself, so it may be asked
as of any day, like every other feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

# A judgement between drift and noise: a hundred outcomes a week leave a standard error of about .06 (docs/decisions/0005).
WINDOW_DAYS: Final = 120
PULL: Final = 25.0  # belief in no offset, as a prior's inverse variance: a standard deviation of 0.2 on the logit scale


@dataclass(frozen=True, slots=True)
class TrailingOffset:
    """Logit offsets by day since 1970: `offsets` (days,) float64, the first for `first_day`; none before it, the last after."""

    first_day: int
    offsets: Float64s

    @classmethod
    def none(cls) -> Self:
        """No offset on any day."""
        return cls(0, np.zeros(0))

    @classmethod
    def of_outcomes(cls, days: Int64s, probabilities: Float64s, labels: Float64s) -> Self:
        """The offsets that outcomes `labels` (0 or 1) of answers `probabilities` given on `days` call for; all (rows,).

        One Newton step of the logistic likelihood from zero: sum(y - p) / (sum(p (1 - p)) + PULL) over the window.
        """
        if not len(days):
            return cls.none()
        first = int(days.min())
        length = int(days.max()) - first + 2  # the day after the last outcome still sees it
        error = np.bincount(days - first, weights=labels - probabilities, minlength=length).astype(np.float64)
        spread = np.bincount(days - first, weights=probabilities * (1 - probabilities), minlength=length).astype(np.float64)
        until = np.arange(length)
        since = np.maximum(until - WINDOW_DAYS, 0)

        def over_window(values: Float64s) -> Float64s:
            total = np.concatenate([[0.0], np.cumsum(values)])
            return np.asarray(total[until] - total[since])

        return cls(first, over_window(error) / (over_window(spread) + PULL))

    def at(self, days: Int64s) -> Float64s:
        """The offset for a question whose features count before 00:00 UTC of each day; days' shape, float64."""
        if not len(self.offsets):
            return np.zeros(days.shape)
        place = np.clip(days - self.first_day, 0, len(self.offsets) - 1)
        return np.where(days >= self.first_day, self.offsets[place], 0.0)
