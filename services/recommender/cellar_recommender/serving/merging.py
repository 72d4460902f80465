"""Which wines are ranked at all: each source proposes its best, within its quota; called by training, evaluation and serving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]

# Of 300 candidates (judgement: the towers find most of what the others do; these keep what they alone find). What a source leaves
# free is filled by those before it.
QUOTAS: Final = {"towers": 160, "item_item": 60, "popular": 50, "precomputed": 30}
NONE: Final = -1  # fills a row whose sources had fewer wines to propose


def best(scores: Float32s, most: int) -> Int64s:
    """The places of each row's `most` highest finite scores, best first, equal ones in order of place; (rows, most).

    NONE where there are no more.
    """
    kept = min(most, scores.shape[1])
    found = np.full((len(scores), most), NONE, dtype=np.int64)
    if not kept:
        return found
    # Of a large catalogue only what reaches the lowest score kept is sorted; the place decides among equal ones, not a partition's order.
    lowest = np.partition(scores, scores.shape[1] - kept, axis=1)[:, -kept]
    for row, (given, least) in enumerate(zip(scores, lowest, strict=True)):
        places = np.flatnonzero((given >= least) & np.isfinite(given))
        chosen = places[np.argsort(-given[places], kind="stable")][:kept]
        found[row, : len(chosen)] = chosen
    return found


def merge(proposals: Mapping[str, Int64s], quotas: Mapping[str, int], limit: int) -> tuple[Int64s, Int64s]:
    """Candidates of each question and the source that each is owed to: (questions, limit) places and source numbers, NONE past the end.

    `proposals` (questions, any number) are each source's places, best first. A source gives as many as its quota; a wine
    that several propose is owed to the one that ranks it highest, and the others go on down their lists. What is then free is
    filled in the order of sources. A source without a quota only fills.
    """
    names = list(proposals)
    questions = len(next(iter(proposals.values())))
    candidates = np.full((questions, limit), NONE, dtype=np.int64)
    owed = np.full((questions, limit), NONE, dtype=np.int64)
    lists = [np.asarray(proposals[name]) for name in names]
    shares = [quotas.get(name, 0) for name in names]
    for question in range(questions):
        _merge_one([ranked[question] for ranked in lists], shares, candidates[question], owed[question])
    return candidates, owed


def _merge_one(lists: list[Int64s], shares: list[int], candidates: Int64s, owed: Int64s) -> None:
    taken: dict[int, int] = {}
    limit = len(candidates)
    left, reached = list(shares), [0] * len(lists)
    queues = [[wine for wine in ranked.tolist() if wine != NONE] for ranked in lists]
    while len(taken) < limit and any(left[source] > 0 and reached[source] < len(queues[source]) for source in range(len(lists))):
        for source, queue in enumerate(queues):
            while left[source] > 0 and reached[source] < len(queue) and len(taken) < limit:
                wine = queue[reached[source]]
                reached[source] += 1
                if wine not in taken:
                    taken[wine] = source
                    left[source] -= 1
                    break
    for source, queue in enumerate(queues):
        for wine in queue[reached[source] :]:
            if len(taken) >= limit:
                break
            taken.setdefault(wine, source)
    candidates[: len(taken)] = list(taken)
    owed[: len(taken)] = list(taken.values())
