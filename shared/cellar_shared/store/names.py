"""What a generation's identities are called: wine ids and names, producers, regions, countries, types and grapes as texts, mapped.

Records hold 64-bit identities and no text; answers name wines by the source's ids, and reasons name what speaks for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from cellar_shared.features.identity import UNKNOWN, identity
from cellar_shared.npy import map_npy
from cellar_shared.store.growing import GrowingArray
from cellar_shared.store.wine_index import WineIndex

FOLDER: Final = "names"
COLUMNS: Final = ("wine_id", "name", "producer", "type", "country", "region", "grapes")
_KINDS: Final = {"producer": "producer", "type": "type", "country": "country", "region": "region", "grapes": "grape"}

Identities = npt.NDArray[np.int64]
Rows = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts by place: `starts` (texts + 1,) int64, where each begins in `content` (bytes,) uint8, UTF-8, and the last ends."""

    starts: npt.NDArray[np.int64]
    content: npt.NDArray[np.uint8]

    @classmethod
    def mapped(cls, folder: Path, name: str) -> Self:
        """Those that were written under `name`."""
        return cls(map_npy(folder / f"{name}.starts.npy"), map_npy(folder / f"{name}.texts.npy"))

    def at(self, places: Rows) -> list[str]:
        """The texts at `places` (asked,), each from 0 to below the number of texts."""
        return [self.content[start:end].tobytes().decode() for start, end in zip(self.starts[places], self.starts[places + 1], strict=True)]


@dataclass(frozen=True, slots=True)
class Names:
    """The texts behind a catalogue's identities. `wine_texts` are wines' ids and `labels` their names, by row; `groups` (groups,) int64
    ascending the identities of everything else that has a name, `group_texts` their texts.
    """

    index: WineIndex
    wine_texts: Texts
    labels: Texts
    groups: Identities
    group_texts: Texts

    @classmethod
    def mapped(cls, generation: Path, index: WineIndex) -> Self:
        """Those of the generation in that folder, whose wines `index` finds."""
        folder = generation / FOLDER
        wine_texts, labels, group_texts = (Texts.mapped(folder, name) for name in ("wines", "labels", "groups"))
        return cls(index, wine_texts, labels, map_npy(folder / "groups.npy"), group_texts)

    def of(self, identities: Identities) -> list[str | None]:
        """The text of each identity (asked,) int64: a wine's id to the letter, a group's name in one of its spellings; None where
        the catalogue has neither."""
        return self._of(identities, self.wine_texts)

    def called(self, identities: Identities) -> list[str | None]:
        """As `of`, for people: a wine by the name on its label, without the producer."""
        return self._of(identities, self.labels)

    def wine_ids(self, rows: Rows) -> list[str]:
        """The ids of the wines at `rows` (asked,), as the source writes them."""
        return self.wine_texts.at(rows)

    def _of(self, identities: Identities, wine_texts: Texts) -> list[str | None]:
        found: list[str | None] = [None] * len(identities)
        rows = self.index.rows_of(identities)
        (wines,) = np.nonzero(rows >= 0)
        places = np.searchsorted(self.groups, identities)
        is_group = np.zeros(len(identities), dtype=bool)
        if len(self.groups):
            is_group = (self.groups[np.minimum(places, len(self.groups) - 1)] == identities) & (rows < 0)
        (groups,) = np.nonzero(is_group)
        for asked, texts in ((groups, self.group_texts.at(places[groups])), (wines, wine_texts.at(rows[wines]))):
            for at, text in zip(asked.tolist(), texts, strict=True):
                found[at] = text
        return found


def write_names(generation: Path, wines: Iterable[Mapping[str, Any]]) -> None:
    """Write the names of a generation that is being written: `wines` are its catalogue's rows in order, with COLUMNS.

    In memory are the groups alone. Of several spellings of one group the catalogue's first stands for all.
    """
    folder = generation / FOLDER
    folder.mkdir()
    groups: dict[int, str] = {}
    with _TextsWriter(folder, "wines") as ids, _TextsWriter(folder, "labels") as labels:
        for wine in wines:
            ids.add(wine["wine_id"])
            labels.add(wine["name"])
            for column, kind in _KINDS.items():
                for text in _each(wine[column]):
                    groups.setdefault(identity(kind, text), text.strip())
    groups.pop(UNKNOWN, None)
    ordered = sorted(groups)
    np.save(folder / "groups.npy", np.array(ordered, dtype=np.int64), allow_pickle=False)
    with _TextsWriter(folder, "groups") as texts:
        for each in ordered:
            texts.add(groups[each])


class _TextsWriter:
    def __init__(self, folder: Path, name: str) -> None:
        self._starts = GrowingArray(folder / f"{name}.starts.npy", np.int64)
        self._content = GrowingArray(folder / f"{name}.texts.npy", np.uint8)
        self._at = 0

    def add(self, text: str) -> None:
        content = text.encode()
        self._starts.append(self._at.to_bytes(8, "little"))
        self._content.append(content)
        self._at += len(content)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._starts.append(self._at.to_bytes(8, "little"))
        self._starts.close()
        self._content.close()


def _each(value: str | Sequence[str] | None) -> Sequence[str]:
    return [value] if isinstance(value, str) else value or ()
