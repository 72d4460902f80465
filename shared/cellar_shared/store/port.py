"""The port behind which members are kept: what serving reads of one generation, and what materialize, push and forget write.

Three implementations pass one contract suite: in memory, LMDB on one machine, Redis for many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from cellar_shared.errors import CellarError
from cellar_shared.events.journal import Journal, Receipt
from cellar_shared.events.pushed import Event
from cellar_shared.features.histories import Events
from cellar_shared.store.overlay import Kept, events_of
from cellar_shared.store.packing import Garbled, unpack_events
from cellar_shared.store.wine_index import WineIndex

KEY_BYTES: Final = 12  # two of a million members share a key with probability 2**-57


class StoreUnavailable(CellarError):
    """The store cannot be read now, or holds something that is no member: who asks answers without it and says so."""


class MemberDamaged(StoreUnavailable):
    """What is kept of one member is damaged: the store answers, and asking again gives the same."""


def member_key(member_id: str) -> bytes:
    """The key a member is kept under, the same length for every id: a digest, so that a store's pages name nobody."""
    return blake2b(member_id.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES, person=b"cellar member").digest()


class Settled(NamedTuple):
    """A point up to which overlay and journal hold exactly the same events, each in its own count."""

    overlay_through: int
    journal_through: int


class Door(Protocol):
    """Where events are handed in."""

    def accept(self, events: Sequence[Event], *, now_s: float) -> list[Receipt]:
        """Take events in; one Receipt each, in their order. What is accepted outlives every crash from then on.

        CellarError when that cannot be promised now: some may have been taken in, and the same events may be sent again.
        """

    def close(self) -> None:
        """Let go of files and connections; closing twice is once."""


class Reader(Protocol):
    """Reads members of one generation, with what was pushed since; used by one event loop."""

    async def read(self, member_id: str) -> Kept:
        """All that is kept of the member, generation and overlay together; StoreUnavailable when it cannot be told."""

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every member's key and value in the generation, in no order that means anything; StoreUnavailable as above. May block."""

    def close(self) -> None:
        """Let go of files and connections; closing twice is once."""


class Store(Protocol):
    """Where generations lie, and the overlay over them."""

    @property
    def name(self) -> str:
        """What to call the store in messages: its URL without secrets."""

    def current_id(self) -> str:
        """The id of the generation that readers use; BadInput when there is none yet."""

    def folder(self, generation_id: str) -> Path:
        """The local folder with a generation's manifest and mapped arrays; BadInput when the store lacks it or it is damaged."""

    def reader(self, generation_id: str) -> Reader:
        """A reader of the generation's members. A store that is away now is found when it is back."""

    @property
    def generations(self) -> Path:
        """The folder in which `materialize` writes generations, and CURRENT beside them."""

    @property
    def indexes(self) -> Path:
        """The folder in which the indexes of bundles are kept, by generation."""

    @property
    def lists(self) -> Path:
        """The folder in which the precomputed lists of bundles are written, by version of the bundle, and CURRENT in each."""

    def current_lists(self, bundle_version: str) -> str | None:
        """The id of the bundle's lists in use; None where it has none. CellarError when that cannot be told now."""

    def lists_folder(self, bundle_version: str, lists_id: str) -> Path:
        """The local folder with the bundle's lists of that id; BadInput when the store lacks them or they are damaged."""

    def write_members(self, generation_id: str, staging: Path, members: Iterable[tuple[str, Events]]) -> int:
        """Write a generation's members, in `staging` or elsewhere, before readers can see it; how many there were."""

    def holds_members(self, generation_id: str) -> bool:
        """Did `write_members` of this generation end well, and is what it wrote still there?"""

    def written(self) -> set[str]:
        """The ids of all whose members lie elsewhere than in their generation's folder, whole or left by a killed writer."""

    def drop(self, generation_id: str) -> None:
        """Delete what `write_members` wrote elsewhere than in the generation's folder."""

    def door(self, journal: Journal) -> Door:
        """Where events are handed in so that this store's readers see them; `journal` is the one of the data behind it."""

    def settle(self, journal: Journal, *, now_s: float) -> Settled:
        """See to it that the journal has all that doors accepted and the overlay all that the journal has, up to a point."""

    def hide(self, member_id: str, journal: Journal, *, now_s: float) -> int:
        """Make readers see an unknown member from now on, and delete what the journal has of the member; how many events.

        What the member does later counts again.
        """

    def trim(self, through: int) -> int:
        """Remove the overlay's entries up to position `through`, which no generation in use needs any more; how many went."""

    def answers(self) -> bool:
        """Can the store be read now?"""

    def close(self) -> None:
        """Let go of files and connections; closing twice is once."""

    async def aclose(self) -> None:
        """As `close`, and of what its readers opened in this event loop."""


@dataclass(frozen=True, slots=True)
class Members:
    """The members of one generation, as the encoder wants them."""

    reader: Reader
    index: WineIndex
    overlay_through: int

    async def events_of(self, member_id: str) -> Events | None:
        """The member's ratings (EVENT, oldest first, undated last), or None for a member who is not known.

        StoreUnavailable when the store cannot tell.
        """
        return self.events_in(await self.kept_of(member_id))

    async def kept_of(self, member_id: str) -> Kept:
        """All that is kept of the member, of which this generation can still tell what is its own; StoreUnavailable where it cannot."""
        kept = await self.reader.read(member_id)
        if kept.trimmed_through > self.overlay_through:
            # What was pushed or forgotten since this generation is no longer told apart from what never was.
            raise StoreUnavailable("the generation is older than what the overlay was trimmed for; serve a newer one")
        return kept

    def events_in(self, kept: Kept) -> Events | None:
        """The ratings in what was read of a member, as `events_of` has them."""
        try:
            return events_of(kept, self.index, self.overlay_through)
        except Garbled as error:
            raise MemberDamaged(f"what is kept of a member is damaged: {error}") from error

    def each(self) -> Iterator[Events]:
        """Every member's ratings in the generation alone, in no order that means anything; StoreUnavailable as above."""
        try:
            for key, value in self.reader.items():
                yield unpack_events(value, key)
        except Garbled as error:
            raise StoreUnavailable(f"what is kept of a member is damaged: {error}") from error
