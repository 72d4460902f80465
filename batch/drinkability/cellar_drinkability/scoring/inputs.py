"""What a night reads of a data folder and a bundle: its parts and its terms, with what is made once for all parts; steps begin here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from cellar_drinkability.scoring import places, windows
from cellar_drinkability.scoring.layout import Folder, Part, code_fingerprint, name_of
from cellar_drinkability.scoring.parquet import written
from cellar_drinkability.scoring.part import MODEL, Terms, part_of
from cellar_shared.bundle.manifest import Bundle
from cellar_shared.events.tables import DataFolder, dtypes_of

MODEL_NAME: Final = "drinkability"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The parts of table bottles and the terms under which they are scored."""

    parts: list[Part]
    terms: Terms
    rows: int


def read_inputs(
    data: Path, bundle: Path, out: Path, as_of: date, *, model: str = MODEL, say: Callable[[str], None] = lambda text: None
) -> Inputs:
    """The inputs of the night of `as_of`; what is made once for all parts is made, where it does not stand already.

    BadInput or Incompatible when the data folder or the bundle cannot be taken.
    """
    folder = DataFolder.open(data)
    paths = folder.parts("bottles")
    bottles = folder.manifest.tables["bottles"]
    parts = [part_of(name, paths[name], digest, as_of) for name, digest in bottles.parts.items()]
    terms = terms_of(folder, bundle, out, as_of, model=model, say=say)
    return Inputs(parts, terms, bottles.rows)


def terms_of(
    folder: DataFolder, bundle: Path, out: Path, as_of: date, *, model: str = MODEL, say: Callable[[str], None] = lambda text: None
) -> Terms:
    """The terms of a night on the wines and places of `folder`."""
    version = bundle_version(bundle)
    cache = Folder(out).cache
    facts_name = name_of("facts", _digest(folder, "wines"), code_fingerprint())
    facts = cache / f"facts-{facts_name}.parquet"
    if not facts.is_file():
        say("reading the catalogue")
        written(facts, dict(windows.FACT_SCHEMA), windows.digested(_scan(folder, "wines")))
    storage = _scan(folder, "storage")
    # Readings that were taken later than the night do not count; where there are none, any night has the same places.
    later = as_of if _has_readings_from(storage, as_of) else date.max
    places_name = name_of("places", _digest(folder, "storage"), code_fingerprint(), str(later))
    places_file = cache / f"places-{places_name}.parquet"
    if not places_file.is_file():
        say("reading the places")
        written(places_file, dict(places.SCHEMA), places.gathered(storage, later))
    wines = [str(path) for path in folder.parts("wines").values()] if "wines" in folder.manifest.tables else []
    return Terms(
        out=str(out),
        bundle=str(bundle),
        bundle_version=version,
        as_of=as_of,
        wines=wines,
        facts=str(facts),
        places=str(places_file),
        inputs=name_of(facts_name, places_name),
        code=code_fingerprint(),
        model=model,
    )


def bundle_version(bundle: Path) -> str:
    """The version of the drinkability bundle at `bundle`, every file checked; BadInput or Incompatible when it is none."""
    return Bundle.open(bundle, MODEL_NAME).manifest.version


def _scan(folder: DataFolder, table: str) -> pl.LazyFrame:
    if table in folder.manifest.tables:
        return folder.scan(table)
    return pl.LazyFrame(schema=dtypes_of(table))


def _digest(folder: DataFolder, table: str) -> str:
    facts = folder.manifest.tables.get(table)
    return name_of(*facts.parts.values()) if facts else ""


def _has_readings_from(storage: pl.LazyFrame, as_of: date) -> bool:
    last = storage.select(pl.col("at").max()).collect().item()
    return last is not None and last >= datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)
