"""The model's answers per distinct wine facts and vintage, each computed once and kept on disk; the curves of a part read them.

What is kept is a cache: any part of it may be deleted, two processes may compute the same answer, and no answer depends on what is
there, because the model always runs on batches of one size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final, Protocol

import msgspec
import numpy as np
import polars as pl

from cellar_drinkability.scoring.parquet import written
from cellar_shared.ageing.curve import Curves
from cellar_shared.events.tables import dtypes_of

# All that a model is told of a wine, besides its vintage; a catalogue may lack any of them.
FACTS: Final = ("type", "country", "region", "province", "producer", "grapes", "price", "points")
SAID: Final = ("type", "country", "region", "grapes")  # without any of them a wine has no facts
# One size for every call: how many rows share a call moves a network's last bits.
BATCH: Final = 1024
WINES_AT_ONCE: Final = 65_536
PAIRS_AT_ONCE: Final = 16 * BATCH
ANSWERS: Final = {"facts": pl.UInt64(), "year": pl.Int32(), "m1": pl.Float64(), "s1": pl.Float64(), "m2": pl.Float64(), "s2": pl.Float64()}
FACT_SCHEMA: Final = {"wine_id": pl.String(), "facts": pl.UInt64(), "is_sparkling": pl.Boolean(), "has_facts": pl.Boolean()}
# Stands for the facts of a wine that the catalogue lacks.
NO_WINE: Final = 0


class Version(Protocol):
    """What a bundle's manifest says that a night needs."""

    @property
    def version(self) -> str: ...


class Model(Protocol):
    """What a night asks of a drinkability model."""

    @property
    def manifest(self) -> Version: ...

    def windows(self, facts: pl.DataFrame) -> Curves:
        """One window per row of wine facts with their vintage."""


def digested(wines: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """The catalogue as FACT_SCHEMA: a digest of each wine's facts, and what physics and reasons need of them."""
    columns = wines.collect_schema()
    dtypes = dtypes_of("wines")
    lacking = [pl.lit(None, dtype=dtypes.get(name, pl.String())).alias(name) for name in FACTS if name not in columns]
    for some in wines.with_columns(lacking).select("wine_id", *FACTS).collect_batches(chunk_size=WINES_AT_ONCE, maintain_order=True):
        kind = pl.col("type").str.to_lowercase()
        yield some.select(
            "wine_id",
            pl.Series("facts", [_digest(row) for row in some.select(FACTS).iter_rows()], dtype=pl.UInt64()),
            is_sparkling=(kind.str.contains("sparkling") | kind.str.contains("champagne")).fill_null(False),
            has_facts=pl.any_horizontal(
                *(pl.col(name).is_not_null() for name in SAID if name != "grapes"), pl.col("grapes").list.len().fill_null(0) > 0
            ),
        )


def _digest(row: tuple[object, ...]) -> int:
    digest = blake2b(msgspec.json.encode(row), digest_size=8, person=b"wine facts").digest()
    return int.from_bytes(digest, "little") or 1


@dataclass(frozen=True, slots=True)
class Answers:
    """A model's windows: `table` (ANSWERS) holds those asked for; `computed` is how many the model had to compute for it."""

    table: pl.DataFrame
    computed: int

    @classmethod
    def of(cls, model: Model, wines: pl.LazyFrame, facts: Path, pairs: pl.DataFrame, cache: Path, name: str) -> Answers:
        """The answers to `pairs` (distinct facts and year), out of `cache` or computed and then kept there under `name`.

        `facts` is the file of what `digested` made of `wines`, the catalogue.
        """
        known = _known(cache, pairs)
        missing = pairs.join(known, on=["facts", "year"], how="anti", nulls_equal=True, maintain_order="left")
        if not missing.height:
            return cls(known, 0)
        found = pl.concat(_computed(model, wines, facts, missing))
        written(cache / f"{name}.parquet", dict(ANSWERS), iter([found]))
        return cls(pl.concat([known, found]), missing.height)


def _known(cache: Path, pairs: pl.DataFrame) -> pl.DataFrame:
    frames = [pl.DataFrame(schema=ANSWERS)]
    left = pairs
    for file in sorted(cache.glob("*.parquet")):
        found = pl.scan_parquet(file, glob=False).join(left.lazy(), on=["facts", "year"], how="semi", nulls_equal=True).collect()
        left = left.join(found, on=["facts", "year"], how="anti", nulls_equal=True, maintain_order="left")
        frames.append(found)
        if not left.height:
            break
    return pl.concat(frames)


def _computed(model: Model, wines: pl.LazyFrame, facts: Path, missing: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """ANSWERS to `missing`, wine by wine, some wines at a time."""
    for some in missing["facts"].unique().sort().to_frame().iter_slices(WINES_AT_ONCE):
        # Of wines with equal facts any stands for all.
        wine_of = pl.scan_parquet(facts, glob=False).select("facts", "wine_id").join(some.lazy(), on="facts", how="semi")
        named = wine_of.unique("facts", keep="first", maintain_order=True).collect()
        told = [name for name in ("wine_id", *FACTS) if name in wines.collect_schema()]
        known = wines.select(told).filter(pl.col("wine_id").is_in(named["wine_id"].implode())).collect()
        about = named.join(known, on="wine_id", how="left", maintain_order="left").drop("wine_id")
        pairs = missing.join(some, on="facts", how="semi", maintain_order="left")
        for pair in pairs.iter_slices(PAIRS_AT_ONCE):
            asked = pair.rename({"year": "vintage"}).join(about, on="facts", how="left", maintain_order="left")
            curves = answers(model, asked.drop("facts"))
            yield pair.with_columns(m1=curves.m1, s1=curves.s1, m2=curves.m2, s2=curves.s2)


def answers(model: Model, facts: pl.DataFrame) -> Curves:
    """The model's windows, computed in batches of BATCH rows whatever the number of rows; the last one is filled up with its first row."""
    parts = []
    for batch in facts.iter_slices(BATCH):
        short = BATCH - batch.height
        windows = model.windows(pl.concat([batch, *[batch.head(1)] * short]) if short else batch)
        parts.append([values[: batch.height] for values in (windows.m1, windows.s1, windows.m2, windows.s2)])
    if not parts:
        return Curves(*(np.empty(0) for _ in range(4)))
    return Curves(*(np.concatenate(values) for values in zip(*parts, strict=True)))
