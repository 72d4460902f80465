"""Finds a wine's row in a generation's catalogue by its identity; the generation and the overlay look wines up here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from cellar_shared.errors import BadInput
from cellar_shared.features.wines import Wines


@dataclass(frozen=True, slots=True)
class WineIndex:
    """Finds a wine's row by its identity. `identities` (wines,) int64 ascending, `rows` (wines,) int32."""

    identities: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int32]

    @classmethod
    def of(cls, wines: Wines) -> Self:
        """The index over a catalogue's records."""
        order = np.argsort(wines["wine"], kind="stable")
        identities = wines["wine"][order]
        if len(identities) and (identities[1:] == identities[:-1]).any():
            raise BadInput("two wines of the catalogue share an identity; give one of them another wine_id")
        return cls(identities, order.astype(np.int32))

    def rows_of(self, identities: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """The row of each wine; (asked,) int32, -1 for a wine that the catalogue lacks."""
        if not len(self.identities):
            return np.full(len(identities), -1, dtype=np.int32)
        place = np.minimum(np.searchsorted(self.identities, identities), len(self.identities) - 1)
        return np.where(self.identities[place] == identities, self.rows[place], np.int32(-1))
