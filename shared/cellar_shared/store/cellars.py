"""Members' bottles with their dates in a generation: a mapped file, the same for every store; serving reads one member's at a time.

The phase of a bottle is told when it is read, from its dates: a night that is some days old still tells the right one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import msgspec
import numpy as np
import numpy.typing as npt

from cellar_shared.ageing.curve import DATES, phase_of
from cellar_shared.store.keyed_values import KeyedValues, KeyedWriter
from cellar_shared.store.packing import Garbled, checked, summed
from cellar_shared.store.port import member_key

FOLDER: Final = "cellars"
UNKNOWN: Final = -(2**31)  # a vintage, a size, a date that nobody knows; a non-vintage wine's vintage is 0
NO_PHASE: Final = -1
_NUMBERS: Final = 3 + len(DATES)


class _Packed(msgspec.Struct, array_like=True, frozen=True):
    bottle_ids: list[str]
    wine_ids: list[str]
    locations: list[str | None]
    bins: list[str | None]
    numbers: bytes


@dataclass(frozen=True, slots=True)
class Cellar:
    """A member's bottles that are not consumed; every list and array has one entry a bottle.

    `vintages` and `sizes_ml` (bottles,) int64; `dates` (4, bottles) int64, days since 1970 in the order of DATES; UNKNOWN in each where
    nobody knows. Dates of a bottle are all known or none. `is_there` (bottles,) bool: in the cellar; without it on its way there.
    """

    bottle_ids: list[str]
    wine_ids: list[str]
    locations: list[str | None]
    bins: list[str | None]
    vintages: npt.NDArray[np.int64]
    sizes_ml: npt.NDArray[np.int64]
    dates: npt.NDArray[np.int64]
    is_there: npt.NDArray[np.bool_]

    def phases(self, day: int) -> npt.NDArray[np.int8]:
        """Numbers into PHASES on `day` (days since 1970), NO_PHASE for a bottle without dates. (bottles,)."""
        return np.where(self.dates[0] == UNKNOWN, np.int8(NO_PHASE), phase_of(day, self.dates)).astype(np.int8)

    def packed(self, key: bytes) -> bytes:
        """The cellar's bytes, those of the member with `key` and of no other."""
        numbers = np.vstack([self.vintages, self.sizes_ml, self.is_there, self.dates]).astype("<i4").tobytes()
        return summed(msgspec.msgpack.encode(_Packed(self.bottle_ids, self.wine_ids, self.locations, self.bins, numbers)), key)

    @classmethod
    def unpacked(cls, value: bytes, key: bytes) -> Self:
        """The cellar that was packed; Garbled when `value` is not whole, or not that of the member with `key`."""
        try:
            packed = msgspec.msgpack.decode(checked(value, key), type=_Packed)
            numbers = np.frombuffer(packed.numbers, "<i4").reshape(_NUMBERS, len(packed.bottle_ids)).astype(np.int64)
        except (msgspec.DecodeError, ValueError) as error:
            raise Garbled(f"a cellar's value of {len(value)} bytes is not whole ({error})") from error
        vintages, sizes_ml, is_there = numbers[:3]
        texts = (packed.bottle_ids, packed.wine_ids, packed.locations, packed.bins)
        return cls(*texts, vintages, sizes_ml, numbers[3:], is_there.astype(bool))

    def with_more(self, other: Cellar) -> Cellar:
        """This cellar and `other`, one member's both."""
        return Cellar(
            self.bottle_ids + other.bottle_ids,
            self.wine_ids + other.wine_ids,
            self.locations + other.locations,
            self.bins + other.bins,
            np.concatenate([self.vintages, other.vintages]),
            np.concatenate([self.sizes_ml, other.sizes_ml]),
            np.concatenate([self.dates, other.dates], axis=1),
            np.concatenate([self.is_there, other.is_there]),
        )


@dataclass(frozen=True, slots=True)
class Cellars:
    """The cellars of a generation, by member."""

    packed: KeyedValues

    @classmethod
    def mapped(cls, generation: Path) -> Self | None:
        """The cellars of the generation in that folder; None when it was written without a night."""
        folder = generation / FOLDER
        return cls(KeyedValues.mapped(folder)) if folder.is_dir() else None

    def of(self, key: bytes) -> Cellar | None:
        """The bottles of the member with `key`, in the order of their table; None where there are none. Garbled when damaged."""
        found: Cellar | None = None
        for value in self.packed.of(key):
            cellar = Cellar.unpacked(value, key)
            found = cellar if found is None else found.with_more(cellar)
        return found

    def holds(self, key: bytes) -> bool:
        """Has the member with `key` bottles here?"""
        return self.packed.holds(key)


def write_cellars(generation: Path, members: Iterable[tuple[str, Cellar]]) -> int:
    """Write the cellars into a generation that is being written, a member's may come in several; how many bottles they have."""
    bottles = 0
    with KeyedWriter(generation / FOLDER) as writer:
        for member_id, cellar in members:
            key = member_key(member_id)
            writer.add(key, cellar.packed(key))
            bottles += len(cellar.bottle_ids)
    return bottles
