"""How alike a wine that is asked about and a wine of the member's history are: definitions of the match features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.features.identity import UNKNOWN
from cellar_shared.features.wines import Wines

Float32s = npt.NDArray[np.float32]
Match = Callable[[Wines, Wines], Float32s]


def _same(*fields: str) -> Match:
    """1 where both wines are known to share every field, else 0."""

    def match(asked: Wines, tasted: Wines) -> Float32s:
        shared = np.ones(np.broadcast_shapes(asked.shape, tasted.shape), dtype=bool)
        for field in fields:
            shared &= (asked[field] == tasted[field]) & (asked[field] != UNKNOWN)
        return np.asarray(shared, dtype=np.float32)

    return match


def _overlap(field: str) -> Match:
    """Jaccard index of two sets of names: shared over all; 0 where either has none."""

    def match(asked: Wines, tasted: Wines) -> Float32s:
        one, other = asked[field], tasted[field]
        shared = np.zeros(np.broadcast_shapes(asked.shape, tasted.shape), dtype=np.float32)
        for place in range(one.shape[-1]):
            name = one[..., place, None]
            shared += ((name == other) & (name != UNKNOWN)).any(axis=-1)
        both = (one != UNKNOWN).sum(axis=-1) + (other != UNKNOWN).sum(axis=-1) - shared
        return np.asarray(shared / np.maximum(both, 1), dtype=np.float32)

    return match


def _same_grape_and_type(asked: Wines, tasted: Wines) -> Float32s:
    first = asked["grapes"][..., 0]
    shared = (first == tasted["grapes"][..., 0]) & (first != UNKNOWN)
    return np.asarray(shared & (asked["type"] == tasted["type"]) & (asked["type"] != UNKNOWN), dtype=np.float32)


def _same_body(asked: Wines, tasted: Wines) -> Float32s:
    return np.asarray(asked["body"] == tasted["body"], dtype=np.float32)  # NaN equals nothing: unknown bodies do not match


# Asked (pairs, 1) against tasted (pairs, items); every match is within 0 and 1.
MATCHES: Final[dict[str, Match]] = {
    "same_producer": _same("producer"),
    "same_region_and_type": _same("region", "type"),
    "same_region": _same("region"),
    "shared_grapes": _overlap("grapes"),
    "same_type": _same("type"),
    "same_country": _same("country"),
    "same_country_and_type": _same("country", "type"),
    "same_grape_and_type": _same_grape_and_type,
    "same_body": _same_body,
    "shared_pairings": _overlap("pairings"),
}
