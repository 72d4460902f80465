"""One score out of those of several members who drink one bottle: nobody should suffer, most should be glad.

Least misery and the mean are the two that groups accept most (Masthoff, "Group recommender systems", Recommender Systems
Handbook, 2015); half of each is a judgement: the least alone lets one member decide all, the mean alone forgets them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

LEAST_WEIGHT: Final = 0.5  # judgement


def together(scores: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """What wines are worth to all `members`: (wines,) out of (members, wines) on one scale that members share, as probabilities are."""
    wide = scores.astype(np.float64)
    # Sorted, so that the order of the members changes not even the last bit.
    return np.asarray(LEAST_WEIGHT * wide.min(axis=0) + (1 - LEAST_WEIGHT) * np.sort(wide, axis=0).mean(axis=0))
