"""Learns what liking follows from tasting what: ridge regression where the catalogue is small, neighbours by cosine above.

A history is all that a member tasted, not only what they liked: what people come across goes together too. On a validation slice the
regression from tastings to likes, of which newer count more, ranks by itself at NDCG@10 .134, EASE on likes at .123.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellar_recommender.serving.item_item import ItemItem

DENSE_AT_MOST: Final = 20_000  # wines: the inverse of so many takes 3.2 GB and minutes, beyond it neither is reasonable
RIDGE: Final = 200.0  # chosen on a validation slice among 100, 200, 400
HALF_LIFE_DAYS: Final = 730.0  # of a tasting's weight; chosen among 365, 730, 1095, 2000
NEIGHBOURS: Final = 100
SHRINK: Final = 10.0  # members' worth of disbelief in a similarity
ROWS_AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Tastings:
    """Who tasted what: `members` (tastings,) any numbers, `wines` (tastings,) identities, `liked` (tastings,), `ages_days` (tastings,)."""

    members: npt.NDArray[np.integer]
    wines: npt.NDArray[np.int64]
    liked: npt.NDArray[np.bool_]
    ages_days: npt.NDArray[np.float64]


def likes_matrix(
    members: npt.NDArray[np.integer], wines: npt.NDArray[np.int64], width: int, weights: npt.NDArray[np.float32] | None = None
) -> sparse.csr_array:
    """Who liked (or tasted) what, 1 or nothing: (members with one, width) float32; `members`, `wines` (likes,) pairs, wines below `width`.

    With `weights` (likes,) those instead of 1; of a pair that comes again, the greatest.
    """
    _, row = np.unique(members, return_inverse=True)
    given = np.ones(len(wines), dtype=np.float32) if weights is None else weights
    order = np.lexsort((given, wines, row))
    is_last = np.append((np.diff(row[order]) != 0) | (np.diff(wines[order]) != 0), [True] if len(wines) else [])
    kept = order[is_last.astype(bool)]
    return sparse.csr_array((given[kept], (row[kept], wines[kept])), shape=(int(row.max(initial=-1)) + 1, width))


def learn_item_item(tastings: Tastings, dense_at_most: int = DENSE_AT_MOST) -> ItemItem:
    """Weights from a wine tasted to one that is liked, between all wines tasted."""
    identities, column = np.unique(tastings.wines, return_inverse=True)
    # Half on either side of a product: a pair of tastings counts by the geometric mean of their weights.
    weight = np.exp2(-tastings.ages_days / HALF_LIFE_DAYS / 2).astype(np.float32)
    tasted = likes_matrix(tastings.members, column.astype(np.int64), len(identities), weight)
    liked = likes_matrix(tastings.members, column.astype(np.int64), len(identities), weight * tastings.liked)
    if len(identities) <= dense_at_most:
        return ItemItem.dense(identities, ease(tasted, liked, RIDGE))
    liked.eliminate_zeros()
    return _sparse(identities, neighbours(tasted, liked, NEIGHBOURS, SHRINK))


def ease(tasted: sparse.csr_array, liked: sparse.csr_array, ridge: float) -> npt.NDArray[np.float32]:
    """For every wine the ridge regression of `liked` on `tasted` without the wine itself; both (members, wines), result (wines, wines).

    With the same matrix twice it is EASE (Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019), whose closed form
    this is with another right side: of P = (T'T + ridge)^-1 and B = P T'L the weights are B - P diag(B_jj / P_jj).
    """
    together = (tasted.T @ tasted).toarray().astype(np.float64)
    together[np.diag_indices_from(together)] += ridge
    precision = np.linalg.inv(together)
    weights = precision @ (tasted.T @ liked).toarray().astype(np.float64)
    weights -= precision * (np.diag(weights) / np.diag(precision))
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights, dtype=np.float32)


def neighbours(tasted: sparse.csr_array, liked: sparse.csr_array, most: int, shrink: float) -> sparse.csr_array:
    """Shrunken cosines of `tasted` (rows) with `liked` (columns), the `most` nearest of each column; (wines, wines)."""
    columns = liked.tocsc()
    rows_norm, columns_norm = (np.sqrt(np.asarray((matrix * matrix).sum(axis=0)).ravel()) for matrix in (tasted, liked))
    kept = []
    for begin in range(0, liked.shape[1], ROWS_AT_ONCE):
        together = (columns[:, begin : begin + ROWS_AT_ONCE].T @ tasted).tocsr()  # (asked, tasted)
        asked = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr)) + begin
        value = together.data / (columns_norm[asked] * rows_norm[together.indices] + shrink)
        value[asked == together.indices] = 0.0
        order = np.lexsort((together.indices, -value, asked))
        place = np.arange(len(order)) - together.indptr[asked[order] - begin]
        order = order[(place < most) & (value[order] > 0)]
        kept.append((value[order], together.indices[order], asked[order]))
    value, row, asked = (np.concatenate(part) for part in zip(*kept, strict=True))
    return sparse.csr_array((value.astype(np.float32), (row, asked)), shape=(liked.shape[1],) * 2)


def _sparse(identities: npt.NDArray[np.int64], weights: sparse.csr_array) -> ItemItem:
    weights.sort_indices()
    return ItemItem(identities, weights.data, weights.indices.astype(np.int32), weights.indptr.astype(np.int64))
