"""Made-up bottles of any number for the bench, written in parts: members with a place each, lots of one to seven bottles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_shared.events.tables import DataWriter

PART_ROWS: Final = 500_000
BOTTLES_A_MEMBER: Final = 60
CONSUMED: Final = 0.05
_TYPES: Final = ("Red", "Red", "Red", "White", "White", "Rosé", "Sparkling")


def make_data(out: Path, rows: int, wines: int, seed: int, tell: Callable[[int], None]) -> None:
    """Write a data folder of `rows` bottles of `wines` wines; `tell` is called with the rows of each part."""
    with DataWriter(out, "bench", "1-5", "bench") as writer:
        writer.add("wines", wines_of(wines, seed))
        for number, first in enumerate(range(0, rows, PART_ROWS)):
            count = min(PART_ROWS, rows - first)
            draw = np.random.default_rng([seed, 1, number])
            members = max(count // BOTTLES_A_MEMBER, 1)
            member = np.arange(members) + number * (PART_ROWS // BOTTLES_A_MEMBER + 1)
            writer.add("storage", _places(member, draw))
            writer.add("bottles", _bottles(first, count, member, wines, draw))
            tell(count)


def wines_of(wines: int, seed: int) -> pl.DataFrame:
    """The catalogue."""
    draw = np.random.default_rng([seed, 0])
    number = pl.int_range(wines, eager=True)
    frame = pl.DataFrame({"number": number, "kind": draw.choice(_TYPES, wines), "cents": draw.integers(500, 20_000, wines)})
    return frame.select(
        wine_id=pl.format("w{}", "number"),
        name=pl.format("Wine {}", "number"),
        producer=pl.format("Winery {}", pl.col("number") // 7),
        type="kind",
        country=pl.format("Country {}", pl.col("number") % 23),
        region=pl.format("Region {}", pl.col("number") % 701),
        grapes=pl.concat_list(pl.format("Grape {}", pl.col("number") % 127)),
        **dict.fromkeys(("abv", "body", "acidity"), pl.lit(None, dtype=pl.Float64)),
        price=pl.col("cents") / 100,
        currency=pl.lit("EUR"),
        source=pl.lit("bench"),
    )


def _places(member: npt.NDArray[np.int64], draw: np.random.Generator) -> pl.DataFrame:
    is_seasonal = draw.random(len(member)) < 0.3
    frame = pl.DataFrame({"member": member, "mean_c": draw.normal(14, 2.5, len(member)).round(1), "seasonal": is_seasonal})
    return frame.select(
        storage_id=pl.format("s{}", "member"),
        member_id=pl.format("m{}", "member"),
        kind=pl.when("seasonal").then(pl.lit("seasonal")).otherwise(pl.lit("constant")),
        mean_c="mean_c",
        amplitude_c=pl.when("seasonal").then(pl.Series(draw.uniform(0.5, 6, len(member)).round(1))),
        at=pl.lit(None),
        temperature_c=pl.lit(None),
    )


def _bottles(first: int, count: int, member: npt.NDArray[np.int64], wines: int, draw: np.random.Generator) -> pl.DataFrame:
    sizes = draw.integers(1, 8, count)
    lots = int(np.searchsorted(np.cumsum(sizes), count)) + 1
    lot = np.repeat(np.arange(lots), sizes[:lots])[:count]
    vintage = draw.integers(1985, 2025, lots)
    frame = pl.DataFrame(
        {
            "bottle": np.arange(first, first + count),
            "member": np.sort(draw.choice(member, lots))[lot],
            "wine": (wines * draw.random(lots) ** 2).astype(np.int64)[lot],  # some wines are in many cellars
            "vintage": vintage[lot],
            "size_ml": draw.choice([375, 750, 1500], lots, p=[0.03, 0.9, 0.07])[lot],
            "acquired": ((vintage - 1970) * 365 + draw.integers(500, 3000, lots))[lot],
            "consumed": draw.random(count) < CONSUMED,
        }
    )
    return frame.select(
        bottle_id=pl.format("b{}", "bottle"),
        member_id=pl.format("m{}", "member"),
        wine_id=pl.format("w{}", "wine"),
        vintage="vintage",
        size_ml="size_ml",
        state=pl.when("consumed").then(pl.lit("consumed")).otherwise(pl.lit("stored")),
        acquired_at=pl.col("acquired").cast(pl.Int32).cast(pl.Date),
        storage_id=pl.format("s{}", "member"),
        location=pl.lit("Cellar"),
        **dict.fromkeys(("bin", "consumed_at", "consumed_how", "window_from", "window_to", "window_source"), pl.lit(None)),
    )
