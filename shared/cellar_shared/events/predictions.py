"""Reads the prediction log for monitoring and training; the services write it (`telemetry/predictions`)."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from cellar_shared.errors import BadInput
from cellar_shared.events.tables import dtypes_of, schema_of

_AS_WRITTEN = "%Y-%m-%dT%H:%M:%S%.fZ"


def read_predictions(folder: Path) -> pl.LazyFrame:
    """The log's rows by table predictions' schema, in no order; BadInput where there is no folder.

    Sealed files are scanned lazily. Of a file that is still being written, or that a crash left, the whole lines count.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder of a prediction log; name the one that a service was given with --prediction-log")
    dtypes = dtypes_of("predictions")
    moments = [name for name, dtype in dtypes.items() if isinstance(dtype, pl.Datetime)]
    as_text = {name: pl.String() if name in moments else dtype for name, dtype in dtypes.items()}
    frames = [pl.LazyFrame(schema=as_text)]
    # Open ones first: one that is sealed in between is read twice rather than missed; the table's key tells.
    for file in sorted(folder.glob("predictions-*.jsonl.open")):
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            continue
        if whole := content[: content.rfind(b"\n") + 1]:
            frames.append(pl.read_ndjson(whole, schema=as_text).lazy())
    sealed = sorted(folder.glob("predictions-*.jsonl"))
    if sealed:
        frames.append(pl.scan_ndjson(sealed, schema=as_text))
    return (
        pl.concat(frames)
        .with_columns(pl.col(moments).str.to_datetime(_AS_WRITTEN, time_unit="us", time_zone="UTC"))
        .unique(schema_of("predictions")["x-key"])
    )
