"""A catalogue's facts as columns to look through: filters and rules ask them; built once with a generation, or out of candidates.

A catalogue's records lie 160 bytes apart, so that looking through one field reads all of memory; here it is one array a field.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from cellar_shared.events.vocabulary.canonical import KINDS, spellings_of
from cellar_shared.features.histories import UNKNOWN_VINTAGE
from cellar_shared.features.identity import UNKNOWN, identity
from cellar_shared.features.wines import Wines
from cellar_shared.npy import map_npy
from cellar_shared.store.wine_index import WineIndex

Mask = npt.NDArray[np.bool_]
Identities = npt.NDArray[np.int64]
Vintages = npt.NDArray[np.int64]

NAMED: Final = {"type": "type", "country": "country", "region": "region", "producer": "producer", "grape": "grapes"}
"""What a wine can be asked for by name, and the field of its record that holds the identities."""

# Comparing with one code runs over memory as fast as it is read; looking codes up costs as much as about eight of it (measured).
COMPARED_MOST: Final = 8


@dataclass(frozen=True, slots=True)
class Column:
    """One fact of every wine: `names` (names,) int64 ascending, `codes` (width, wines) unsigned into them; width > 1: several a wine."""

    names: Identities
    codes: npt.NDArray[np.unsignedinteger]

    @classmethod
    def of(cls, identities: Identities) -> Self:
        """The column of `identities` (wines,) or (wines, width)."""
        names, codes = np.unique(identities, return_inverse=True)
        narrow = np.min_scalar_type(max(len(names) - 1, 0))
        return cls(names, np.ascontiguousarray(codes.reshape(len(identities), identities[:1].size or 1).T.astype(narrow)))

    def among(self, wanted: Identities) -> Mask:
        """Which wines have one of `wanted`; what is unknown is none of them. (wines,)."""
        found: Mask = np.zeros(self.codes.shape[1], dtype=bool)
        if not len(self.names):
            return found
        at = np.unique(np.minimum(np.searchsorted(self.names, wanted), len(self.names) - 1))
        at = at[np.isin(self.names[at], wanted) & (self.names[at] != UNKNOWN)]
        if len(at) <= COMPARED_MOST:
            for codes in self.codes:
                for code in at.astype(self.codes.dtype):
                    found |= codes == code
            return found
        is_wanted = np.zeros(len(self.names), dtype=bool)
        is_wanted[at] = True
        for codes in self.codes:
            found |= is_wanted.take(codes)
        return found


@dataclass(frozen=True, slots=True)
class WineColumns:
    """Wines to choose from, by place. `wines` (wines,) int64 identities, `log_prices` (wines,) float32, NaN unknown.

    `index` finds a catalogue's places; without one they are searched. `vintages` (wines,) int64, UNKNOWN_VINTAGE for any, or None
    where no place means a vintage. `is_of_bottles`: they are those of bottles that lie somewhere, and a vintage that nobody knows is
    one of its own.
    """

    wines: Identities
    log_prices: npt.NDArray[np.float32]
    named: dict[str, Column]
    index: WineIndex | None = None
    vintages: Vintages | None = None
    is_of_bottles: bool = False

    @classmethod
    def of(cls, records: Wines, index: WineIndex | None = None) -> Self:
        """The columns of a catalogue with its index."""
        columns = {kind: Column.of(records[field]) for kind, field in NAMED.items()}
        return cls(np.ascontiguousarray(records["wine"]), np.ascontiguousarray(records["log_price"]), columns, index)

    @classmethod
    def of_candidates(cls, records: Wines, wines: Identities, vintages: Vintages, *, is_of_bottles: bool = False) -> Self:
        """The columns of given wines: their `records`, of which nothing may be known, their identities and vintages, each of them once.

        So a request's candidates are looked at, and for `open` the bottles themselves: whether a catalogue knows a wine or not.
        """
        columns = {kind: Column.of(records[field]) for kind, field in NAMED.items()}
        return cls(wines, np.ascontiguousarray(records["log_price"]), columns, None, vintages, is_of_bottles)

    def write(self, folder: Path) -> None:
        """Write a catalogue's columns to `folder` for `mapped`, two files a name."""
        np.save(folder / "wines.npy", self.wines, allow_pickle=False)
        np.save(folder / "log_prices.npy", self.log_prices, allow_pickle=False)
        for kind, column in self.named.items():
            np.save(folder / f"{kind}_names.npy", column.names, allow_pickle=False)
            np.save(folder / f"{kind}_codes.npy", column.codes, allow_pickle=False)

    @classmethod
    def mapped(cls, folder: Path, index: WineIndex) -> Self:
        """The columns that `write` wrote, memory-mapped, with the catalogue's index; OSError or ValueError where they cannot be."""
        columns = {kind: Column(map_npy(folder / f"{kind}_names.npy"), map_npy(folder / f"{kind}_codes.npy")) for kind in NAMED}
        return cls(map_npy(folder / "wines.npy"), map_npy(folder / "log_prices.npy"), columns, index)

    def __len__(self) -> int:
        return len(self.wines)

    def holding(self, wines: Identities, vintages: Vintages | None = None) -> Mask:
        """At which places one of `wines` stands, of its entry in `vintages`. (wines,).

        A vintage unknown on either side fits any, but among bottles, which have none but their own.
        """
        if self.index is not None:
            found = np.zeros(len(self), dtype=bool)
            rows = self.index.rows_of(wines)
            found[rows[rows >= 0]] = True
            return found
        if self.vintages is None or vintages is None:
            return np.isin(self.wines, wines)
        if self.is_of_bottles:
            return are_among(self.wines, self.vintages, wines, vintages)
        return fit_among(self.wines, self.vintages, wines, vintages)


def are_among(wines: Identities, vintages: Vintages, others: Identities, of_vintages: Vintages) -> Mask:
    """Which of `wines` (wines,) in their `vintages` are among `others` (others,) in theirs, `of_vintages`. (wines,)."""
    _, place = np.unique(np.concatenate([wines, others]), return_inverse=True)
    years, year = np.unique(np.concatenate([vintages, of_vintages]), return_inverse=True)
    pairs = place * len(years) + year
    return np.isin(pairs[: len(wines)], pairs[len(wines) :])


def fit_among(wines: Identities, vintages: Vintages, others: Identities, of_vintages: Vintages) -> Mask:
    """As `are_among`, where a vintage unknown on either side fits any. (wines,)."""
    is_known, are_known = vintages != UNKNOWN_VINTAGE, of_vintages != UNKNOWN_VINTAGE
    found = are_among(wines, vintages, others, of_vintages)
    found |= ~is_known & np.isin(wines, others)
    found |= np.isin(wines, others[~are_known])
    return found


def identities_of(kind: str, texts: Iterable[str]) -> Identities:
    """The identities that somebody means who writes `texts`: as written, in every spelling, a region's parts with it.

    `kind` is one of NAMED, or "wine", whose ids are taken to the letter.
    """
    meant = set[int]()
    for text in texts:
        meant.add(identity(kind, text))
        for known in KINDS:
            if known == kind:
                meant.update(identity(kind, spelled) for spelled in spellings_of(known, text))
    meant.discard(UNKNOWN)
    return np.array(sorted(meant), dtype=np.int64)


def first_of_each(wines: Identities, vintages: Vintages) -> npt.NDArray[np.int64]:
    """The first place of each wine and vintage, in order: what is named twice among candidates, or lies twice in a cellar, is one item.

    `wines` and `vintages` (places,) int64. (distinct,) int64.
    """
    seen = dict[tuple[int, int], int]()
    for place, named in enumerate(zip(wines.tolist(), vintages.tolist(), strict=True)):
        seen.setdefault(named, place)
    return np.array(list(seen.values()), dtype=np.int64)
