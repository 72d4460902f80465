"""Vectors of members that a generation knows: what an index is probed and measured with, for who searches it are members."""

from __future__ import annotations

import logging
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


def some_member_vectors(recommender: Recommender, generation: Generation, most: int = MEMBERS) -> Float32s | None:
    """Vectors (members, d) of up to `most` members with a dated rating, as of the end of the generation.

    None where there is no such member, or where the store cannot tell.
    """
    through = generation.manifest.events_through
    pasts: list[Events] = []
    try:
        for events in generation.members.each():
            past = events[: int(np.searchsorted(events["moment"], through))][-recommender.history_limit :]
            if len(past):
                pasts.append(past)
            if len(pasts) == most:
                break
    except StoreUnavailable as error:
        logger.warning("the index is probed without members: %s", error)
        return None
    if not pasts:
        return None
    offsets = np.concatenate([[0], np.cumsum([len(past) for past in pasts])])
    histories = Histories.of_events(offsets, np.concatenate(pasts), generation.wines)
    return recommender.sources.towers.members(recommender.asked(questions_of(histories, through), generation.counts).member)
