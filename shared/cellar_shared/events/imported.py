"""Which rating events came by import: their ids and contents as hashes, so that a push of one of them is known for no news.

`note_imported` writes them beside the tables, once for every part; doors look them up without being able to read tables.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
import numpy.typing as npt

from cellar_shared.durable import write_durably
from cellar_shared.events.manifest import DataManifest
from cellar_shared.events.moments import moment_of
from cellar_shared.events.pushed import Event, RatingEvent, is_like, vintage_number
from cellar_shared.npy import map_npy

FOLDER: Final = "imported"

UInt64s = npt.NDArray[np.uint64]


class ImportedEvents:
    """The rating events of some parts: `ids` and `contents`, (parts) arrays (events,) uint64 each, by ascending id."""

    def __init__(self, parts: Sequence[UInt64s]) -> None:
        self._parts = parts

    @classmethod
    def of(cls, data: Path, manifest: DataManifest) -> Self:
        """Those of the data folder at `data` that were noted; the arrays are mapped."""
        facts = manifest.tables.get("ratings")
        files = [] if facts is None else [data / FOLDER / f"{digest}.npy" for digest in facts.parts.values()]
        return cls([map_npy(file) for file in files if file.is_file()])

    def knows(self, event: Event) -> Literal["duplicate", "conflict"] | None:
        """Was the event imported: as it is, or with other content? None when it was not."""
        wanted = np.uint64(id_hash(event.event_id))
        for ids, contents in self._parts:
            place = int(np.searchsorted(ids, wanted))
            if place < len(ids) and ids[place] == wanted:
                is_same = isinstance(event, RatingEvent) and int(contents[place]) == content_hash(row_of(event))
                return "duplicate" if is_same else "conflict"
        return None


def note_imported(data: Path, manifest: DataManifest, rows_of: Callable[[str], Iterable[tuple[Any, ...]]]) -> None:
    """Note the ratings of every part that was not noted yet, and forget parts that are no more.

    `rows_of` gives a part's rows as (event_id, *row) with the row as `row_of` has it.
    """
    facts = manifest.tables.get("ratings")
    parts = {} if facts is None else facts.parts
    for part, digest in parts.items():
        file = data / FOLDER / f"{digest}.npy"
        if not file.is_file():
            hashes = (each for row in rows_of(part) for each in (id_hash(row[0]), content_hash(row[1:])))
            noted = np.fromiter(hashes, dtype=np.uint64).reshape(-1, 2)
            _save(file, np.ascontiguousarray(noted[np.argsort(noted[:, 0], kind="stable")].T))
    for file in (data / FOLDER).glob("*.npy"):
        if file.stem not in parts.values():
            file.unlink(missing_ok=True)


def row_of(event: RatingEvent) -> tuple[Any, ...]:
    """What an imported rating and a pushed one have in common: all but the source."""
    return (
        event.member_id,
        event.wine_id,
        vintage_number(event.vintage),
        float(event.rating),
        event.scale,
        is_like(event),
        moment_of(event.occurred_at),
        event.time_precision,
        event.defective,
    )


def id_hash(event_id: str) -> int:
    """64 bits that stand for an event's id."""
    return int.from_bytes(blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def content_hash(row: tuple[Any, ...]) -> int:
    """64 bits that stand for a rating's content."""
    return int.from_bytes(blake2b(repr(row).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _save(file: Path, noted: UInt64s) -> None:
    stream = io.BytesIO()
    np.save(stream, noted, allow_pickle=False)
    write_durably(file, stream.getvalue())
