"""A store on one machine: generations are read-only LMDB environments, the overlay is one with locks that many processes share."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

import lmdb
import msgspec
import numpy as np

from cellar_shared.errors import BadInput
from cellar_shared.features.histories import Events
from cellar_shared.store.door import JournalBacked
from cellar_shared.store.generation import GenerationManifest, read_manifest, verify_files
from cellar_shared.store.generation_folders import read_current
from cellar_shared.store.lists_folders import FOLDER as LISTS
from cellar_shared.store.lists_folders import read_current_lists, verified_lists
from cellar_shared.store.lmdb_environment import Environment, open_environment
from cellar_shared.store.manifests import file_digest
from cellar_shared.store.overlay import PUSHED, Entry, Kept, Laid, PushedWish
from cellar_shared.store.packing import pack_events
from cellar_shared.store.port import KEY_BYTES, MemberDamaged, StoreUnavailable, member_key

ROOM_BYTES: Final = 1 << 40  # address space to map while writing, not disk
OVERLAY_ROOM_BYTES: Final = 1 << 36
READERS: Final = 1024
MEMBERS: Final = "members/data.mdb"
THROUGH: Final = b"through"  # no member's key has seven bytes
TRIMMED: Final = b"trimmed"
WISHES: Final = b"w"  # behind a member's key: their pushed wishes

_wishes: Final = msgspec.msgpack.Decoder(tuple[PushedWish, ...])


class LmdbReader:
    """Members of one generation, and the store's overlay, each read in one transaction."""

    def __init__(self, generation: Path, store: LmdbStore) -> None:
        self._generation = generation
        self._store = store
        self._members: Environment | None = None
        self._transaction: lmdb.Transaction | None = None
        self._damaged: tuple[int, int] | None = None  # device and inode

    async def read(self, member_id: str) -> Kept:
        key = member_key(member_id)
        try:
            # The overlay first: what is trimmed from it lies in a generation that readers have had time to open.
            laid, trimmed_through = self._store.overlay_of(key)
            value = cast("bytes | None", self._reading().get(key))
        except ValueError as error:
            raise MemberDamaged(f"what is kept of a member is damaged: {error}") from error
        except (lmdb.Error, OSError) as error:
            raise StoreUnavailable(f"{self._store.name} cannot be read: {error}") from error
        return Kept(key, value, laid.pushed, laid.forgotten_at, trimmed_through, laid.wishes)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        try:
            members = self._opened()
            with members.lmdb.begin() as reading, reading.cursor() as cursor:
                yield from cursor
        except (lmdb.Error, OSError) as error:
            raise StoreUnavailable(f"{self._store.name} cannot be read: {error}") from error

    def open(self) -> None:
        """Open the members, as the first read does otherwise; lmdb.Error or OSError where that fails."""
        self._opened()

    def close(self) -> None:
        if self._transaction is not None:
            self._transaction.abort()
        self._transaction = None
        self._members = None

    def _opened(self) -> Environment:
        if self._members is None:
            self._require_whole()
            self._members = open_environment((self._generation / MEMBERS).parent, readonly=True, lock=False)
        return self._members

    def _require_whole(self) -> None:
        """lmdb.Error where the members are not those that were written: reading past the end of a file cut short ends the process."""
        status = (self._generation / MEMBERS).stat()
        file = (status.st_dev, status.st_ino)
        if file != self._damaged:
            with suppress(BadInput):
                digest = read_manifest(self._generation).files.get(MEMBERS)
                self._damaged = file if digest and file_digest(self._generation / MEMBERS) != digest else None
        if file == self._damaged:
            raise lmdb.CorruptedError(f"{self._generation / MEMBERS} is damaged; run `cellar materialize` again")

    def _reading(self) -> lmdb.Transaction:
        """The one transaction in which an environment that never changes is read."""
        if self._transaction is None:
            self._transaction = self._opened().lmdb.begin(buffers=False)
        return self._transaction


class LmdbStore(JournalBacked):
    """The store in a folder of this machine: `generations/`, CURRENT and `overlay/`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder
        self._overlay: Environment | None = None
        self._verified: list[GenerationManifest] = []

    @property
    def name(self) -> str:
        return f"lmdb://{self._path}"

    @property
    def generations(self) -> Path:
        return self._path / "generations"

    @property
    def indexes(self) -> Path:
        return self._path / "indexes"

    @property
    def lists(self) -> Path:
        return self._path / LISTS

    def current_lists(self, bundle_version: str) -> str | None:
        return read_current_lists(self._path, bundle_version)

    def lists_folder(self, bundle_version: str, lists_id: str) -> Path:
        return verified_lists(self._path, bundle_version, lists_id)

    def current_id(self) -> str:
        return read_current(self.generations, self.name)

    def folder(self, generation_id: str) -> Path:
        folder = self.generations / generation_id
        manifest = read_manifest(folder)
        # Once a process: two seconds where there are a million members. Theirs are looked at when they are opened.
        if manifest not in self._verified:
            arrays = {name: digest for name, digest in manifest.files.items() if name != MEMBERS}
            verify_files(folder, msgspec.structs.replace(manifest, files=arrays))
            self._verified = [*self._verified[-1:], manifest]
        return folder

    def reader(self, generation_id: str) -> LmdbReader:
        reader = LmdbReader(self.generations / generation_id, self)
        # Now, while the generation is there: a service may serve it for longer than `materialize` keeps it.
        with suppress(lmdb.Error, OSError):
            reader.open()
        return reader

    def write_members(self, generation_id: str, staging: Path, members: Iterable[tuple[str, Events]]) -> int:
        folder = staging / "members"
        folder.mkdir()
        written = 0
        environment = lmdb.open(str(folder), map_size=ROOM_BYTES, sync=False, metasync=False)
        try:
            with environment.begin(write=True) as writing:
                for member_id, events in members:
                    key = member_key(member_id)
                    writing.put(key, pack_events(events, key))
                    written += 1
            environment.sync(True)
            (folder / "compact").mkdir()
            environment.copy(str(folder / "compact"), compact=True)
        finally:
            environment.close()
        (folder / "compact" / "data.mdb").replace(folder / "data.mdb")
        shutil.rmtree(folder / "compact")
        (folder / "lock.mdb").unlink(missing_ok=True)
        return written

    def holds_members(self, generation_id: str) -> bool:
        return (self.generations / generation_id / MEMBERS).is_file()

    def written(self) -> set[str]:
        return set()

    def drop(self, generation_id: str) -> None:
        pass  # members go with the generation's folder

    def overlay_of(self, key: bytes) -> tuple[Laid, int]:
        """What lies over the member with `key`, and up to which position the overlay was trimmed."""
        environment = self._overlay_environment()
        if environment is None:
            return Laid.nothing(), 0
        with environment.lmdb.begin() as reading:
            return _laid(reading, key), int.from_bytes(reading.get(TRIMMED, b""), "little")

    def overlay_through(self) -> int:
        try:
            environment = self._overlay_environment()
            if environment is None:
                return 0
            with environment.lmdb.begin() as reading:
                return int.from_bytes(reading.get(THROUGH, b""), "little")
        except (lmdb.Error, OSError) as error:
            raise StoreUnavailable(f"{self.name} cannot be read: {error}") from error

    def lay_over(self, entries: Sequence[Entry], through: int) -> None:
        try:
            with self._made_overlay().lmdb.begin(write=True) as writing:
                for entry in entries:
                    key = member_key(entry.member_id)
                    _lay(writing, key, _laid(writing, key).with_entry(entry))
                if through > int.from_bytes(writing.get(THROUGH, b""), "little"):
                    writing.put(THROUGH, through.to_bytes(8, "little"))
        except (lmdb.Error, OSError) as error:
            raise StoreUnavailable(f"{self.name} cannot be written ({error}); check the disk's room and rights") from error

    def trim(self, through: int) -> int:
        environment = self._overlay_environment()
        if environment is None:
            return 0
        trimmed = 0
        with environment.lmdb.begin(write=True) as writing:
            with writing.cursor() as cursor:
                everyone = {key[:KEY_BYTES] for key in cursor.iternext(values=False) if key not in (THROUGH, TRIMMED)}
            # Not the highest ever: positions of data that was imported anew may begin lower.
            writing.put(TRIMMED, through.to_bytes(8, "little"))
            for key in everyone:
                laid = _laid(writing, key)
                left = laid.trimmed(through)
                trimmed += len(laid) - len(left)
                if len(left) < len(laid):
                    _lay(writing, key, left)
        return trimmed

    def answers(self) -> bool:
        return True

    def close(self) -> None:
        self._overlay = None

    async def aclose(self) -> None:
        self.close()

    def _overlay_environment(self) -> Environment | None:
        """The overlay as it stands now; None while nothing was ever pushed.

        It is looked for each time, which takes about two microseconds: where the store was deleted and written anew, or moved,
        what is open still is nobody's any more.
        """
        try:
            file = (self._path / "overlay" / "data.mdb").stat()
        except FileNotFoundError:
            self._overlay = None
            return None
        if self._overlay is None or self._overlay.file != (file.st_dev, file.st_ino):
            return self._opened_overlay()
        return self._overlay

    def _made_overlay(self) -> Environment:
        """The overlay, made where there is none."""
        return self._overlay_environment() or self._opened_overlay()

    def _opened_overlay(self) -> Environment:
        folder = self._path / "overlay"
        folder.mkdir(parents=True, exist_ok=True)
        self._overlay = open_environment(folder, map_size=OVERLAY_ROOM_BYTES, max_readers=READERS)
        self._overlay.lmdb.reader_check()  # places of readers that were killed
        return self._overlay


def _laid(transaction: lmdb.Transaction, key: bytes) -> Laid:
    """What lies over the member with `key`; ValueError where it is damaged."""
    value, wishes = transaction.get(key), transaction.get(key + WISHES)
    if value is None and wishes is None:
        return Laid.nothing()
    value = bytes(8) if value is None else value
    pushed = np.frombuffer(value, dtype=PUSHED, offset=8)
    return Laid(pushed, () if wishes is None else _wishes.decode(wishes), int.from_bytes(value[:8], "little"))


def _lay(writing: lmdb.Transaction, key: bytes, laid: Laid) -> None:
    """Put down what lies over the member with `key` from now on; what is nothing takes no place."""
    is_plain = not len(laid.pushed) and not laid.forgotten_at
    values = (
        (key, None if is_plain else laid.forgotten_at.to_bytes(8, "little") + laid.pushed.tobytes()),
        (key + WISHES, msgspec.msgpack.encode(laid.wishes) if laid.wishes else None),
    )
    for place, value in values:
        if value is None:
            writing.delete(place)
        else:
            writing.put(place, value)
