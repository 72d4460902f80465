"""Writes one part of a table slice by slice, for whoever has larger parts than memory; Polars itself writes whole frames alone."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from cellar_shared.events.tables import conformed, synced_digest


def write_slices(file: Path, table: str, slices: Iterable[pl.DataFrame]) -> tuple[int, str]:
    """Write the rows of all `slices` (at least one) as one part of `table`, a row group for each: how many rows, and its digest."""
    file.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with ExitStack() as stack:
        writer = None
        for rows in slices:
            ready = conformed(table, rows).to_arrow(compat_level=pl.CompatLevel.oldest())
            writer = writer or stack.enter_context(pq.ParquetWriter(file, ready.schema, compression="zstd"))
            writer.write_table(ready)
            written += rows.height
    return written, synced_digest(file)
