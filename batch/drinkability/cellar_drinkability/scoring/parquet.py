"""Writes a Parquet file frame by frame, whole or not at all, the same bytes for the same frames; every step of the night calls it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import polars as pl
from polars.io.plugins import register_io_source

# Bottles that are held in memory at a time, and rows of a row group: two workers and who watches them stay within 500 MiB.
SLICE: Final = 131_072


@contextmanager
def scratch_beside(file: Path) -> Iterator[Path]:
    """A name beside `file` to write to: what is there at the block's end stands at `file`; after an error nothing does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    os.close(handle)
    place = Path(name)
    try:
        yield place
        place.chmod(0o644)
        place.replace(file)
    except BaseException:
        place.unlink(missing_ok=True)
        raise


def written(file: Path, schema: dict[str, pl.DataType], frames: Iterator[pl.DataFrame]) -> None:
    """Write `frames` (of `schema`) to `file`, zstd at level 1, in row groups of SLICE rows, holding one frame at a time.

    Without statistics: a night is read whole, or a member at a time out of the store, and they take a tenth of the time.
    """
    failed: list[BaseException] = []

    def source(*_: object) -> Iterator[pl.DataFrame]:
        try:
            for frame in frames:
                if frame.height:
                    yield frame
        except BaseException as error:
            failed.append(error)
            raise

    with scratch_beside(file) as scratch:
        try:
            register_io_source(source, schema=schema).sink_parquet(
                scratch, compression="zstd", compression_level=1, row_group_size=SLICE, statistics=False
            )
        except BaseException:
            if failed:
                raise failed[0] from None  # Polars gives an error of the frames' own a name of its own
            raise
