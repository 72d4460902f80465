"""Tasting notes of a data folder as arrays, without their texts: whose, of which wine, when, which terms; for training and materialize."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_shared.events.moments import NEVER, Moments, day_of
from cellar_shared.events.tables import DataFolder, batches
from cellar_shared.features.identity import identity
from cellar_shared.features.note_counts import NoteCounts, count_notes
from cellar_shared.features.terms import bags_of
from cellar_shared.store.rating_log import RatingLog, event_hashes
from cellar_shared.store.wine_index import WineIndex

TABLE: Final = "notes"
NOTES_AT_ONCE: Final = 16_384  # texts in memory

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class NoteLog:
    """Every dated note of a wine of the catalogue, in whatever order.

    `rows` (notes,) int32 of the catalogue; `moments` (notes,) int64; `bags` (notes,) uint64, the terms of each; and, where they were asked
    for, `members` (notes,) int32 index of the rating log's member, -1 for one who rated nothing, and `event_ids` (notes,) uint64 hashes.
    """

    rows: npt.NDArray[np.int32]
    moments: Moments
    bags: npt.NDArray[np.uint64]
    members: npt.NDArray[np.int32]
    event_ids: npt.NDArray[np.uint64]

    @classmethod
    def none(cls) -> NoteLog:
        """No notes at all."""
        return _joined([])

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def days(self) -> npt.NDArray[np.int64]:
        """The day of each, (notes,)."""
        return day_of(self.moments)

    def counted(self, log: RatingLog, counted: Bools) -> Bools:
        """Which notes count where only the ratings that `counted` (ratings,) marks do; (notes,).

        None of a member or a wine that is left out of the counts, and none that is newer than all that is counted.
        """
        dated = log.events["moment"] != NEVER
        kept = counted & dated
        until = log.events["moment"][kept].max(initial=np.iinfo(np.int64).min)
        is_out = _left_out(log.members, dated, kept, len(log.member_ids))[self.members]
        is_out |= _left_out(log.events["row"], dated, kept, len(log.wines))[self.rows]
        is_counted: Bools = (self.moments <= until) & ~is_out
        return is_counted

    def counts(self, log: RatingLog, counted: Bools) -> NoteCounts | None:
        """Running counts of the notes that are counted beside those ratings; None where there are none."""
        kept = self.counted(log, counted)
        return count_notes(log.wines["wine"][self.rows[kept]], self.days[kept], self.bags[kept]) if kept.any() else None


def read_note_log(folder: DataFolder, log: RatingLog, *, with_whose: bool = True) -> NoteLog:
    """The notes of `folder`, whose ratings are `log`; empty where it has no table of notes. Some texts at a time are in memory.

    Without whose they are (`members` and `event_ids` are empty then) 20 bytes a note are kept.
    """
    if TABLE not in folder.manifest.tables:
        return NoteLog.none()
    index = WineIndex.of(log.wines)
    places = {member_id: place for place, member_id in enumerate(log.member_ids.tolist())} if with_whose else {}
    columns = ["wine_id", "text", pl.col("noted_at").dt.timestamp("us").alias("moment"), *(["member_id", "event_id"] if with_whose else [])]
    dated = folder.scan(TABLE).filter(pl.col("noted_at").is_not_null() & pl.col("text").is_not_null()).select(columns)
    return _joined([_part(batch, index, places, with_whose) for batch in batches(dated, NOTES_AT_ONCE)])


def _part(batch: pl.DataFrame, index: WineIndex, places: dict[str, int], with_whose: bool) -> NoteLog:
    rows = index.rows_of(np.array([identity("wine", wine_id) for wine_id in batch["wine_id"]], dtype=np.int64))
    known = rows >= 0
    batch = batch.filter(pl.Series(known))
    members = [places.get(member_id, -1) for member_id in batch["member_id"]] if with_whose else []
    return NoteLog(
        rows[known],
        batch["moment"].to_numpy(),
        bags_of(batch["text"]),
        np.array(members, dtype=np.int32),
        event_hashes(batch["event_id"].to_list() if with_whose else []),
    )


def _joined(parts: list[NoteLog]) -> NoteLog:
    types = {"rows": np.int32, "moments": np.int64, "bags": np.uint64, "members": np.int32, "event_ids": np.uint64}
    joined: dict[str, Any] = {
        name: np.concatenate([np.zeros(0, dtype=dtype), *(getattr(part, name) for part in parts)]) for name, dtype in types.items()
    }
    return NoteLog(**joined)


def _left_out(of_rating: npt.NDArray[np.int32], dated: Bools, kept: Bools, things: int) -> Bools:
    """Which members or wines have dated ratings and none that is kept; (things + 1,), False for who is no member of the log (-1)."""
    has, has_kept = np.zeros(things + 1, dtype=bool), np.zeros(things + 1, dtype=bool)
    has[of_rating[dated]], has_kept[of_rating[kept]] = True, True
    has[-1] = False
    left_out: Bools = has & ~has_kept
    return left_out
