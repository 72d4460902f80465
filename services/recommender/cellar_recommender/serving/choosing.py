"""Turns ranked candidates into the answer's list: rules, then diversity, then places, then the lot; and says what each source gave.

Whatever has to hold of a single wine (filters, wishes, ownership) held before the sources proposed: the candidates that come in are
allowed, and only they can come out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.columns import Identities, Mask, WineColumns
from cellar_recommender.serving.contract import Intent, SourceTold
from cellar_recommender.serving.diversity import diversify
from cellar_recommender.serving.exploration import SOURCE as EXPLORATION
from cellar_recommender.serving.placing import explore, place
from cellar_recommender.serving.rules import Rules
from cellar_shared.store.wine_index import WineIndex

PINNED: Final = "rules"  # the source of a wine that stands among the candidates because it is pinned


@dataclass(frozen=True, slots=True)
class Candidates:
    """What was ranked: `columns` of the candidates, `scores` (candidates,), `vectors` (candidates, d) float32 for likeness.

    `owed` names the source that each candidate counts for, `quotas` how many each source could give, whether or not it gave any.
    """

    columns: WineColumns
    scores: npt.NDArray[np.floating]
    vectors: npt.NDArray[np.float32]
    owed: Sequence[str]
    quotas: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """How the list is to be made; `seed` is that of the lot, given by whoever asks or drawn by the service."""

    intent: Intent
    limit: int
    diversity: float
    explore: float
    seed: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """The list: `places` (items,) int64 of the candidates; `scores` (items,) float64 from the highest down; `propensities` (items,).

    `sources` names the source of each item. The `proposed` in `told` add up to the candidates, the `returned` to the items.
    """

    places: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    propensities: npt.NDArray[np.float64]
    sources: list[str]
    told: dict[str, SourceTold]


def pinned_rows(rules: Rules, intent: Intent, index: WineIndex, allowed: Mask) -> npt.NDArray[np.int64]:
    """The catalogue's rows that must stand among the candidates because they are pinned; none that is not `allowed` (wines,)."""
    wines = np.array([wine for _, wine in rules.pinned(intent)], dtype=np.int64)
    rows = index.rows_of(wines).astype(np.int64)
    rows = rows[rows >= 0]
    return rows[allowed[rows]]


def choose(candidates: Candidates, rules: Rules, asked: Asked) -> Chosen:
    """At most `asked.limit` of the candidates; the same for the same.

    A score tells only where a wine stands in this answer: the items' scores, highest first. A wine that a rule moved
    has the score of the place that it was moved to.
    """
    columns, scores = candidates.columns, candidates.scores
    ranked = np.argsort(-scores, kind="stable")
    ruled = rules.order(columns, ranked, asked.intent)
    order = ruled[diversify(scores[ruled], candidates.vectors[ruled], asked.diversity, asked.limit)]
    producers = _producers(columns)
    pins = _pins(rules.pinned(asked.intent), columns.wines, ranked)
    listed = place(order, producers, asked.limit, pins, rules.per_producer)
    listed = explore(listed, order, scores, producers, asked.explore, asked.seed, rules.per_producer)
    owed, propensities = list(candidates.owed), np.ones(len(listed.places))
    quotas = dict(candidates.quotas)
    if listed.slot is not None:
        owed[listed.places[listed.slot]] = EXPLORATION
        propensities[listed.slot] = listed.propensity
        quotas[EXPLORATION] = 1
    sources = [owed[wine] for wine in listed.places.tolist()]
    falling = np.sort(scores[listed.places].astype(np.float64))[::-1]
    return Chosen(listed.places, falling, propensities, sources, tell(quotas, owed, sources))


def tell(quotas: Mapping[str, int], candidates: Sequence[str], items: Sequence[str]) -> dict[str, SourceTold]:
    """What each source gave, by the source that each candidate and each item counts for; sources in the order of `quotas`."""
    proposed, returned = Counter(candidates), Counter(items)
    names = dict.fromkeys([*quotas, *candidates, *items])
    return {name: SourceTold(quotas.get(name, 0), proposed[name], returned[name]) for name in names}


def _producers(columns: WineColumns) -> Identities:
    column = columns.named["producer"]
    producers: Identities = column.names.take(column.codes[0])
    return producers


def _pins(pinned: Sequence[tuple[int, int]], wines: Identities, ranked: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Positions with the candidate that stands there: of several vintages of a wine the best ranked."""
    found = [(position, np.flatnonzero(wines[ranked] == wine)) for position, wine in pinned]
    return [(position, int(ranked[at[0]])) for position, at in found if len(at)]
