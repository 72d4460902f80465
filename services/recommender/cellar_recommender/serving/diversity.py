"""Makes a ranked list less of the same: maximal marginal relevance over the wines' vectors; asked for by `diversity`, after the rules.

Carbonell and Goldstein, "The use of MMR, diversity-based reranking", SIGIR 1998: each place goes to the wine with the highest
(1 - diversity) relevance - diversity * its likeness to the most similar wine above it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def diversify(scores: npt.NDArray[np.floating], vectors: npt.NDArray[np.float32], diversity: float, places: int) -> npt.NDArray[np.int64]:
    """The order in which wines stand, as places of the list that came in: (wines,) int64, each once.

    `scores` (wines,) are those of the wines in ranked order, as rules may have changed it; only their sizes count: the list's first
    wine is taken to have the highest. `vectors` (wines, d) are any whose cosines tell likeness. `diversity` from 0, the ranked order
    exactly, to 1, likeness alone; the first wine stays. The first `places` are chosen so, the others follow as they were ranked.
    """
    wines = len(scores)
    if diversity <= 0 or places <= 1 or wines <= 2:
        return np.arange(wines)
    likeness = _likeness(vectors)
    relevance = (1 - diversity) * _relevance(scores)
    is_left = np.ones(wines, dtype=bool)
    chosen = np.zeros(min(places, wines), dtype=np.int64)  # the first is the first
    is_left[0] = False
    nearest = likeness[0].copy()
    for place in range(1, len(chosen)):
        worth = relevance - diversity * nearest
        worth[~is_left] = -np.inf
        best = int(worth.argmax())  # of equals the one ranked first
        chosen[place] = best
        is_left[best] = False
        np.maximum(nearest, likeness[best], out=nearest)
    return np.concatenate([chosen, np.flatnonzero(is_left)])


def _likeness(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """How alike any two are, from 0 opposite to 1 the same; .5 with a vector of zeros, of which nothing is known. (wines, wines)."""
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    units = np.divide(wide, lengths, out=np.zeros_like(wide), where=lengths > 0)
    # Rounded: how a product is summed up must not decide between two wines that are equally alike.
    return np.asarray(np.round((1 + units @ units.T) / 2, 9))


def _relevance(scores: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """The scores, highest first, from 1 down to 0; all 1 where they are the same. (wines,)."""
    falling = np.sort(scores.astype(np.float64))[::-1]
    spread = falling[0] - falling[-1]
    return (falling - falling[-1]) / spread if spread > 0 else np.ones(len(falling))
