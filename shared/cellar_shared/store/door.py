"""Takes events in where the store lies beside its data: into the journal first, then laid over for the next answer.

Every store of one machine builds on it; `redis_door` is its counterpart for many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cellar_shared.events.journal import Accepted, Journal, Receipt
from cellar_shared.events.moments import moment_of
from cellar_shared.events.pushed import Event, PreferenceEvent, RatingEvent, effective_moment, is_like
from cellar_shared.events.scales import scale_named
from cellar_shared.features.histories import NON_VINTAGE, UNKNOWN_VINTAGE
from cellar_shared.features.identity import identity
from cellar_shared.store.overlay import Entry, pushed_row
from cellar_shared.store.port import Door, Settled
from cellar_shared.store.wishes import Wish


class JournalBacked:
    """What a store that lies beside its data does with its journal: the overlay is the journal's end made readable."""

    def overlay_through(self) -> int:
        """Up to which position of the journal the overlay has everything."""
        raise NotImplementedError

    def lay_over(self, entries: Sequence[Entry], through: int) -> None:
        """Add entries to the overlay, those up to `through` being all there are; what is there already changes nothing."""
        raise NotImplementedError

    def door(self, journal: Journal) -> Door:
        return JournalDoor(journal, self)

    def settle(self, journal: Journal, *, now_s: float) -> Settled:
        """Lay over what the journal accepted and the overlay lacks. Nothing is written where nothing lacks."""
        through, reached = journal.last(), self.overlay_through()
        if reached < through:
            self.lay_over([entry for each in journal.after(reached, through) if (entry := entry_of(each))], through)
        return Settled(through, through)

    def hide(self, member_id: str, journal: Journal, *, now_s: float) -> int:
        deleted = journal.forget(member_id, now_s=now_s)
        self.settle(journal, now_s=now_s)
        return len(deleted)


@dataclass(frozen=True, slots=True)
class JournalDoor:
    """The door of a store that lies beside its data: the journal is the data's own."""

    journal: Journal
    store: JournalBacked

    def accept(self, events: Sequence[Event], *, now_s: float) -> list[Receipt]:
        receipts = self.journal.append(events, now_s=now_s)
        # Durable by now. Should this process die here, whoever comes next lays over what it left out.
        self.store.settle(self.journal, now_s=now_s)
        return receipts

    def close(self) -> None:
        pass  # the journal is the caller's


def entry_of(accepted: Accepted) -> Entry | None:
    """What readers see of an accepted event: a rating's row, a wish, a forgotten member; None of what no reader looks for."""
    if accepted.event is None:
        return Entry(accepted.member_id, accepted.position, None)
    event = accepted.event
    if isinstance(event, PreferenceEvent):
        wish = Wish(moment_of(event.occurred_at), event.event_id, event.preference, event.value, event.is_set)
        return Entry(event.member_id, accepted.position, wish)
    if not isinstance(event, RatingEvent) or event.defective:
        return None
    (strength,) = scale_named(event.scale or "").strengths(np.array([event.rating]))
    vintage = UNKNOWN_VINTAGE if event.vintage is None else NON_VINTAGE if event.vintage == "NV" else int(event.vintage)
    row = pushed_row(
        accepted.position,
        event.event_id,
        effective_moment(event),
        identity("wine", event.wine_id),
        vintage,
        is_like(event),
        float(strength),
    )
    return Entry(event.member_id, accepted.position, row)
