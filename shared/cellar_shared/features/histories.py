"""What members did before a moment, as flat arrays with offsets: the form in which every history reaches the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from cellar_shared.events.moments import MICROSECONDS_PER_DAY, NEVER, Moments
from cellar_shared.features.wines import Wines, no_wines

NON_VINTAGE: Final = 0
UNKNOWN_VINTAGE: Final = -1
# A tasting whose day nobody knows is taken to be a year old: about the middle of what histories hold (judgement).
UNDATED_AGE: Final = 365 * MICROSECONDS_PER_DAY

# One rating as a store keeps it; an undated one has moment NEVER.
# `row` points into the generation's wines, -1 is a wine that the catalogue lacks.
EVENT: Final = np.dtype([("moment", "<i8"), ("row", "<i4"), ("vintage", "<i2"), ("liked", "u1"), ("strength", "<f4")])

Events = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Histories:
    """Ratings of several members, oldest first, one after the other.

    `offsets` (members + 1,) int64: member m holds rows offsets[m] to offsets[m + 1]; `wines` (rows,) WINE;
    `moments` (rows,) int64 effective moments; `vintages` (rows,) int16; `liked` (rows,) bool; `strengths` (rows,) float32.
    """

    offsets: npt.NDArray[np.int64]
    wines: Wines
    moments: Moments
    vintages: npt.NDArray[np.int16]
    liked: npt.NDArray[np.bool_]
    strengths: npt.NDArray[np.float32]

    @classmethod
    def of_events(cls, offsets: npt.NDArray[np.int64], events: Events, wines: Wines) -> Self:
        """Histories out of stored `events` (EVENT), whose rows index the catalogue's `wines`."""
        return cls(
            offsets,
            wines_of(wines, events["row"]),
            events["moment"],
            events["vintage"],
            events["liked"].astype(bool),
            events["strength"],
        )

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Ratings per member; (members,) int64."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> npt.NDArray[np.int64]:
        """The member of each row; (rows,) int64."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.lengths)


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked: for each pair, what member `member[i]`, as of their moment, will think of `wines[i]`.

    `histories` hold only what each member had done before `as_of` (members,) int64; `member` (pairs,) int64 index;
    `wines` (pairs,) WINE; `vintages` (pairs,) int16, -1 unknown, 0 non-vintage.
    """

    histories: Histories
    as_of: Moments
    member: npt.NDArray[np.int64]
    wines: Wines
    vintages: npt.NDArray[np.int16]
    features_as_of: Moments


def joined(histories: Sequence[Histories]) -> Histories:
    """The members of several histories, one after the other."""
    if len(histories) == 1:
        return histories[0]
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([each.lengths for each in histories]))])
    columns = ("wines", "moments", "vintages", "liked", "strengths")
    return Histories(offsets, *(np.concatenate([getattr(each, name) for each in histories]) for name in columns))


def wines_of(wines: Wines, rows: npt.NDArray[np.int32]) -> Wines:
    """WINE records for catalogue rows; a row of -1 is a wine of which nothing is known."""
    records = no_wines(len(rows))
    records[rows >= 0] = wines[rows[rows >= 0]]
    return records


def history_of(events: Events, wines: Wines, as_of: int, limit: int, *, is_undated_known: bool = False) -> tuple[Histories, bool]:
    """The latest `limit` of one member's `events` (EVENT, oldest first) before `as_of`, and whether any were cut off.

    Undated events (moment NEVER, last) are left out unless `is_undated_known`; then they are taken to be UNDATED_AGE old,
    as they are in a history that comes with a request.
    """
    known = events[: int(np.searchsorted(events["moment"], as_of))]
    undated = events[int(np.searchsorted(events["moment"], NEVER)) :]
    if is_undated_known and len(undated):
        undated = undated.copy()
        undated["moment"] = as_of - UNDATED_AGE
        known = np.concatenate([undated, known])
        known = known[np.argsort(known["moment"], kind="stable")]
    start = max(0, len(known) - limit)
    return Histories.of_events(np.array([0, len(known) - start], dtype=np.int64), known[start:], wines), start > 0
