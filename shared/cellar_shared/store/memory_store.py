"""A store in memory: for tests and for what fits; generations' arrays lie in a folder like everybody's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cellar_shared.features.histories import Events
from cellar_shared.store.door import JournalBacked
from cellar_shared.store.generation_folders import read_current
from cellar_shared.store.lists_folders import FOLDER as LISTS
from cellar_shared.store.lists_folders import read_current_lists, verified_lists
from cellar_shared.store.overlay import Entry, Kept, Laid
from cellar_shared.store.packing import pack_events
from cellar_shared.store.port import StoreUnavailable, member_key


class MemoryReader:
    """Members of one generation in a dictionary."""

    def __init__(self, store: MemoryStore, generation_id: str) -> None:
        self._store = store
        self._generation = generation_id

    async def read(self, member_id: str) -> Kept:
        key = member_key(member_id)
        laid = self._store.overlay.get(key, Laid.nothing())
        return Kept(key, self._members().get(key), laid.pushed, laid.forgotten_at, self._store.trimmed_through, laid.wishes)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        yield from self._members().items()

    def close(self) -> None:
        pass

    def _members(self) -> dict[bytes, bytes]:
        try:
            return self._store.members[self._generation]
        except KeyError:
            raise StoreUnavailable(f"{self._store.name} does not hold the members of generation {self._generation}") from None


class MemoryStore(JournalBacked):
    """Members in dictionaries, gone with the process; `folder` is where generations' arrays lie."""

    name = "memory://"

    def __init__(self, folder: Path) -> None:
        self.generations = folder / "generations"
        self.indexes = folder / "indexes"
        self.lists = folder / LISTS
        self.members: dict[str, dict[bytes, bytes]] = {}
        self.overlay: dict[bytes, Laid] = {}
        self.trimmed_through = 0
        self._through = 0

    def current_lists(self, bundle_version: str) -> str | None:
        return read_current_lists(self.lists.parent, bundle_version)

    def lists_folder(self, bundle_version: str, lists_id: str) -> Path:
        return verified_lists(self.lists.parent, bundle_version, lists_id)

    def current_id(self) -> str:
        return read_current(self.generations, self.name)

    def folder(self, generation_id: str) -> Path:
        return self.generations / generation_id

    def reader(self, generation_id: str) -> MemoryReader:
        return MemoryReader(self, generation_id)

    def write_members(self, generation_id: str, staging: Path, members: Iterable[tuple[str, Events]]) -> int:
        self.members[generation_id] = {(key := member_key(member_id)): pack_events(events, key) for member_id, events in members}
        return len(self.members[generation_id])

    def holds_members(self, generation_id: str) -> bool:
        return generation_id in self.members

    def written(self) -> set[str]:
        return set(self.members)

    def drop(self, generation_id: str) -> None:
        self.members.pop(generation_id, None)

    def overlay_through(self) -> int:
        return self._through

    def lay_over(self, entries: Sequence[Entry], through: int) -> None:
        for entry in entries:
            key = member_key(entry.member_id)
            self.overlay[key] = self.overlay.get(key, Laid.nothing()).with_entry(entry)
        self._through = max(self._through, through)

    def trim(self, through: int) -> int:
        trimmed = 0
        self.trimmed_through = through
        for key, laid in list(self.overlay.items()):
            left = laid.trimmed(through)
            trimmed += len(laid) - len(left)
            self.overlay[key] = left
            if left.is_nothing:
                del self.overlay[key]
        return trimmed

    def answers(self) -> bool:
        return True

    def close(self) -> None:
        pass

    async def aclose(self) -> None:
        pass
