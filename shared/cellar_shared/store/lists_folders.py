"""Where the lists of bundles lie, what they say of themselves, which are in use, and how they go."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from cellar_shared.durable import sync_folder, write_durably
from cellar_shared.errors import BadInput, Incompatible
from cellar_shared.store.generation_folders import CURRENT, listed
from cellar_shared.store.manifests import decoded_manifest, require_files, verify_digests

FOLDER: Final = "lists"
MEMBERS: Final = "members"
FORMAT: Final = 1
_AGAIN: Final = "run `cellar score recommender` again"
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ListsManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the lists of a bundle say of themselves. Moments are microseconds since 1970 UTC.

    They were made of `generation`, whose `overlay_through` and `journal_through` these are; single ones may be older than
    `precomputed_at`: what did not change is copied.
    """

    format: int
    id: str
    bundle: str
    generation: str
    precomputed_at: int
    overlay_through: int
    journal_through: int
    members: int
    files: dict[str, str]


def lists_manifest_in(folder: Path) -> ListsManifest:
    """The manifest in `folder`; BadInput or Incompatible when this code cannot read it."""
    return decoded_manifest(folder, ListsManifest, FORMAT, _AGAIN)


def current_file(bundle_version: str) -> str:
    """The file that names the bundle's lists in use, below the store's root; BadInput for what is no version."""
    if not _ID.fullmatch(bundle_version):
        raise BadInput(f"{bundle_version!r} is no version of a bundle; take it from the bundle's manifest.json")
    return f"{FOLDER}/{bundle_version}/{CURRENT}"


def lists_named_in(content: bytes | None) -> str | None:
    """The id in the `content` of a bundle's CURRENT; None where there is none. BadInput when it is no id."""
    if content is None:
        return None
    named = content.decode("utf-8", "replace").strip()
    if not _ID.fullmatch(named):
        raise BadInput(f"CURRENT of a bundle's lists names none; {_AGAIN}")
    return named


def read_current_lists(root: Path, bundle_version: str) -> str | None:
    """The id of the bundle's lists in use in the store's folder `root`; None where it has none."""
    try:
        return lists_named_in((root / current_file(bundle_version)).read_bytes())
    except FileNotFoundError:
        return None


def verified_lists(root: Path, bundle_version: str, lists_id: str) -> Path:
    """The folder of the bundle's lists of that id, every file compared with its digest; BadInput when one is missing or damaged."""
    folder = root / FOLDER / bundle_version / lists_id
    files = lists_manifest_in(folder).files
    require_files(folder, files, _AGAIN)
    verify_digests(folder, files, _AGAIN)
    return folder


def all_lists(lists: Path) -> Iterator[tuple[str, str]]:
    """The bundles' versions and ids of all lists there are."""
    for bundle_version in listed(lists):
        for lists_id in listed(lists / bundle_version):
            yield bundle_version, lists_id


def point_lists(folder: Path, lists_id: str) -> str | None:
    """Make the lists of that id the ones in use among those in a bundle's `folder`; which were before."""
    current = folder / CURRENT
    before = current.read_text("utf-8").strip() if current.is_file() else None
    write_durably(current, f"{lists_id}\n".encode())
    return before


def remove_lists(lists: Path, bundle_version: str, lists_id: str) -> None:
    """Delete lists, first that they are in use. Who has them mapped keeps what is mapped, until told by CURRENT."""
    current = lists / bundle_version / CURRENT
    if current.is_file() and current.read_text("utf-8").strip() == lists_id:
        current.unlink()
        sync_folder(current.parent)
    shutil.rmtree(lists / bundle_version / lists_id, ignore_errors=True)


def journal_through_of(lists: Path, bundle_version: str, lists_id: str) -> int:
    """Up to which position of the journal the lists know who was forgotten; 0 where they cannot be read: those may hold anybody."""
    try:
        return lists_manifest_in(lists / bundle_version / lists_id).journal_through
    except (BadInput, Incompatible):
        return 0
