"""Exact retrieval by inner product, with ties decided by row; small catalogues, filters and re-ranking go through it."""

from __future__ import annotations

from typing import Final, NamedTuple

import faiss
import numpy as np
import numpy.typing as npt

from cellar_shared.errors import BadInput

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Allowed = npt.NDArray[np.bool_] | npt.NDArray[np.integer]

NO_ROW: Final = -1
LARGEST: Final = 1e15  # inner products of a few hundred dimensions of this size still fit float32
_ROWS_A_BLOCK: Final = 65_536
_GATHER_BELOW: Final = 0.25  # judgement: gathering a row costs a few times what scanning it costs


class Found(NamedTuple):
    """What a search found: `rows` (queries, k) int32, -1 where there is nothing more; `scores` (queries, k) float32, -inf there."""

    rows: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]


def checked(vectors: npt.NDArray[np.floating], name: str, width: int | None = None) -> Vectors:
    """The vectors as C-ordered float32; BadInput names the first row that cannot be compared, or the wrong shape."""
    if vectors.ndim != 2 or not vectors.shape[1] or (width is not None and vectors.shape[1] != width):
        raise BadInput(f"{name} has shape {vectors.shape}; expected (rows, {width or 'dimensions'}): embed with the index's own model")
    for start in range(0, len(vectors), _ROWS_A_BLOCK):
        fine = (np.abs(vectors[start : start + _ROWS_A_BLOCK]) <= LARGEST).all(axis=1)  # NaN compares as false
        if not fine.all():
            row = start + int(np.argmin(fine))
            raise BadInput(f"{name}[{row}] holds NaN, infinity or more than {LARGEST:g}; expected finite numbers: look at what embedded it")
    return np.ascontiguousarray(vectors, dtype=np.float32)


def allowed_rows(allowed: Allowed | None, wines: int) -> Rows | None:
    """The rows allowed, ascending and each once; None where all are. BadInput for a mask of another length or a row outside."""
    if allowed is None:
        return None
    if allowed.ndim != 1:
        raise BadInput(f"allowed has {allowed.ndim} dimensions; expected one mask or one list of rows for all queries")
    if allowed.dtype == np.bool_:
        if len(allowed) != wines:
            raise BadInput(f"allowed is a mask of {len(allowed)} wines; the index has {wines}: take both from one generation")
        return np.flatnonzero(allowed)
    if not np.issubdtype(allowed.dtype, np.integer) and len(allowed):
        raise BadInput(f"allowed holds {allowed.dtype}; expected a mask (bool) or rows (integers)")
    rows = np.unique(allowed.astype(np.int64))
    if len(rows) and (rows[0] < 0 or rows[-1] >= wines):
        outside = rows[0] if rows[0] < 0 else rows[-1]
        raise BadInput(f"allowed names row {outside}; the index has rows 0 to {wines - 1}: take both from one generation")
    return rows


def longest_of(vectors: Vectors) -> float:
    """The greatest length of a vector; 0 where there is none."""
    blocks = range(0, len(vectors), _ROWS_A_BLOCK)
    return max((float(_lengths(vectors[start : start + _ROWS_A_BLOCK]).max()) for start in blocks), default=0.0)


def scores_of(vectors: Vectors, query: Vectors) -> npt.NDArray[np.float32]:
    """The score of each vector (rows, d) for one query (d,): (rows,) float32.

    Products and sums are float64 in one order, so a pair has the same score alone, in a batch, and at any row.
    """
    scores = np.empty(len(vectors), dtype=np.float32)
    wide = query.astype(np.float64)
    for start in range(0, len(vectors), _ROWS_A_BLOCK):
        stop = start + _ROWS_A_BLOCK
        scores[start:stop] = (vectors[start:stop].astype(np.float64) * wide).sum(axis=1)
    return scores


def search(vectors: Vectors, longest: float, queries: Vectors, k: int, rows: Rows | None = None) -> Found:
    """The `k` best of all vectors (wines, d), or of `rows`, for each query (queries, d): by score, then by row.

    `_roughly` only narrows: all that its error could lift into the first `k` is scored again by `scores_of`.
    """
    gathered = rows is not None and len(rows) <= _GATHER_BELOW * len(vectors)
    pool = np.take(vectors, rows, axis=0) if rows is not None and gathered else vectors
    found = nothing_found(len(queries), k)
    for place, query in enumerate(queries):
        rough = _roughly(pool, query)
        near = _near_best(rough if rows is None or gathered else rough[rows], k, slack_of(query, longest))
        put(found, place, vectors, near if rows is None else rows[near], query)
    return found


def nothing_found(queries: int, k: int) -> Found:
    """Answers not filled yet."""
    return Found(np.full((queries, k), NO_ROW, dtype=np.int32), np.full((queries, k), -np.inf, dtype=np.float32))


def rerank(found: Found, place: int, vectors: Vectors, longest: float, rows: Rows, query: Vectors) -> None:
    """Put the best of `rows` (candidates,) for the query at `place`; by score, then by row."""
    rough = _roughly(np.take(vectors, rows, axis=0), query)
    near = _near_best(rough, found.rows.shape[1], slack_of(query, longest))
    put(found, place, vectors, rows[near], query)


def put(found: Found, place: int, vectors: Vectors, rows: Rows, query: Vectors) -> None:
    """Score `rows`, and put the best of them at `place`."""
    scores = scores_of(np.take(vectors, rows, axis=0), query)
    order = np.lexsort((rows, -scores))[: found.rows.shape[1]]
    found.rows[place, : len(order)] = rows[order]
    found.scores[place, : len(order)] = scores[order]


def slack_of(query: Vectors, longest: float) -> float:
    """How far a float32 inner product with a vector of at most that length can be off, whatever the order of its sum.

    (d + 2) u |q| |x| with u = 2^-24 bounds it (Higham, Accuracy and Stability of Numerical Algorithms, 3.1); twice that, for
    products that are rounded up; and what falls below float32's least normal number.
    """
    width = len(query)
    return (width + 2) * (2.0**-23 * float(np.linalg.norm(query.astype(np.float64))) * longest + 2.0**-125)


def _roughly(vectors: Vectors, query: Vectors) -> npt.NDArray[np.float32]:
    """float32 inner products of (rows, d) with (d,): (rows,).

    faiss's own kernel on the calling thread: for 1 to 16 queries of 1,500 to 1,000,000 rows as fast as BLAS on one thread, while
    BLAS on more waits 16 ms for its other threads where a machine is busy.
    """
    scores = np.empty(len(vectors), dtype=np.float32)
    if len(vectors):
        faiss.fvec_inner_products_ny(*map(faiss.swig_ptr, (scores, query, vectors)), len(query), len(vectors))
    return scores


def _near_best(rough: npt.NDArray[np.float32], k: int, slack: float) -> Rows:
    """Places that may be among the best `k` when every score may be off by `slack`."""
    if k >= len(rough):
        return np.arange(len(rough))
    least = float(np.partition(rough, len(rough) - k)[len(rough) - k])
    return np.flatnonzero(rough >= least - 2 * slack)


def _lengths(vectors: Vectors) -> npt.NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    return np.asarray(np.sqrt((wide * wide).sum(axis=1)))
