"""What was pushed since a generation was written, and how reads lay it over the generation's own value.

An entry says at which position it was accepted. A generation says up to which position its own values reach. So an entry
counts for exactly those generations that do not hold it yet, in whatever order entries are written, generations swapped
and old entries trimmed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.features.histories import EVENT, Events
from cellar_shared.store.packing import Garbled, unpack_events
from cellar_shared.store.wine_index import WineIndex

# One pushed rating: at which position it was accepted, which event it is, and EVENT's columns with the wine by its identity: the
# catalogue's rows differ from one generation to the next.
PUSHED: Final = np.dtype(
    [("position", "<i8"), ("event", "<i8"), ("moment", "<i8"), ("wine", "<i8"), ("vintage", "<i2"), ("liked", "u1"), ("strength", "<f4")]
)

Pushed = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to lay over: a pushed rating of a member (`pushed`, one PUSHED row), or None: forget what came before."""

    member_id: str
    position: int
    pushed: Pushed | None


@dataclass(frozen=True, slots=True)
class Kept:
    """All that a store keeps of the member with `key`: the generation's packed `value` if any, `pushed` rows, and up to which
    position the member was forgotten (0: never). The overlay lacks what lay at positions up to `trimmed_through`.
    """

    key: bytes
    value: bytes | None
    pushed: Pushed
    forgotten_at: int = 0
    trimmed_through: int = 0


def pushed_row(position: int, event_id: str, moment: int, wine: int, vintage: int, liked: bool, strength: float) -> Pushed:
    """One PUSHED row."""
    event = int.from_bytes(blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little", signed=True)
    return np.array([(position, event, moment, wine, vintage, liked, strength)], dtype=PUSHED)


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
