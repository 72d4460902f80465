"""The names a network has an embedding for: identity to row of the embedding table; made in training, kept in the bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from cellar_shared.features.identity import UNKNOWN


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`identities` (names,) int64 ascending; the name at place i has code i + 1, code 0 is everything else."""

    identities: npt.NDArray[np.int64]

    @classmethod
    def of(cls, identities: npt.NDArray[np.int64], fewest: int) -> Self:
        """The vocabulary of every identity that occurs at least `fewest` times."""
        names, times = np.unique(identities[identities != UNKNOWN], return_counts=True)
        return cls(names[times >= fewest])

    def codes(self, identities: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The code of each identity, in its shape; int64."""
        if not len(self.identities):
            return np.zeros(identities.shape, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.identities, identities), len(self.identities) - 1)
        return np.where(self.identities[place] == identities, place + 1, 0)

    def __len__(self) -> int:
        return len(self.identities) + 1
