"""Gives the list's places to ordered wines: pins where they were asked for, no producer above its cap, one place by lot.

It chooses among candidates alone, and candidates are allowed: nothing here brings in a wine that filters forbid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.columns import Identities
from cellar_recommender.serving.exploration import draw
from cellar_shared.features.identity import UNKNOWN


@dataclass(frozen=True, slots=True)
class Listed:
    """The list: `places` (items,) int64 of the candidates; `slot`, the item that exploration drew with `propensity`, None for none."""

    places: npt.NDArray[np.int64]
    pinned: frozenset[int]
    slot: int | None = None
    propensity: float = 1.0


class _Cap:
    """How many wines of each producer may still come; those whose producer nobody knows are nobody's together."""

    def __init__(self, producers: Identities, most: int | None) -> None:
        self._producers = producers.tolist()
        self._most = most
        self._count: Counter[int] = Counter()

    def has_room(self, wine: int) -> bool:
        producer = self._producers[wine]
        return self._most is None or producer == UNKNOWN or self._count[producer] < self._most

    def add(self, wine: int) -> None:
        self._count[self._producers[wine]] += 1


def place(
    order: npt.NDArray[np.int64], producers: Identities, limit: int, pins: Sequence[tuple[int, int]] = (), per_producer: int | None = None
) -> Listed:
    """At most `limit` of the candidates in `order`, best first; fewer only where the cap leaves no more.

    `producers` (candidates,) int64. `pins` are positions, counted from 1, with a candidate each, no position and no candidate twice.
    A pin stands at its position, or at the end of a list that is shorter; beyond `limit` it is none, and of pins that
    the cap does not allow together the earlier positions stand.
    """
    cap = _Cap(producers, per_producer)
    pinned: dict[int, int] = {}
    for position, asked in sorted(pins):
        if position <= limit and cap.has_room(asked):
            cap.add(asked)
            pinned[position] = asked
    # A pin that did not come about leaves its wine where it is ranked.
    kept = set(pinned.values())
    waiting = iter([ranked for ranked in order.tolist() if ranked not in kept])
    found: list[int] = []
    while len(found) < limit:
        at = len(found) + 1
        wine = pinned.pop(at) if at in pinned else next((ranked for ranked in waiting if cap.has_room(ranked)), None)
        if wine is None:
            break
        if wine not in kept:
            cap.add(wine)
        found.append(wine)
    found += [pinned[position] for position in sorted(pinned)]
    return Listed(np.array(found, dtype=np.int64), frozenset(kept))


def explore(
    listed: Listed,
    order: npt.NDArray[np.int64],
    scores: npt.NDArray[np.floating],
    producers: Identities,
    share: float,
    seed: int,
    per_producer: int | None = None,
) -> Listed:
    """The list with its last place that is not pinned given by lot, among those of `order` who are not shown otherwise.

    Whoever holds that place takes part. The pool and its chances hang on everything but the seed: `propensity` is the chance of that
    wine in that place over all seeds. As it was where `share` is 0 or every place is pinned.
    """
    free = [item for item, wine in enumerate(listed.places.tolist()) if wine not in listed.pinned]
    if share <= 0 or not free:
        return listed
    slot = free[-1]
    shown = np.delete(listed.places, slot)
    cap = _Cap(producers, per_producer)
    for wine in shown.tolist():
        cap.add(wine)
    pool = [wine for wine in order[~np.isin(order, shown)].tolist() if cap.has_room(wine)]
    drawn = draw(scores[pool], share, seed)
    if drawn is None:
        return listed
    places = listed.places.copy()
    places[slot] = pool[drawn.place]
    return Listed(places, listed.pinned, slot, drawn.propensity)
