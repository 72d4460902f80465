"""Values of members in mapped files, by member: written in whatever order in bounded memory, found again by a binary search.

What a generation keeps beside ratings (bottles, wishes) and what lists hold lies in such a folder, the same for every store.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from cellar_shared.npy import map_npy, read_npy
from cellar_shared.store.growing import GrowingArray
from cellar_shared.store.port import KEY_BYTES

_KEY: Final = f"S{KEY_BYTES}"


@dataclass(frozen=True, slots=True)
class KeyedValues:
    """Values by key: `keys` (values,) ascending, a member's next to each other; `spans` (values, 2) int64, where each begins and ends."""

    keys: npt.NDArray[np.bytes_]
    spans: npt.NDArray[np.int64]
    values: npt.NDArray[np.uint8]

    @classmethod
    def mapped(cls, folder: Path) -> Self:
        """What was written in that folder."""
        keys, spans, values = (map_npy(folder / f"{name}.npy") for name in ("keys", "spans", "values"))
        return cls(keys, spans, values)

    def of(self, key: bytes) -> list[bytes]:
        """The values of the member with `key`, in the order in which they were written."""
        first, end = self._span(key)
        return [self.values[start:stop].tobytes() for start, stop in self.spans[first:end].tolist()]

    def holds(self, key: bytes) -> bool:
        """Has the member with `key` a value here?"""
        first, end = self._span(key)
        return end > first

    def _span(self, key: bytes) -> tuple[int, int]:
        sought = np.array(key, dtype=_KEY)
        return int(np.searchsorted(self.keys, sought, side="left")), int(np.searchsorted(self.keys, sought, side="right"))


class KeyedWriter:
    """Writes values into the folder, made here, while it is entered; at the end some 80 bytes a value are in memory, before that none."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._closing = ExitStack()
        self._keys = self._closing.enter_context(GrowingArray(folder / "unsorted.keys", _KEY))
        self._lengths = self._closing.enter_context(GrowingArray(folder / "unsorted.lengths", np.int64))
        self._values = self._closing.enter_context(GrowingArray(folder / "values.npy", np.uint8))

    def add(self, key: bytes, value: bytes) -> None:
        """Write one value of the member with `key`; they may have several."""
        self._keys.append(key)
        self._lengths.append(len(value).to_bytes(8, "little"))
        self._values.append(value)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.__exit__(kind, error, trace)
        if error is None:
            self._sort()

    def _sort(self) -> None:
        keys, lengths = (read_npy(self._folder / f"unsorted.{name}") for name in ("keys", "lengths"))
        ends = np.cumsum(lengths)
        order = np.argsort(keys, kind="stable")
        np.save(self._folder / "keys.npy", keys[order], allow_pickle=False)
        np.save(self._folder / "spans.npy", np.stack([ends - lengths, ends], axis=1)[order], allow_pickle=False)
        for name in ("keys", "lengths"):
            (self._folder / f"unsorted.{name}").unlink()
