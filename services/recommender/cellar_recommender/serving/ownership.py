"""What an intent makes of what members own and rated: which wines may be offered at all, and why a list is short; `choice` of the service.

open     what somebody has a bottle of that may be opened.
buy      what nobody of them owns, on its way included, and nobody has rated.
restock  what somebody liked, nobody disliked, and of which no bottle is left. That a bottle was once there is not asked: whoever
         liked a wine elsewhere wants it as much.
gift     what the giver can stand behind: nothing that they rated below their line; owned or not, known or not, is the same.
Of several ratings of a wine by one member the newest counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from cellar_recommender.serving.bottles import Bottles
from cellar_recommender.serving.columns import Identities, Mask, WineColumns
from cellar_recommender.serving.contract import Filters, Intent, Shortfall
from cellar_recommender.serving.filters import (
    NO_FILTERS,
    Excluded,
    Hidden,
    asks_for_bottles,
    excluded_wines,
    hidden_wines,
    passing_bottles,
    passing_wines,
)

_NOTHING = np.zeros(0, dtype=np.int64)
_NOTHING_EXCLUDED = Excluded(_NOTHING, _NOTHING)


@dataclass(frozen=True, slots=True)
class Standing:
    """What one member rated before the moment asked about, oldest first, and hid: `rated` (ratings,) int64, `liked` (ratings,) bool."""

    rated: Identities
    liked: Mask
    hidden: Hidden

    @classmethod
    def unknown(cls) -> Self:
        """That of somebody of whom nothing is known."""
        return cls(_NOTHING, np.zeros(0, dtype=bool), Hidden.of())

    def likes(self) -> tuple[Identities, Identities]:
        """The wines whose newest rating is a like, and those whose newest is none."""
        # Of equal entries `unique` gives the first: reversed, the newest.
        wines, newest = np.unique(self.rated[::-1], return_index=True)
        is_liked = self.liked[::-1][newest]
        return wines[is_liked], wines[~is_liked]


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be offered: `wines` (wines,) bool and `bottles` (bottles,) bool.

    `of_their_own` is how many wines the members' own cellars and likes alone leave, before filters and wishes; None where the
    answer does not come out of these.
    """

    wines: Mask
    bottles: Mask
    of_their_own: int | None

    @property
    def matched(self) -> int:
        """How many wines could be offered."""
        return int(np.count_nonzero(self.wines))


def allow(
    columns: WineColumns, intent: Intent, filters: Filters, excluded: Excluded, members: Sequence[Standing], bottles: Bottles, day: int
) -> Allowed:
    """What may be offered to `members` together on `day` (days since 1970); what one of them hid is hidden from all.

    `bottles` are those of all members.
    """
    may_open = passing_bottles(bottles, filters, excluded, intent, day)
    wines = passing_wines(columns, filters) & _suits(columns, intent, members, bottles)
    if intent == "open" or asks_for_bottles(filters):
        wines &= columns.holding(bottles.wines[may_open], bottles.vintages[may_open])
    if filters.in_stock is False:
        wines &= ~columns.holding(bottles.wines[bottles.is_there], bottles.vintages[bottles.is_there])
    if intent != "open":  # which offers bottles, each of its own vintage: those left out are no longer among them
        wines &= ~excluded_wines(columns, excluded)
    for member in members:
        wines &= ~hidden_wines(columns, member.hidden)
    return Allowed(wines, may_open, _of_their_own(columns, intent, filters, members, bottles, day))


def shortfall(allowed: Allowed, items: int, wanted: int) -> Shortfall | None:
    """Why there are only `items` where `wanted` could be had: None for enough.

    "cellar" where what the members own or liked is itself less than wanted, whatever was filtered; "filters" for everything else
    that keeps wines out: filters, wishes, excludes, caps. `wanted` is the limit, or as many wines as there are to choose from.
    """
    if items >= wanted:
        return None
    return "cellar" if allowed.of_their_own is not None and allowed.of_their_own < wanted else "filters"


def _suits(columns: WineColumns, intent: Intent, members: Sequence[Standing], bottles: Bottles) -> Mask:
    """Which wines the intent leaves, whatever was filtered. (wines,)."""
    if intent == "open":
        return np.ones(len(columns), dtype=bool)
    if intent == "buy":
        return ~columns.holding(np.concatenate([bottles.wines, *(member.rated for member in members)]))
    likes = [member.likes() for member in members]
    is_disliked = columns.holding(_joined([disliked for _, disliked in likes]))
    if intent == "gift":
        return ~is_disliked
    return columns.holding(_joined([liked for liked, _ in likes])) & ~is_disliked & ~columns.holding(bottles.wines)


def _of_their_own(
    columns: WineColumns, intent: Intent, filters: Filters, members: Sequence[Standing], bottles: Bottles, day: int
) -> int | None:
    if intent == "restock":
        return int(np.count_nonzero(_suits(columns, intent, members, bottles)))
    if intent == "open" or asks_for_bottles(filters):
        openable = passing_bottles(bottles, NO_FILTERS, _NOTHING_EXCLUDED, intent, day)
        return int(np.count_nonzero(columns.holding(bottles.wines[openable], bottles.vintages[openable])))
    return None


def _joined(identities: Sequence[Identities]) -> Identities:
    return np.concatenate([_NOTHING, *identities])
