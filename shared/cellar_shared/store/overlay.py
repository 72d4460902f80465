"""What was pushed since a generation was written, and how reads lay it over the generation's own value.

An entry says at which position it was accepted. A generation says up to which position its own values reach. So an entry
counts for exactly those generations that do not hold it yet, in whatever order entries are written, generations swapped
and old entries trimmed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from cellar_shared.features.histories import EVENT, Events
from cellar_shared.store.packing import Garbled, unpack_events
from cellar_shared.store.wine_index import WineIndex
from cellar_shared.store.wishes import Wish

# One pushed rating: at which position it was accepted, which event it is, and EVENT's columns with the wine by its identity: the
# catalogue's rows differ from one generation to the next.
PUSHED: Final = np.dtype(
    [("position", "<i8"), ("event", "<i8"), ("moment", "<i8"), ("wine", "<i8"), ("vintage", "<i2"), ("liked", "u1"), ("strength", "<f4")]
)

Pushed = npt.NDArray[np.void]


# Behind the position of a pushed wish: so that it is longer than a rating's row, and a store tells one from the other by its length.
_PADDING: Final = bytes(PUSHED.itemsize - 8)

_wish: Final = msgspec.msgpack.Decoder(Wish)


class PushedWish(NamedTuple):
    """A pushed wish of a member, and at which position it was accepted."""

    position: int
    wish: Wish


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to lay over: a pushed rating of a member (`pushed`, one PUSHED row), a pushed wish, or None: forget what came before."""

    member_id: str
    position: int
    pushed: Pushed | Wish | None


@dataclass(frozen=True, slots=True)
class Laid:
    """What lies over a member's value: `pushed` rows, `wishes`, and up to which position the member was forgotten (0: never)."""

    pushed: Pushed
    wishes: tuple[PushedWish, ...] = ()
    forgotten_at: int = 0

    @classmethod
    def nothing(cls) -> Laid:
        """What lies over somebody of whom nothing was pushed."""
        return cls(np.zeros(0, dtype=PUSHED))

    @property
    def is_nothing(self) -> bool:
        return not len(self.pushed) and not self.wishes and not self.forgotten_at

    def with_entry(self, entry: Entry) -> Laid:
        """This with one more entry, which counts once however often it is added."""
        if entry.pushed is None:
            return self._behind(max(self.forgotten_at, entry.position), max(self.forgotten_at, entry.position))
        if entry.position <= self.forgotten_at:
            return self
        if isinstance(entry.pushed, Wish):
            if any(wish.event_id == entry.pushed.event_id for _, wish in self.wishes):
                return self
            return Laid(self.pushed, (*self.wishes, PushedWish(entry.position, entry.pushed)), self.forgotten_at)
        if (self.pushed["event"] == entry.pushed["event"]).any():
            return self
        # By their bytes: numpy.concatenate spends thirty microseconds on comparing the fields of two equal types.
        return Laid(np.frombuffer(self.pushed.tobytes() + entry.pushed.tobytes(), dtype=PUSHED), self.wishes, self.forgotten_at)

    def trimmed(self, through: int) -> Laid:
        """This without what lies at positions up to `through`."""
        return self._behind(through, self.forgotten_at if self.forgotten_at > through else 0)

    def __len__(self) -> int:
        """How many entries these are."""
        return len(self.pushed) + len(self.wishes) + bool(self.forgotten_at)

    def _behind(self, position: int, forgotten_at: int) -> Laid:
        wishes = tuple(wish for wish in self.wishes if wish.position > position)
        return Laid(self.pushed[self.pushed["position"] > position], wishes, forgotten_at)


@dataclass(frozen=True, slots=True)
class Kept:
    """All that a store keeps of the member with `key`: the generation's packed `value` if any, and what lies over it: `pushed` rows, up
    to which position the member was forgotten (0: never), and `wishes`. The overlay lacks what lay at positions up to `trimmed_through`.
    """

    key: bytes
    value: bytes | None
    pushed: Pushed
    forgotten_at: int = 0
    trimmed_through: int = 0
    wishes: tuple[PushedWish, ...] = ()


def event_digest(event_id: str) -> bytes:
    """The eight bytes by which an overlay knows an event again."""
    return blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def pushed_row(position: int, event_id: str, moment: int, wine: int, vintage: int, liked: bool, strength: float) -> Pushed:
    """One PUSHED row."""
    event = int.from_bytes(event_digest(event_id), "little", signed=True)
    return np.array([(position, event, moment, wine, vintage, liked, strength)], dtype=PUSHED)


def pack_pushed_wish(pushed: PushedWish) -> bytes:
    """The bytes of a pushed wish, which begin with its position as a PUSHED row does, and are longer than one."""
    return pushed.position.to_bytes(8, "little") + _PADDING + msgspec.msgpack.encode(pushed.wish)


def unpack_pushed_wish(part: bytes) -> PushedWish:
    """The wish that was packed; Garbled when it is none."""
    try:
        return PushedWish(int.from_bytes(part[:8], "little"), _wish.decode(part[8 + len(_PADDING) :]))
    except msgspec.DecodeError as error:
        raise Garbled(f"{len(part)} bytes are no pushed wish ({error})") from error


def pushed_of(parts: Iterable[bytes]) -> Pushed:
    """PUSHED rows out of their bytes; Garbled when they are no whole number of rows."""
    joined = b"".join(parts)
    if len(joined) % PUSHED.itemsize:
        raise Garbled(f"{len(joined)} bytes are no whole number of pushed ratings")
    return np.frombuffer(joined, dtype=PUSHED)


def events_of(kept: Kept, index: WineIndex, overlay_through: int) -> Events | None:
    """The member's ratings (EVENT, oldest first, undated last) as a generation and what was pushed since have them.

    `index` finds the generation's rows, `overlay_through` is the position up to which its own values reach.

    None for a member of whom nothing is kept, or nothing that was not forgotten. Garbled when the value is damaged.
    """
    is_forgotten = kept.forgotten_at > overlay_through
    written = None if kept.value is None or is_forgotten else unpack_events(kept.value, kept.key)
    if written is not None and int(written["row"].max(initial=-1)) >= len(index.rows):
        raise Garbled("a member's value names wines that the generation lacks")
    since = kept.pushed[kept.pushed["position"] > max(overlay_through, kept.forgotten_at)]
    if not len(since):
        return written
    rows = np.empty(len(since), dtype=EVENT)
    for name in ("moment", "vintage", "liked", "strength"):
        rows[name] = since[name]
    rows["row"] = index.rows_of(since["wine"])
    together = rows if written is None else np.concatenate([written, rows])
    pushed_event = since["event"] if written is None else np.concatenate([np.full(len(written), np.iinfo(np.int64).min), since["event"]])
    return together[np.lexsort((pushed_event, together["moment"]))]


def wishes_since(kept: Kept, overlay_through: int) -> list[Wish]:
    """The member's wishes that a generation, whose own values reach up to position `overlay_through`, does not hold itself."""
    return [wish for position, wish in kept.wishes if position > max(overlay_through, kept.forgotten_at)]
