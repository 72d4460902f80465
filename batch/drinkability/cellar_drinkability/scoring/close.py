"""The last step of a night: reconciles what was read with what was written, compares with the night before, lists what counts."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_drinkability.scoring import diff
from cellar_drinkability.scoring.diff import Side, compared, last_rows
from cellar_drinkability.scoring.inputs import Inputs
from cellar_drinkability.scoring.layout import MANIFEST, Broken, Folder, Part, Receipt, closing_fingerprint, name_of
from cellar_drinkability.scoring.manifest import (
    FORMAT,
    Changes,
    ListedPart,
    NightManifest,
    phase_shares,
    read_manifest,
    reason_shares,
)
from cellar_drinkability.scoring.pacing import write_pace
from cellar_drinkability.scoring.parquet import written
from cellar_drinkability.scoring.part import digest_of
from cellar_drinkability.scoring.rows import Counts
from cellar_shared.errors import CellarError

IntArray = npt.NDArray[np.int64]
_TABLES: Final = ("bottles", "curves", "pace", "changes", "broken")


def closed(inputs: Inputs, previous: Path | None, *, say: Callable[[str], None]) -> NightManifest:
    """The manifest of the night, its times empty; nothing of it is written but what has changed.

    `previous` is the folder of the night before; without one it is looked for in this folder and beside it. CellarError when what
    was written does not add up to what was read.
    """
    folder = Folder(Path(inputs.terms.out))
    listed: list[ListedPart] = []
    receipts: list[Receipt] = []
    aside: list[Broken] = []
    for part in inputs.parts:
        name = inputs.terms.bottles_name(part)
        receipt = folder.receipt(name)
        if receipt is None:
            aside.append(folder.broken(name) or Broken(part.name, part.digest, "it was not scored; run step score"))
            continue
        receipts.append(receipt)
        listed.append(_listed(folder, name, part, receipt))
    before = _night_before(folder, inputs.terms.as_of, previous)
    changes = None if before is None else _changes(before, Side(folder, listed), inputs.terms.as_of)
    none = Counts.none()
    slices = [folder.curves_receipt(part.curves) for part in listed]
    return NightManifest(
        format=FORMAT,
        as_of=inputs.terms.as_of,
        bundle=inputs.terms.bundle_version,
        code=inputs.terms.code,
        inputs=inputs.terms.inputs,
        rows_in=sum(part.rows_in for part in listed),
        consumed=sum(part.consumed for part in listed),
        rows=sum(part.rows for part in listed),
        curves=sum(sum(each.slices) for each in slices if each),
        phases=phase_shares(_sums(none.phases, [receipt.phases for receipt in receipts])),
        reasons=reason_shares(_sums(none.reasons, [receipt.reasons for receipt in receipts])),
        parts=listed,
        set_aside=aside,
        changes=changes,
        pace=write_pace(inputs, folder, {part.part for part in listed}),
        times={},
    )


def _listed(folder: Folder, name: str, part: Part, receipt: Receipt) -> ListedPart:
    """The part as the manifest lists it, once what it holds is what was counted, and on disk."""
    file = folder.file("bottles", name)
    held = pl.scan_parquet(file, glob=False).select(pl.len()).collect().item()
    read = pl.scan_parquet(part.path, glob=False).select(pl.len()).collect().item()
    if not (held == receipt.rows and read == receipt.rows_in == receipt.rows + receipt.consumed):
        raise CellarError(
            f"{part.name} does not add up: {read:,} bottles read, {receipt.consumed:,} consumed, {held:,} rows in {file.name}; "
            f"delete {file} and score again"
        )
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return ListedPart(
        part=part.name,
        part_digest=part.digest,
        bottles=name,
        curves=receipt.curves,
        sha256=digest_of(file),
        bytes=receipt.bytes,
        rows_in=receipt.rows_in,
        consumed=receipt.consumed,
        rows=receipt.rows,
        as_it_stood=part.as_it_stood,
    )


def _sums(empty: IntArray, counts: list[list[int]]) -> list[int]:
    return [int(each) for each in np.array([empty, *counts], np.int64).sum(axis=0)]


def _night_before(folder: Folder, as_of: date, previous: Path | None) -> tuple[NightManifest, Folder] | None:
    """The night to compare with: the one named, else the last one before `as_of` in this folder, else in one beside it."""
    if previous is not None:
        return read_manifest(previous / MANIFEST), Folder(previous)
    own = [(file, folder) for file in (folder.path / "nights").glob("*.json")]
    beside = [
        (file, Folder(file.parent)) for file in folder.path.absolute().parent.glob(f"*/{MANIFEST}") if file.parent.name != folder.path.name
    ]
    for found in (own, beside):
        nights = []
        for file, place in found:
            try:
                nights.append((read_manifest(file), place))
            except CellarError:
                continue
        if earlier := [night for night in nights if night[0].as_of < as_of and _stands(*night)]:
            return max(earlier, key=lambda night: night[0].as_of)
    return None


def _stands(night: NightManifest, folder: Folder) -> bool:
    """Are the night's rows still there? Manifests stay longer."""
    return all(folder.file("bottles", part.bottles).is_file() for part in night.parts)


def _changes(before: tuple[NightManifest, Folder], now: Side, as_of: date) -> Changes:
    night, place = before
    side = Side(place, night.parts)
    counts = dict.fromkeys(diff.KINDS, 0)
    files, kept = [], []
    for called, frames in compared(side, now):
        name = name_of("changes", called, str(night.as_of), str(as_of), *(part.bottles for part in night.parts), closing_fingerprint())
        file = now.folder.file("changes", name)
        written(file, dict(diff.SCHEMA), frames)
        for kind, bottles in pl.scan_parquet(file, glob=False).group_by("change").len().collect().iter_rows():
            counts[kind] += bottles
        files.append(name)
        gone = pl.scan_parquet(file, glob=False).filter(pl.col("change") == "gone").select("bottle_id").collect().to_series()
        if len(gone):
            written(now.folder.file("gone", name), diff.GONE_SCHEMA, last_rows(side, gone))
            kept.append(name)
    return Changes(night.as_of, counts, files, kept)


def prune(folder: Folder, as_of: date, keep: int, also: set[str]) -> int:
    """Delete what is listed neither by the night of `as_of` nor by the last `keep` nights, nor named by `also`; how many files went.

    Manifests stay, and so does what had been said of bottles that have gone: labels come years later.
    """
    own = folder.night(as_of)
    others = sorted((file for file in own.parent.glob("*.json") if file != own), reverse=True)
    manifests = [own, *others]
    wanted = set(also)
    for file in manifests[:keep]:
        night = read_manifest(file)
        for part in night.parts:
            wanted |= {part.bottles, part.curves}
        wanted |= {*night.pace, *(night.changes.files if night.changes else ())}
    gone = 0
    for table in _TABLES:
        for file in (folder.path / table).glob("[!.]*"):
            if file.name.partition(".")[0] not in wanted:
                file.unlink(missing_ok=True)
                gone += 1
    return gone
