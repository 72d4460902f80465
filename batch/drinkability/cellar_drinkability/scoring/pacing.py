"""Writes table night/pace part by part: each member's lots whole, also where their bottles lie in several parts; `close` calls it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl

from cellar_drinkability.scoring.inputs import Inputs
from cellar_drinkability.scoring.layout import Folder, closing_fingerprint, name_of
from cellar_drinkability.scoring.pace import LOT, SCHEMA, pace_of
from cellar_drinkability.scoring.parquet import SLICE, written

_READ: Final = (*LOT, "state", "window_from", "window_to", "window_source")
BOTTLES_AT_ONCE: Final = 2 * SLICE


def write_pace(inputs: Inputs, folder: Folder, parts: set[str]) -> list[str]:
    """The names of the files of table pace for the members of `parts`, written where they do not stand.

    Lots without a stated window have no pace: a part in which no window is stated has no file.
    """
    used = [part for part in inputs.parts if part.name in parts]
    if not any(_states_windows(part.path) for part in used):
        return []
    spread = _in_several([part.path for part in used])
    as_of = inputs.terms.as_of
    which = hashlib.sha256(spread.to_numpy().tobytes()).hexdigest()
    names = []
    for part in used:
        name = name_of("pace", part.digest, str(as_of), closing_fingerprint(), which)
        lots = _in_turn([part.path], ~_hashed().is_in(spread.implode()))
        names.append((name, (pace_of(some, as_of) for some in lots)))
    if len(spread):
        name = name_of("pace of members in several parts", *(part.digest for part in used), str(as_of), closing_fingerprint())
        lots = _in_turn([part.path for part in used], _hashed().is_in(spread.implode()))
        names.append((name, (pace_of(some, as_of) for some in lots)))
    for name, frames in names:
        if not folder.file("pace", name).is_file():
            written(folder.file("pace", name), dict(SCHEMA), frames)
    return [name for name, _ in names]


def _hashed() -> pl.Expr:
    return pl.col("member_id").hash(17)


def _in_several(files: list[str]) -> pl.Series:
    """Hashes of the members that have bottles in several files, and of the few that share one's: 8 bytes a member are held."""
    members = [pl.scan_parquet(file, glob=False).select(_hashed().unique()).collect().to_series().to_numpy() for file in files]
    hashes, files_of = np.unique(np.concatenate(members), return_counts=True)
    return pl.Series(hashes[files_of > 1], dtype=pl.UInt64)


def _states_windows(file: str) -> bool:
    stated = pl.col("window_from").is_not_null() & pl.col("window_to").is_not_null()
    return bool(pl.scan_parquet(file, glob=False).select(stated.any()).collect().item())


def _in_turn(files: list[str], chosen: pl.Expr) -> Iterator[pl.DataFrame]:
    """The chosen members' bottles, some whole members at a time."""
    rows = pl.scan_parquet(files, glob=False).select(_READ).filter(chosen)
    buckets = -(-rows.select(pl.len()).collect().item() // BOTTLES_AT_ONCE)
    for bucket in range(buckets):
        yield rows.filter(pl.col("member_id").hash(13) % buckets == bucket).collect()
