"""What a member does not want to be shown: wines, producers and regions, out of the generation and of what was pushed since.

A wish is set or ended at a moment; of several about one thing the newest counts, wherever it lies. So the generation keeps ended ones
too: what is pushed later may have happened before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from cellar_shared.events.vocabulary.canonical import canonical
from cellar_shared.features.identity import identity
from cellar_shared.store.packing import Garbled, checked, summed

FOLDER: Final = "wishes"

Kind = Literal["hide_wine", "hide_producer", "hide_region"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


class Wish(msgspec.Struct, array_like=True, frozen=True):
    """One wish of a member, as an event had it: `moment` in microseconds since 1970, `value` as it was written."""

    moment: int
    event_id: str
    kind: Kind
    value: str
    is_set: bool


class Wishes(NamedTuple):
    """What a member hid and did not show again: the wines' ids, the producers and regions as they were written, each sorted."""

    wines: tuple[str, ...] = ()
    producers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


NO_WISHES: Final = Wishes()

_wishes: Final = msgspec.msgpack.Decoder(list[Wish])


def pack_wishes(wishes: Iterable[Wish], key: bytes) -> bytes:
    """The bytes of one member's wishes, of the member with `key` and of no other."""
    return summed(msgspec.msgpack.encode(list(wishes)), key)


def unpack_wishes(value: bytes, key: bytes) -> list[Wish]:
    """The wishes that were packed; Garbled when `value` is not whole, or not that of the member with `key`."""
    try:
        return _wishes.decode(checked(value, key))
    except msgspec.DecodeError as error:
        raise Garbled(f"a value of {len(value)} bytes is no member's wishes ({error})") from error


def newest(wishes: Iterable[Wish]) -> list[Wish]:
    """Of wishes about one thing the newest: by moment, then by event id."""
    kept: dict[tuple[Kind, str | int], Wish] = {}
    for wish in wishes:
        thing = _thing(wish)
        standing = kept.get(thing)
        if standing is None or (standing.moment, standing.event_id) < (wish.moment, wish.event_id):
            kept[thing] = wish
    return list(kept.values())


def standing(wishes: Iterable[Wish]) -> Wishes:
    """What is hidden by all these wishes of one member."""
    hidden = [wish for wish in newest(wishes) if wish.is_set]
    return Wishes(*(tuple(sorted(wish.value for wish in hidden if wish.kind == kind)) for kind in KINDS))


def _thing(wish: Wish) -> tuple[Kind, str | int]:
    """What the wish is about, in whatever spelling: whoever hid Burgundy sees it again by showing Bourgogne."""
    if wish.kind == "hide_wine":
        return wish.kind, wish.value
    if wish.kind == "hide_producer":
        return wish.kind, identity("producer", wish.value)
    return wish.kind, identity("region", canonical("region", wish.value) or wish.value)
