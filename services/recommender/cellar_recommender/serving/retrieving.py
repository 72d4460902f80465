"""Finds the few hundred wines of a catalogue that are ranked: each source proposes its best of what is allowed, then they are merged.

What comes out is what `recommending.retrieve` finds by scoring every wine (tested): here no source looks at more than it must.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.catalogue import Catalogue
from cellar_recommender.serving.columns import Mask
from cellar_recommender.serving.merging import NONE, QUOTAS, merge
from cellar_recommender.serving.recommending import CANDIDATES
from cellar_recommender.serving.sources import ITEM_ITEM, POPULAR, PRECOMPUTED, TOWERS, Asked, Sources
from cellar_shared.store.wine_index import WineIndex

Float32s = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]

_AT_ONCE: Final = 4096


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The catalogue's `rows` (candidates,) int64 that are ranked, and the source that each counts for, `owed`."""

    rows: Int64s
    owed: list[str]


def retrieve_allowed(
    sources: Sources,
    catalogue: Catalogue,
    index: WineIndex,
    item_rows: Int64s,
    asked: Asked,
    vectors: Float32s,
    allowed: Mask,
    lists: Sequence[Int64s] = (),
    limit: int = CANDIDATES,
) -> Retrieved:
    """The candidates of members who choose together, out of those `allowed` (wines,); `lists` are wines that were computed before.

    `vectors` (M, d) are the members' by the towers. `index` finds the catalogue's rows by identity, `item_rows` are those of the
    item-item weights. Each source asks for every member and takes turns between them.
    """
    proposals: dict[str, Int64s] = {
        TOWERS: taking_turns(_of_towers(catalogue, vectors, allowed, limit), limit),
        ITEM_ITEM: taking_turns([_of_item_item(scores, item_rows, allowed, limit) for scores in sources.item_item_scores(asked)], limit),
        POPULAR: first_allowed(catalogue.popular, allowed, limit),
    }
    if lists:
        proposals[PRECOMPUTED] = of_lists(lists, index, allowed, limit)
    return merged(proposals, QUOTAS, limit)


def of_lists(lists: Sequence[Int64s], index: WineIndex, allowed: Mask, limit: int) -> Int64s:
    """The rows of precomputed `lists` of wines (identities, best first) that are still there and `allowed`."""
    rows = [index.rows_of(wines).astype(np.int64) for wines in lists]
    return taking_turns([found[(found >= 0) & allowed[found]] for found in rows], limit)


def merged(proposals: Mapping[str, Int64s], quotas: Mapping[str, int], limit: int) -> Retrieved:
    """One list out of each source's (places, best first)."""
    names = list(proposals)
    rows, owed = merge({name: places[None] for name, places in proposals.items()}, quotas, limit)
    kept = rows[0] != NONE
    return Retrieved(rows[0][kept], [names[source] for source in owed[0][kept].tolist()])


def taking_turns(lists: Sequence[Int64s], limit: int) -> Int64s:
    """At most `limit` places out of several lists, each list's best first and each place once; a single list as it is.

    Which list comes first says what is in it, not whose it is: the order of members changes nothing.
    """
    if len(lists) == 1:
        return lists[0][:limit]
    lists = sorted(lists, key=lambda places: places.tolist())
    longest = max((len(places) for places in lists), default=0)
    padded = np.full((longest, len(lists)), NONE, dtype=np.int64)
    for column, places in enumerate(lists):
        padded[: len(places), column] = places
    turns = padded.ravel()
    turns = turns[turns != NONE]
    _, first = np.unique(turns, return_index=True)
    kept: Int64s = turns[np.sort(first)][:limit]
    return kept


def first_allowed(places: Int64s, allowed: Mask, limit: int) -> Int64s:
    """The first `limit` of `places` that are `allowed`."""
    found: list[Int64s] = []
    count = 0
    for start in range(0, len(places), _AT_ONCE):
        some = places[start : start + _AT_ONCE]
        some = some[allowed[some]]
        found.append(some)
        count += len(some)
        if count >= limit:
            break
    return np.concatenate(found)[:limit].astype(np.int64) if found else np.zeros(0, dtype=np.int64)


def _of_towers(catalogue: Catalogue, vectors: Float32s, allowed: Mask, limit: int) -> list[Int64s]:
    found = catalogue.index.search(vectors, limit, allowed)
    return [rows[rows != NONE].astype(np.int64) for rows in found.rows]


def _of_item_item(scores: npt.NDArray[np.float32], item_rows: Int64s, allowed: Mask, limit: int) -> Int64s:
    kept = np.flatnonzero(np.isfinite(scores) & (item_rows >= 0))
    kept = kept[allowed[item_rows[kept]]]
    rows, scores = item_rows[kept], scores[kept]
    if len(scores) > limit:
        least = np.partition(scores, len(scores) - limit)[len(scores) - limit]
        reached = scores >= least
        rows, scores = rows[reached], scores[reached]
    return rows[np.lexsort((rows, -scores))][:limit]
