"""Members that a generation knows, and their vectors: what an index is probed and measured with, for who searches it are members."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import numpy as np

from cellar_recommender.serving.golden import questions_of
from cellar_recommender.serving.recommender import Recommender
from cellar_recommender.serving.towers import Float32s
from cellar_shared.features.histories import Events, Histories
from cellar_shared.store.generation import Generation
from cellar_shared.store.port import StoreUnavailable

logger = logging.getLogger("cellar.recommender")

MEMBERS: Final = 64  # as many as `ann.probe` draws where there are no members


def some_members(generation: Generation, most: int, skipped: int = 0) -> list[Events]:
    """Ratings of up to `most` members who have a dated one, after the first `skipped` such members; StoreUnavailable."""
    through = generation.manifest.events_through
    found: list[Events] = []
    for events in generation.members.each():
        if len(found) == most + skipped:
            break
        if len(events) and events["moment"][0] < through:
            found.append(events)
    return found[skipped:]


def vectors_of(recommender: Recommender, generation: Generation, members: Sequence[Events]) -> Float32s:
    """A vector for each of `members`' ratings, as of the end of the generation; (members, d)."""
    through = generation.manifest.events_through
    pasts = [events[: int(np.searchsorted(events["moment"], through))][-recommender.history_limit :] for events in members]
    offsets = np.concatenate([[0], np.cumsum([len(past) for past in pasts])])
    histories = Histories.of_events(offsets, np.concatenate(pasts), generation.wines)
    return recommender.sources.towers.members(recommender.asked(questions_of(histories, through), generation.counts).member)


def some_member_vectors(recommender: Recommender, generation: Generation, most: int = MEMBERS) -> Float32s | None:
    """Vectors (members, d) of up to `most` members; None where nobody has rated on a known day, or where the store cannot tell."""
    try:
        members = some_members(generation, most)
    except StoreUnavailable as error:
        logger.warning("the index is probed without members: %s", error)
        return None
    return vectors_of(recommender, generation, members) if members else None
