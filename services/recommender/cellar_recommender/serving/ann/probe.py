"""How much of the exact answer an index finds: a gate when it is built, a probe while it serves."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np

from cellar_recommender.serving.ann import exact
from cellar_recommender.serving.ann.exact import Allowed, Found, Vectors

PROBES: Final = 64  # judgement: 64 x 300 places tell .985 from .98
_LIKED_A_PROBE: Final = 3


class Searched(Protocol):
    """What can be probed: an index with the vectors that it was built of."""

    @property
    def vectors(self) -> Vectors: ...

    @property
    def longest(self) -> float: ...

    def search(self, queries: Vectors, k: int, allowed: Allowed | None = None) -> Found: ...


def recall_at(index: Searched, queries: Vectors, k: int, allowed: Allowed | None = None) -> float:
    """The mean share of the exact best `k` that the index finds for `queries` (q, d) among those allowed; 1 where there is nothing to find.

    A wine that scores as much as the last of them counts as found: equal wines stand for one another.
    """
    rows = exact.allowed_rows(allowed, len(index.vectors))
    k = min(k, len(index.vectors) if rows is None else len(rows))
    if not k or not len(queries):
        return 1.0
    found = index.search(queries, k, allowed)
    wanted = exact.search(index.vectors, index.longest, queries, k, rows)
    return float((found.scores >= wanted.scores[:, -1:]).mean())


def probes_of(vectors: Vectors, seed: int = 0) -> Vectors:
    """Queries to probe with where no member's are at hand: each the mean of a few wines drawn by a seed, (probes, d)."""
    if not len(vectors):
        return np.zeros((0, vectors.shape[1]), dtype=np.float32)
    drawn = np.random.default_rng(seed).integers(len(vectors), size=(PROBES, _LIKED_A_PROBE))
    return np.asarray(vectors[drawn].mean(axis=1), dtype=np.float32)
