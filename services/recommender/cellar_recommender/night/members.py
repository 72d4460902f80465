"""Who gets a list: every member of the data, cut into parts by key, so that a part's members are in memory and never all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from cellar_shared.durable import staged_folder
from cellar_shared.events.tables import DataFolder
from cellar_shared.store.port import member_key

TABLES: Final = ("ratings", "bottles", "preferences")  # who rated, who owns, who hid something
MEMBERS_A_PART: Final = 4096  # about a minute's work: what a kill costs (judgement)


def parts_for(members: int) -> int:
    """Into how many parts so many members are cut."""
    return max(1, -(-members // MEMBERS_A_PART))


def write_members(data: DataFolder, folder: Path, parts: int) -> None:
    """Write each part's members to `folder`, whole or not at all: files 00000, 00001, ... with each id once, by key.

    In memory are the members of one file of the data, then those of one part.
    """
    with staged_folder(folder) as staging:
        files = [staging / f"{part:05d}" for part in range(parts)]
        for file in files:
            file.touch()
        for table in TABLES:
            if table in data.manifest.tables:
                for source in data.parts(table).values():
                    found = pl.scan_parquet(source, glob=False).select(pl.col("member_id").drop_nulls().unique()).collect()
                    _append(files, found["member_id"])
        for file in files:
            once = sorted(set(read_members(file)), key=member_key)
            file.write_bytes(_lines(once))


def read_members(file: Path) -> list[str]:
    """The ids in a part's file."""
    return [msgspec.json.decode(line, type=str) for line in file.read_bytes().splitlines()]


def count_members(file: Path) -> int:
    """How many they are."""
    return file.read_bytes().count(b"\n")


def _append(files: list[Path], member_ids: Iterable[str]) -> None:
    by_part: dict[int, list[str]] = defaultdict(list)
    for member_id in member_ids:
        by_part[int.from_bytes(member_key(member_id)[:4], "big") * len(files) >> 32].append(member_id)
    for part, some in by_part.items():
        with files[part].open("ab") as stream:
            stream.write(_lines(some))


def _lines(member_ids: Iterable[str]) -> bytes:
    return b"".join(msgspec.json.encode(member_id) + b"\n" for member_id in member_ids)
