"""Members' bottles out of table bottles, with the dates of a closed night beside them; `materialize --night` writes them.

What stands in the tables decides which bottles there are: one that came since the night has no dates yet, one that went, or whose
member was forgotten, is not there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from cellar_shared.ageing.curve import DATES
from cellar_shared.errors import BadInput
from cellar_shared.events.tables import DataFolder
from cellar_shared.store.cellars import UNKNOWN, Cellar

MANIFEST: Final = "night.json"
ROWS_AT_ONCE: Final = 262_144
_READ: Final = ("bottle_id", "member_id", "wine_id", "vintage", "size_ml", "state", "location", "bin")


class _Part(msgspec.Struct, frozen=True):
    part_digest: str
    bottles: str
    as_it_stood: str | None = None


class NightParts(msgspec.Struct, frozen=True):
    """What is read here of a night's manifest: the day, and which file has the rows of which part."""

    as_of: str
    parts: list[_Part]

    @classmethod
    def of(cls, night: Path) -> NightParts:
        """The closed night in the folder `night`; BadInput when it is none."""
        try:
            return msgspec.json.decode((night / MANIFEST).read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError) as error:
            raise BadInput(f"{night} holds no closed night ({error}); name the --out of `cellar score drinkability`") from error

    def digest(self) -> str:
        """One digest of what the night's rows are."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


def cellars_of(folder: DataFolder, night: Path) -> Iterator[tuple[str, Cellar]]:
    """Each member's bottles, some parts of a table's members more than once; BadInput when the folder has no table bottles."""
    parts = NightParts.of(night)
    # A night of the past has other bottles of a part than stand in it now: they are looked for.
    kept = {part.part_digest for part in parts.parts if part.as_it_stood is None}
    files = {part.part_digest: night / "bottles" / f"{part.bottles}.parquet" for part in parts.parts}
    digests = folder.manifest.tables["bottles"].parts if folder.parts("bottles") else {}
    others = [file for digest, file in files.items() if digest not in kept or digest not in digests.values()]
    for name, path in folder.parts("bottles").items():
        same = files[digests[name]] if digests[name] in kept else None
        bottles = pl.scan_parquet(path, glob=False).select(_READ).filter((pl.col("state") != "consumed").fill_null(True))
        rows = bottles.select(pl.len()).collect().item()
        for at in range(0, rows, ROWS_AT_ONCE):
            some = bottles.slice(at, ROWS_AT_ONCE).collect()
            if same is not None:  # the night left out the consumed too, and kept the order
                dates = pl.scan_parquet(same, glob=False).select(DATES).slice(at, ROWS_AT_ONCE).collect()
                dated = pl.concat([some, dates], how="horizontal")
            else:
                dated = _looked_up(some, others)
            yield from _by_member(dated)


def _looked_up(bottles: pl.DataFrame, files: list[Path]) -> pl.DataFrame:
    """The bottles with the dates that they have in one of `files`."""
    if not files:
        return bottles.with_columns(pl.lit(None, dtype=pl.Date).alias(name) for name in DATES)
    known = pl.scan_parquet(files, glob=False).select("bottle_id", *DATES).filter(pl.col("bottle_id").is_in(bottles["bottle_id"].implode()))
    return bottles.join(known.unique("bottle_id", keep="first").collect(), on="bottle_id", how="left", maintain_order="left")


def _by_member(rows: pl.DataFrame) -> Iterator[tuple[str, Cellar]]:
    numbers = ("vintage", "size_ml", *DATES)
    whole = rows.with_columns(
        pl.col(name).cast(pl.Int64 if name in numbers[:2] else pl.Int32).cast(pl.Int64).fill_null(UNKNOWN) for name in numbers
    ).with_columns(is_there=(pl.col("state") != "pending").fill_null(True))
    for (member_id,), own in whole.group_by("member_id", maintain_order=True):
        yield (
            str(member_id),
            Cellar(
                own["bottle_id"].to_list(),
                own["wine_id"].to_list(),
                own["location"].to_list(),
                own["bin"].to_list(),
                own["vintage"].to_numpy(),
                own["size_ml"].to_numpy(),
                own.select(DATES).to_numpy().T.astype("int64"),
                own["is_there"].to_numpy(),
            ),
        )
