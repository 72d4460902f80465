"""Precomputed lists of one bundle, beside the generations: written whole in the night, opened by serving, swapped on their own.

They lie in `lists/BUNDLE/ID/`, and `lists/BUNDLE/CURRENT` names those in use, so that they come to many machines the way generations do.
A list made before its member was forgotten is never read: readers compare positions, `materialize` deletes the whole.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Self

import msgspec

from cellar_shared.durable import staged_folder, write_durably
from cellar_shared.errors import BadInput
from cellar_shared.store.generation import GenerationManifest, Known
from cellar_shared.store.generation_folders import listed, written_alone
from cellar_shared.store.keyed_values import KeyedValues, KeyedWriter
from cellar_shared.store.list_packing import MemberList, pack, unpack
from cellar_shared.store.lists_folders import FORMAT, MEMBERS, ListsManifest, lists_manifest_in, point_lists, remove_lists
from cellar_shared.store.manifests import MANIFEST, file_digest
from cellar_shared.store.packing import Garbled
from cellar_shared.store.port import KEY_BYTES, Store

logger = logging.getLogger("cellar.store")


@dataclass(frozen=True, slots=True)
class Lists:
    """The opened lists of a bundle."""

    manifest: ListsManifest
    packed: KeyedValues

    @classmethod
    def open(cls, store: Store, bundle_version: str, lists_id: str) -> Self:
        """Open the bundle's lists of that id; BadInput or Incompatible when they are not there, damaged, or of another format."""
        folder = store.lists_folder(bundle_version, lists_id)
        return cls(lists_manifest_in(folder), KeyedValues.mapped(folder / MEMBERS))

    @classmethod
    def open_current(cls, store: Store, bundle_version: str) -> Self | None:
        """Open the bundle's lists in use; None where it has none. Errors as for `open`."""
        current = lists_id(store, bundle_version)
        return None if current is None else cls.open(store, bundle_version, current)

    def of(self, key: bytes) -> MemberList | None:
        """The list of the member with `key`; None where there is none, or one that is damaged. Serving asks `of_known`."""
        values = self.packed.of(key)
        try:
            return unpack(values[-1], key) if values else None
        except Garbled as error:
            logger.error("a list of bundle %s is damaged and is not read: %s", self.manifest.bundle, error)
            return None

    def of_known(self, known: Known) -> MemberList | None:
        """As `of`, for whom a generation knows: None for who was forgotten since the lists were made."""
        return None if known.forgotten_at > self.manifest.overlay_through else self.of(known.key)


class ListsWriter:
    """Takes in lists while they are being written, by `writing_lists`; `manifest` says what was sealed, once it is."""

    manifest: ListsManifest | None = None

    def __init__(self, values: KeyedWriter) -> None:
        self._values = values
        self.members = 0

    def add(self, key: bytes, made: MemberList) -> None:
        """Write the list of the member with `key`; each member once, in any order. ValueError as for `pack`."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"{key!r} is no member's key")
        self._values.add(key, pack(made, key))
        self.members += 1


@contextmanager
def writing_lists(store: Store, bundle_version: str, generation: GenerationManifest, precomputed_at: int) -> Iterator[ListsWriter]:
    """Write the lists that a bundle made of a generation, at `precomputed_at` (microseconds since 1970 UTC); they are in use when the
    block ends well, and leave no trace when it does not.

    One runs at a time for a bundle; another waits for it. BadInput at the end when the generation is gone by then: `materialize` deletes
    one that may hold somebody who was forgotten, and lists made of it would show them.
    """
    folder = store.lists / bundle_version
    written_of = f"{FORMAT} {bundle_version} {generation.id} {precomputed_at}"
    identity = hashlib.sha256(written_of.encode()).hexdigest()[:16]
    with written_alone(folder), ExitStack() as held:
        with staged_folder(folder / identity) as staging:
            with KeyedWriter(staging / MEMBERS) as values:
                writer = ListsWriter(values)
                yield writer
            # Held until they are in use: so `materialize` sees these lists, or they see what it deleted.
            held.enter_context(written_alone(store.generations))
            if generation.id not in listed(store.generations):
                raise BadInput(
                    f"generation {generation.id}, of which these lists were made, is gone from {store.name}; "
                    "make them of the current one: run `cellar score recommender` again"
                )
            writer.manifest = ListsManifest(
                format=FORMAT,
                id=identity,
                bundle=bundle_version,
                generation=generation.id,
                precomputed_at=precomputed_at,
                overlay_through=generation.overlay_through,
                journal_through=generation.journal_through,
                members=writer.members,
                files={f"{MEMBERS}/{file.name}": file_digest(file) for file in sorted((staging / MEMBERS).iterdir())},
            )
            write_durably(staging / MANIFEST, msgspec.json.format(msgspec.json.encode(writer.manifest), indent=2))
        before = point_lists(folder, identity)  # they stay for services that have yet to swap
        for each in listed(folder):
            if each not in (identity, before):
                remove_lists(store.lists, bundle_version, each)


def lists_id(store: Store, bundle_version: str) -> str | None:
    """The id of the bundle's lists in use; None where it has none. CellarError when the store cannot tell now."""
    return store.current_lists(bundle_version)
