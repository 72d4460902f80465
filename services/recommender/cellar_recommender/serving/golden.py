"""Golden cases of a recommender: histories, a small shelf with its counts, and the scores that training gave; replayed at open."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.bundle.golden import asked_of_arrays, asked_to_arrays
from cellar_shared.errors import Incompatible
from cellar_shared.features.counts import RunningCounts
from cellar_shared.features.histories import Histories, Questions
from cellar_shared.features.note_counts import NoteCounts
from cellar_shared.features.wines import Wines
from cellar_shared.npy import read_npz

# What another machine's vector instructions and another build of the runtime may move a score: vectors and leaves are of
# size 1 and summed in float32; a wrong feature moves scores by 1e-2 and more.
REPLAY_TOLERANCE: Final = 1e-3
MOST_OFF: Final = 0.02  # of the forest's scores may be off by more: a source's score beside a threshold takes the other leaf

_NOTES: Final = "notes_"  # before the names of note counts' arrays


@dataclass(frozen=True, slots=True)
class GoldenCases:
    """Histories asked about as of one day, `wines` (W,) WINE as the whole catalogue, and the answers: `tower` (M, W), `ranked` (M, W)."""

    histories: Histories
    as_of: int
    wines: Wines
    counts: RunningCounts
    tower: npt.NDArray[np.float32]
    ranked: npt.NDArray[np.float32]

    @property
    def questions(self) -> Questions:
        """The histories as questions, about no wine yet."""
        return questions_of(self.histories, self.as_of)

    def to_bytes(self) -> bytes:
        """The cases as a NumPy archive of plain arrays."""
        arrays = asked_to_arrays(self.histories, self.counts)
        if self.counts.notes is not None:
            arrays |= {f"{_NOTES}{name}": np.asarray(getattr(self.counts.notes, name)) for name in NoteCounts.__slots__}
        arrays |= {"as_of": np.int64(self.as_of), "wines": self.wines, "tower": self.tower, "ranked": self.ranked}
        stream = io.BytesIO()
        np.savez_compressed(stream, **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> GoldenCases:
        """The cases that `to_bytes` wrote."""
        arrays = read_npz(io.BytesIO(content))
        histories, counts = asked_of_arrays(arrays)
        if f"{_NOTES}wines" in arrays:
            counts = replace(counts, notes=NoteCounts(**{name: arrays[f"{_NOTES}{name}"] for name in NoteCounts.__slots__}))
        return cls(histories, int(arrays["as_of"]), arrays["wines"], counts, arrays["tower"], arrays["ranked"])

    def replay(self, answer: Callable[[GoldenCases], tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]) -> None:
        """Ask again; Incompatible when a tower's score, or more than MOST_OFF of the forest's, differ by more than REPLAY_TOLERANCE."""
        tower, ranked = answer(self)
        for name, given, wanted, most_off in (("towers", tower, self.tower, 0.0), ("ranker", ranked, self.ranked, MOST_OFF)):
            both_out = np.isneginf(given) & np.isneginf(wanted)
            off = ~both_out & ~(np.abs(np.where(both_out, 0.0, given) - np.where(both_out, 0.0, wanted)) <= REPLAY_TOLERANCE)
            if off.mean() > most_off:
                case = int(np.flatnonzero(off.any(axis=1))[0])
                raise Incompatible(
                    f"golden case {case}: {off.mean():.1%} of the {name}' scores differ from training's by more than "
                    f"{REPLAY_TOLERANCE:g}; the code or the runtime differs from the bundle's: train again or go back"
                )


def questions_of(histories: Histories, as_of: int) -> Questions:
    """Histories as questions as of one midnight, about no wine yet."""
    moments = np.full(len(histories.lengths), as_of, dtype=np.int64)
    none = np.zeros(0, dtype=np.int64)
    return Questions(histories, moments, none, histories.wines[:0], none.astype(np.int16), moments)
