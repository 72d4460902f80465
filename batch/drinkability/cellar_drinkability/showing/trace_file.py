"""Reads a thermometer's readings for `cellar curve --trace`: a CSV of times and degrees Celsius."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from cellar_shared.ageing.arrhenius import Floats
from cellar_shared.errors import BadInput

COLDEST_C, HOTTEST_C = -20.0, 60.0  # as in table storage
_MICROSECONDS_PER_DAY: Final = 86_400_000_000


def read_trace(file: Path) -> tuple[Floats, Floats]:
    """Days since 1970 in ascending order and degrees Celsius, (readings,) each, from the first two columns of a CSV with a header.

    Times are ISO 8601 (2024-07-03 14:00, or with a zone; without one UTC). BadInput names the line that cannot be read.
    """
    try:
        table = pl.read_csv(file, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise BadInput(f"{file}: cannot be read as CSV ({error}); expected a header and the columns time,temperature") from None
    if table.width < 2:
        raise BadInput(f"{file}: one column; expected a header and lines such as 2024-07-03 14:00,13.5")
    lines = table.select(pl.nth(0, 1)).rename({table.columns[0]: "time", table.columns[1]: "temperature"}).with_row_index("line", 2)
    lines = lines.filter(pl.col("time").is_not_null() | pl.col("temperature").is_not_null())
    if lines.is_empty():
        raise BadInput(f"{file}: no readings; expected a header and lines such as 2024-07-03 14:00,13.5")
    moment = pl.col("time").str.strip_chars().str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    read = lines.with_columns(
        at=moment.dt.epoch("us") / _MICROSECONDS_PER_DAY, c=pl.col("temperature").str.strip_chars().cast(pl.Float64, strict=False)
    )
    for name, column in (("time", "at"), ("temperature", "c")):
        for line, said in read.filter(pl.col(column).is_null()).select("line", name).head(1).iter_rows():
            raise BadInput(f"{file}:{line}: {said!r} is no {name}; expected ISO 8601 times and degrees Celsius with a point")
    rows = read.sort("at")
    odd = rows.filter(~pl.col("c").is_between(COLDEST_C, HOTTEST_C))
    if odd.height:
        raise BadInput(
            f"{file}:{odd['line'][0]}: {odd['c'][0]:g} is no cellar's temperature; expected {COLDEST_C:g} to {HOTTEST_C:g} Celsius"
        )
    rows = rows.unique(["at", "c"], maintain_order=True)
    twice = rows.filter(pl.col("at").is_duplicated())
    if twice.height:
        raise BadInput(f"{file}:{twice['line'][1]}: another temperature at the moment of line {twice['line'][0]}; keep one of the two")
    return rows["at"].to_numpy(), rows["c"].to_numpy()
