"""What a night of lists says of itself: what it was made of, what was counted, its files with their digests; written when it is over."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from cellar_recommender.night.layout import SetAside
from cellar_shared.durable import write_durably
from cellar_shared.errors import BadInput

_SHOWN: Final = 5


class ListedPart(msgspec.Struct, frozen=True):
    """A Parquet file of the night, its SHA-256, and what it holds."""

    file: str
    sha256: str
    lists: int
    rows: int


class NightManifest(msgspec.Struct, frozen=True):
    """What a night was. All but `seconds` is the same however often it was interrupted.

    `members` = `computed` + `copied` + `forgotten` + those `set_aside`. `lists` is the id of what was written to the store.
    """

    format: int
    night: str
    bundle: str
    generation: str
    lists: str
    code: str
    data: str
    max_age_days: float
    precomputed_at: str
    members: int
    computed: int
    copied: int
    forgotten: int
    rows: int
    parts: list[ListedPart]
    set_aside: list[SetAside]
    seconds: float

    def text(self) -> str:
        """The night for a person."""
        told = f"{self.members:,} members: {self.computed:,} lists computed, {self.copied:,} stood"
        told += f", {self.forgotten:,} forgotten" if self.forgotten else ""
        lines = [f"{told}; {self.rows:,} rows, bundle {self.bundle}, generation {self.generation}, lists {self.lists}"]
        lines += [f"set aside {each.member_id}: {each.error}" for each in self.set_aside[:_SHOWN]]
        return "\n".join(lines)


def write_manifest(manifest: NightManifest, place: Path) -> None:
    """Write the manifest."""
    write_durably(place, msgspec.json.format(msgspec.json.encode(manifest), indent=2))


def read_manifest(file: Path) -> NightManifest:
    """The manifest in `file`; BadInput when it is none."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=NightManifest)
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(f"{file} tells of no night of lists ({error}); name the --out of `cellar score recommender`") from error
