"""Wines that go with the wines a member tasted: learnt weights between wines, dense or a few for each wine; a source of candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ItemItem:
    """Weights from a wine tasted to liking another, by the wines' identities.

    `identities` (wines,) int64 ascending. Dense: `weights` (wines, wines) float32, row: tasted, column: asked; `columns` and
    `offsets` are empty. Sparse: `weights` (entries,), `columns` (entries,) int32 ascending within a row, `offsets` (wines + 1,).
    """

    identities: Int64s
    weights: Float32s
    columns: npt.NDArray[np.int32]
    offsets: Int64s

    @classmethod
    def dense(cls, identities: Int64s, weights: Float32s) -> Self:
        """All weights between `identities` (wines,), which must ascend."""
        return cls(identities, weights, np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64))

    @property
    def is_dense(self) -> bool:
        return self.weights.ndim == 2

    def places(self, identities: Int64s) -> Int64s:
        """Where each identity stands, -1 for a wine that nothing was learnt of; in the shape given."""
        if not len(self.identities):
            return np.full(identities.shape, -1, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.identities, identities), len(self.identities) - 1)
        return np.where(self.identities[place] == identities, place, -1)

    def between(self, liked: Int64s, asked: Int64s) -> Float32s:
        """The weight from `liked` to `asked` (places, -1 unknown: 0), which broadcast against each other."""
        liked, asked = np.broadcast_arrays(liked, asked)
        known = (liked >= 0) & (asked >= 0)
        if not self.weights.size:
            return np.zeros(liked.shape, dtype=np.float32)
        if self.is_dense:
            found = self.weights[np.maximum(liked, 0), np.maximum(asked, 0)]
            return np.asarray(np.where(known, found, 0.0), dtype=np.float32)
        # Each pair is looked for in its own row by halving it: what that costs does not grow with the number of entries.
        place, end = self.offsets[np.maximum(liked, 0)], self.offsets[np.maximum(liked, 0) + 1]
        high = end
        for _ in range(int((end - place).max(initial=0)).bit_length()):
            middle = np.minimum((place + high) // 2, len(self.columns) - 1)
            is_left = (place < high) & (self.columns[middle] < asked)
            place, high = np.where(is_left, middle + 1, place), np.where(is_left, high, middle)
        inside = np.minimum(place, len(self.columns) - 1)
        found = known & (place < end) & (self.columns[inside] == asked)
        return np.asarray(np.where(found, self.weights[inside], 0.0), dtype=np.float32)

    def scores(self, liked: Int64s, counts: Float32s) -> Float32s:
        """Each question's sum of weights towards every wine: `liked` (questions, items) places, `counts` (questions, items) what each
        item counts; (questions, wines)."""
        width = len(self.identities)
        if not width:
            return np.zeros((len(liked), 0), dtype=np.float32)
        given = np.where(liked >= 0, counts, 0.0).astype(np.float32)
        if self.is_dense and np.count_nonzero(given) < width:  # one request: only the rows of what was liked are read
            rows = [row != 0 for row in given]
            return np.stack([row[kept] @ self.weights[items[kept]] for row, items, kept in zip(given, liked, rows, strict=True)])
        if self.is_dense:
            history = np.zeros((len(liked), width), dtype=np.float32)
            np.add.at(history, (np.arange(len(liked))[:, None], np.maximum(liked, 0)), given)
            return np.asarray(history @ self.weights, dtype=np.float32)
        scores = np.zeros((len(liked), width), dtype=np.float32)
        question, item = np.nonzero(given)
        row = liked[question, item]
        lengths = np.diff(self.offsets)[row]
        ends = np.cumsum(lengths)
        entry = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths) + np.repeat(self.offsets[row], lengths)
        np.add.at(
            scores, (np.repeat(question, lengths), self.columns[entry]), self.weights[entry] * np.repeat(given[question, item], lengths)
        )
        return scores
