"""Learns the weights between wines that are liked together: EASE where the catalogue is small, neighbours by cosine above."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellar_recommender.serving.item_item import ItemItem

DENSE_AT_MOST: Final = 20_000  # wines: the inverse of so many takes 3.2 GB and minutes, beyond it neither is reasonable
RIDGE: Final = 400.0  # chosen on a validation slice among 50, 100, 200, 400
NEIGHBOURS: Final = 100
SHRINK: Final = 10.0  # members' worth of disbelief in a similarity
ROWS_AT_ONCE: Final = 2_000


def likes_matrix(members: npt.NDArray[np.integer], wines: npt.NDArray[np.int64], width: int) -> sparse.csr_array:
    """Who liked what, 1 or nothing: (members with a like, width) float32; `members`, `wines` (likes,) pairs, wines below `width`."""
    _, row = np.unique(members, return_inverse=True)
    ones = np.ones(len(wines), dtype=np.float32)
    matrix = sparse.csr_array((ones, (row, wines)), shape=(int(row.max(initial=-1)) + 1, width))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def learn_item_item(members: npt.NDArray[np.integer], wines: npt.NDArray[np.int64], dense_at_most: int = DENSE_AT_MOST) -> ItemItem:
    """Weights between the wines liked, out of (likes,) pairs of member and wine identity."""
    identities, column = np.unique(wines, return_inverse=True)
    likes = likes_matrix(members, column.astype(np.int64), len(identities))
    if len(identities) <= dense_at_most:
        return ItemItem.dense(identities, ease(likes, RIDGE))
    return _sparse(identities, neighbours(likes, NEIGHBOURS, SHRINK))


def ease(likes: sparse.csr_array, ridge: float) -> npt.NDArray[np.float32]:
    """The closed form of EASE (Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019); (wines, wines)."""
    together = (likes.T @ likes).toarray().astype(np.float64)
    together[np.diag_indices_from(together)] += ridge
    precision = np.linalg.inv(together)
    weights = -precision / np.diag(precision)
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights, dtype=np.float32)


def neighbours(likes: sparse.csr_array, most: int, shrink: float) -> sparse.csr_array:
    """Shrunken cosines between wines liked together, the `most` nearest of each asked wine (column); (wines, wines)."""
    columns = likes.tocsc()
    count = np.asarray(likes.sum(axis=0)).ravel()
    norm = np.sqrt(count)
    kept = []
    for begin in range(0, likes.shape[1], ROWS_AT_ONCE):
        together = (columns[:, begin : begin + ROWS_AT_ONCE].T @ likes).tocsr()  # (asked, liked)
        asked = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr)) + begin
        value = together.data / (norm[asked] * norm[together.indices] + shrink)
        value[asked == together.indices] = 0.0
        order = np.lexsort((together.indices, -value, asked))
        place = np.arange(len(order)) - together.indptr[asked[order] - begin]
        order = order[(place < most) & (value[order] > 0)]
        kept.append((value[order], together.indices[order], asked[order]))
    value, liked, asked = (np.concatenate(part) for part in zip(*kept, strict=True))
    return sparse.csr_array((value.astype(np.float32), (liked, asked)), shape=(likes.shape[1],) * 2)


def _sparse(identities: npt.NDArray[np.int64], weights: sparse.csr_array) -> ItemItem:
    weights.sort_indices()
    return ItemItem(identities, weights.data, weights.indices.astype(np.int32), weights.indptr.astype(np.int64))
