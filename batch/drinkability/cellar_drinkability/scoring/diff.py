"""What has changed since the night before, bottle by bottle: `close` writes it and counts it.

A part that both nights have holds the same bottles in the same order, so its rows are compared where they stand. Only bottles of
other parts are looked for by their id, some of them at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from cellar_drinkability.scoring.layout import Folder
from cellar_drinkability.scoring.manifest import ListedPart
from cellar_drinkability.scoring.parquet import SLICE
from cellar_shared.ageing.curve import DATES
from cellar_shared.events.tables import dtypes_of

SEASON_DAYS: Final = 91
WITHIN: Final = ("early", "peak", "late")
KINDS: Final = ("new", "gone", "entered", "left", "moved")
SCHEMA: Final[dict[str, pl.DataType]] = {"bottle_id": pl.String(), "member_id": pl.String(), "change": pl.String()}
# What is kept of bottles that have gone names no member: it outlives a member's being forgotten.
GONE_SCHEMA: Final = {name: dtype for name, dtype in dtypes_of("night/bottles").items() if name != "member_id"}
BOTTLES_AT_ONCE: Final = 8 * SLICE
_COMPARED: Final = ("phase", *DATES)


@dataclass(frozen=True, slots=True)
class Side:
    """A night's rows: the folder they lie in and the parts that its manifest lists."""

    folder: Folder
    parts: list[ListedPart]

    def file(self, part: ListedPart) -> str:
        return str(self.folder.file("bottles", part.bottles))


def compared(before: Side, now: Side) -> Iterator[tuple[str, Iterator[pl.DataFrame]]]:
    """Frames of SCHEMA for each file to write, with what it is called after: a part's rows, or a bucket of the other parts."""
    # Of one part two nights of the past have other bottles: those that were there then.
    known = {(part.part_digest, part.as_it_stood): part for part in before.parts}
    same = [(known[part.part_digest, part.as_it_stood], part) for part in now.parts if (part.part_digest, part.as_it_stood) in known]
    for old, new in same:
        yield new.bottles, _in_place(before.file(old), now.file(new), old.curves == new.curves, new.rows)
    kept = {name for pair in same for name in (pair[0].bottles, pair[1].bottles)}
    left = [part for part in before.parts if part.bottles not in kept]
    added = [part for part in now.parts if part.bottles not in kept]
    buckets = -(-max(sum(part.rows for part in left), sum(part.rows for part in added)) // BOTTLES_AT_ONCE)
    for bucket in range(buckets):
        gone = _bucket([before.file(part) for part in left], bucket, buckets)
        come = _bucket([now.file(part) for part in added], bucket, buckets)
        yield f"others-{bucket}", iter([_joined(gone, come)])


def last_rows(before: Side, bottle_ids: pl.Series) -> Iterator[pl.DataFrame]:
    """The rows (GONE_SCHEMA) of `before` of these bottles, part by part: what had been said of them last, without whose they were."""
    for part in before.parts:
        rows = pl.scan_parquet(before.file(part), glob=False).filter(pl.col("bottle_id").is_in(bottle_ids.implode()))
        yield rows.select(list(GONE_SCHEMA)).collect(engine="streaming")


def _in_place(before: str, now: str, has_same_dates: bool, rows: int) -> Iterator[pl.DataFrame]:
    """Changes of a part that both nights have."""
    columns = ("phase",) if has_same_dates else _COMPARED
    scans = [pl.scan_parquet(file, glob=False) for file in (before, now)]
    step = 2 * SLICE
    for at in range(0, rows, step):
        old, new = (scan.select(columns).slice(at, step).collect() for scan in scans)
        pairs = pl.concat([old.rename({name: f"{name}_before" for name in columns}), new], how="horizontal")
        changes = pairs.select(change=_changes(not has_same_dates))["change"]
        some = changes.list.len() > 0
        if some.any():
            named = scans[1].select("bottle_id", "member_id").slice(at, step).collect()
            yield _exploded(named.with_columns(change=changes).filter(some))


def _bucket(files: list[str], bucket: int, buckets: int) -> pl.DataFrame:
    if not files:
        from_schema: dict[str, pl.DataType] = {"bottle_id": pl.String(), "member_id": pl.String(), "phase": pl.String()}
        return pl.DataFrame(schema=from_schema | dict.fromkeys(DATES, pl.Date()))
    rows = pl.scan_parquet(files, glob=False).select("bottle_id", "member_id", *_COMPARED)
    return rows.filter(pl.col("bottle_id").hash(11) % buckets == bucket).collect()


def _joined(before: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    before, now = before.unique("bottle_id", keep="first"), now.unique("bottle_id", keep="first")
    both = now.join(before, on="bottle_id", suffix="_before", nulls_equal=True).with_columns(change=_changes(with_dates=True))
    added = now.join(before, on="bottle_id", how="anti", nulls_equal=True).with_columns(change=pl.lit("new"))
    gone = before.join(now, on="bottle_id", how="anti", nulls_equal=True).with_columns(change=pl.lit("gone"))
    frames = [_exploded(both), *(each.select(list(SCHEMA)) for each in (added, gone))]
    return pl.concat(frames).sort("bottle_id", "change")


def _changes(with_dates: bool) -> pl.Expr:
    was, is_now = (pl.col(name).is_in(WITHIN).fill_null(False) for name in ("phase_before", "phase"))
    kinds = {"entered": ~was & is_now, "left": was & ~is_now}
    if with_dates:
        far = [(pl.col(name) - pl.col(f"{name}_before")).dt.total_days().abs() > SEASON_DAYS for name in DATES]
        kinds["moved"] = pl.any_horizontal(*far).fill_null(False)
    return pl.concat_list(pl.when(happened).then(pl.lit(kind)) for kind, happened in kinds.items()).list.drop_nulls()


def _exploded(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("change").list.len() > 0).explode("change").select(list(SCHEMA))
