"""Where a night's files lie, and what those of a part say.

    OUT/night.json                      what the newest night was
    OUT/lists/NIGHT-PART.parquet        its lists: member_id, position, wine_id, score, source, precomputed_at
    OUT/running/                        a night that was begun and is not over; may be deleted while none runs
        terms.json                      what it is made of, and its moment
        members/PART                    the ids of a part's members by key, a JSON text a line
        PART.lists, PART.json           its lists as the store takes them, and what was counted: the part is finished

What is finished outlives a kill; only what `night.json` lists counts.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from cellar_shared.durable import write_durably
from cellar_shared.errors import CellarError
from cellar_shared.store.list_packing import MemberList, pack, unpack
from cellar_shared.store.packing import Garbled
from cellar_shared.store.port import KEY_BYTES

FORMAT: Final = 1
MANIFEST: Final = "night.json"
_LENGTH: Final = struct.Struct("<I")


class Terms(msgspec.Struct, frozen=True):
    """What a night is made of; equal terms at an equal moment give equal bytes. `precomputed_at`: microseconds since 1970 UTC.

    `data` is the digest of the tables whose members get lists, `code` of what decides them, `parts` how many the members are cut into.
    """

    format: int
    bundle: str
    generation: str
    data: str
    code: str
    max_age_days: float
    parts: int
    precomputed_at: int

    @property
    def night(self) -> str:
        """The night's id."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:16]

    def continues(self, begun: Terms) -> bool:
        """Does this run go on with the one that was `begun`? Not with one more than a day old whose lists are due again."""
        is_due = self.precomputed_at - begun.precomputed_at >= days(max(self.max_age_days, 1.0))
        return not is_due and self == msgspec.structs.replace(begun, precomputed_at=self.precomputed_at)


class SetAside(msgspec.Struct, frozen=True):
    """A member who has no list because what is kept of them is damaged, and how."""

    member_id: str
    error: str


class Receipt(msgspec.Struct, frozen=True):
    """What a finished part holds: lists, how many of them were computed, members forgotten meanwhile, rows of Parquet and their SHA-256."""

    lists: int
    computed: int
    forgotten: int
    rows: int
    sha256: str
    set_aside: list[SetAside]


def days(number: float) -> int:
    """Days as microseconds."""
    return round(number * 86_400_000_000)


class Folder:
    """The folder of a night."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def manifest(self) -> Path:
        return self.path / MANIFEST

    @property
    def running(self) -> Path:
        return self.path / "running"

    @property
    def members(self) -> Path:
        return self.running / "members"

    def members_of(self, part: int) -> Path:
        """The file with the ids of a part's members."""
        return self.members / f"{part:05d}"

    def rows(self, night: str, part: int) -> Path:
        """The Parquet file of a part."""
        return self.path / "lists" / f"{night}-{part:05d}.parquet"

    def clear_scratch(self) -> None:
        """Delete what a killed writer left half-written among the files that stay; for who holds the folder's lock."""
        for file in (*self.path.glob(f".{MANIFEST}.*"), *self.path.glob("lists/.*")):
            file.unlink(missing_ok=True)

    def begun(self) -> Terms | None:
        """The terms of the night that was begun and is not over; None where there is none that can be read."""
        try:
            return msgspec.json.decode((self.running / "terms.json").read_bytes(), type=Terms)
        except (OSError, msgspec.DecodeError):
            return None

    def begin(self, terms: Terms) -> None:
        """Begin a night; what another left unfinished goes."""
        self.end()
        write_durably(self.running / "terms.json", msgspec.json.encode(terms))

    def end(self) -> None:
        """Forget what runs; `terms.json` goes first, so that nobody goes on with the half of it."""
        (self.running / "terms.json").unlink(missing_ok=True)
        shutil.rmtree(self.running, ignore_errors=True)

    def finish(self, night: str, part: int, rows: bytes, lists: Iterable[tuple[bytes, MemberList]], receipt: Receipt) -> None:
        """Write a part's files; it is finished with the last of them, the receipt."""
        write_durably(self.rows(night, part), rows)
        packed = ((key, pack(made, key)) for key, made in lists)
        write_durably(self._lists(part), b"".join(key + _LENGTH.pack(len(value)) + value for key, value in packed))
        write_durably(self._receipt(part), msgspec.json.encode(receipt))

    def receipt(self, night: str, part: int) -> Receipt | None:
        """What a finished part holds; None where it is not finished, or somebody was set aside: then it is tried again."""
        try:
            found = msgspec.json.decode(self._receipt(part).read_bytes(), type=Receipt)
        except (OSError, msgspec.DecodeError):
            return None
        is_there = self._lists(part).is_file() and self.rows(night, part).is_file()
        return found if is_there and not found.set_aside else None

    def lists_of(self, part: int) -> Iterator[tuple[bytes, MemberList]]:
        """A finished part's lists with the keys of their members; CellarError when the file is damaged."""
        content, at = self._lists(part).read_bytes(), 0
        try:
            while at < len(content):
                key, start = content[at : at + KEY_BYTES], at + KEY_BYTES + _LENGTH.size
                (length,) = _LENGTH.unpack_from(content, at + KEY_BYTES)
                at = start + length
                yield key, unpack(content[start:at], key)
        except (Garbled, struct.error) as error:
            raise CellarError(f"{self._lists(part)} is damaged ({error}); delete {self.running} and run again") from error

    def prune(self, night: str) -> None:
        """Delete the rows of every night but this one."""
        for file in (self.path / "lists").iterdir():
            if not file.name.startswith(f"{night}-"):
                file.unlink(missing_ok=True)

    def _lists(self, part: int) -> Path:
        return self.running / f"{part:05d}.lists"

    def _receipt(self, part: int) -> Path:
        return self.running / f"{part:05d}.json"
