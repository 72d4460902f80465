"""The work on one part of table bottles, its curves and its rows of a night: what the local workers, Azure's and Daft's all call."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cellar_drinkability.scoring import curves as of_curves
from cellar_drinkability.scoring import rows as of_rows
from cellar_drinkability.scoring.curves import Keys, curve_rows, facts_of, wines_asked
from cellar_drinkability.scoring.layout import CurvesReceipt, Folder, Part, Receipt, name_of
from cellar_drinkability.scoring.parquet import SLICE, scratch_beside, written
from cellar_drinkability.scoring.places import KnownPlaces
from cellar_drinkability.scoring.reasons import CONSUMED
from cellar_drinkability.scoring.rows import Counts, Night, rows_of
from cellar_drinkability.scoring.windows import Answers, Model
from cellar_shared.errors import BadInput
from cellar_shared.events.tables import dtypes_of
from cellar_shared.npy import map_npy

# Slices read at a time: two are one row group as Polars writes them, so that none is decoded twice.
SLICES_A_READ: Final = 2
MODEL: Final = "cellar_drinkability.scoring.model:WindowModel"


class Terms(msgspec.Struct, frozen=True):
    """What a night works by, for every part the same; small enough to be handed to each worker.

    `code` is the fingerprint of the code that begins the night, so that all workers call a thing by one name. `facts` and `places` are
    the files that inputs.py prepares, `inputs` a digest of what they were made of, `wines` the parts of
    table wines. `model` names the class that opens the bundle.
    """

    out: str
    bundle: str
    bundle_version: str
    as_of: date
    wines: list[str]
    facts: str
    places: str
    inputs: str
    code: str
    model: str = MODEL

    def curves_name(self, part: Part) -> str:
        """What the curves of the part are called."""
        stood = "" if part.as_it_stood is None else str(part.as_it_stood)
        return name_of("curves", part.digest, self.bundle_version, self.code, self.inputs, stood)

    def bottles_name(self, part: Part) -> str:
        """What the night's rows of the part are called."""
        return name_of("bottles", self.curves_name(part), str(self.as_of))


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a step on a part: bottles read; curves and answers of the model that had to be computed."""

    rows: int
    curves: int = 0
    answers: int = 0


class PartWork:
    """The two steps on a part under a night's terms; the model is opened when the first curve has to be computed."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.folder = Folder(Path(terms.out))
        self._model: Model | None = None

    def curves(self, part: Part) -> Done:
        """See to it that the curves of the part stand. Raises what reading the part raises; BadInput when a column is missing."""
        name = self.terms.curves_name(part)
        if (standing := self.folder.curves_receipt(name)) is not None:
            return Done(standing.rows_in)
        _require_digest(part)
        answers, rows_in = self._answers(part, name)
        made: list[int] = []
        consumed = 0
        with scratch_beside(self.folder.row_numbers(name)) as scratch:
            numbers = np.lib.format.open_memmap(str(scratch), mode="w+", dtype=np.int32, shape=(rows_in,))

            def frames(numbers: npt.NDArray[np.int32] = numbers) -> Iterator[pl.DataFrame]:
                nonlocal consumed
                for at, bottles in slices(part, of_curves.READ):
                    places = KnownPlaces.of(Path(self.terms.places), bottles["storage_id"].unique().drop_nulls())
                    keys = Keys.of(bottles, places, part.as_it_stood)
                    numbers[at : at + bottles.height] = keys.rows
                    consumed += int((keys.rows == CONSUMED).sum())
                    made.append(keys.table.height)
                    yield from curve_rows(keys.table, self._known(keys.table), places, answers.table)

            written(self.folder.file("curves", name), of_curves.SCHEMA, frames())
            numbers.flush()
            del numbers
        size = self.folder.file("curves", name).stat().st_size
        self.folder.write_receipt("curves", name, CurvesReceipt(part.name, rows_in, consumed, made, size))
        return Done(rows_in, sum(made), answers.computed)

    def score(self, part: Part) -> Done:
        """See to it that the night's rows of the part stand; its curves must. Raises as `curves` does."""
        name, curves_name = self.terms.bottles_name(part), self.terms.curves_name(part)
        if (standing := self.folder.receipt(name)) is not None:
            return Done(standing.rows_in)
        known = self.folder.curves_receipt(curves_name)
        if known is None:
            raise BadInput(f"{part.name} has no curves for this night; run step curves first")
        _require_digest(part)  # also where its curves stand from another night
        night = Night(self.terms.as_of, self.terms.bundle_version, curves_name)
        counts = Counts.none()
        numbers = cast(npt.NDArray[np.int32], map_npy(self.folder.row_numbers(curves_name)))
        curves = pl.scan_parquet(self.folder.file("curves", curves_name), glob=False).select(of_rows.READ)

        def frames() -> Iterator[pl.DataFrame]:
            for (at, bottles), own in zip(slices(part, of_rows.PASSED), _in_turn(curves, known.slices), strict=True):
                yield rows_of(bottles, np.array(numbers[at : at + bottles.height]), own, night, counts)

        written(self.folder.file("bottles", name), of_rows.SCHEMA, frames())
        receipt = Receipt(
            part=part.name,
            part_digest=part.digest,
            curves=curves_name,
            rows_in=known.rows_in,
            consumed=known.consumed,
            rows=int(counts.phases.sum()),
            phases=counts.phases.tolist(),
            reasons=counts.reasons.tolist(),
            bytes=self.folder.file("bottles", name).stat().st_size,
        )
        self.folder.write_receipt("bottles", name, receipt)
        return Done(receipt.rows_in)

    def _known(self, keys: pl.DataFrame) -> pl.DataFrame:
        """What is known of the keys' wines."""
        wines = keys["wine_id"].unique().implode()
        return pl.scan_parquet(self.terms.facts, glob=False).filter(pl.col("wine_id").is_in(wines)).collect()

    def _answers(self, part: Part, name: str) -> tuple[Answers, int]:
        """The model's answers that the part needs, and how many bottles it has."""
        pairs = pl.DataFrame(schema={"facts": pl.UInt64, "year": pl.Int32})
        rows_in = 0
        for _, bottles in slices(part, of_curves.READ):
            rows_in += bottles.height
            asked = wines_asked(bottles, part.as_it_stood)
            asked = facts_of(asked, self._known(asked)).select("facts", "year")
            pairs = pl.concat([pairs, asked]).unique(maintain_order=True)
        wines = pl.scan_parquet(self.terms.wines, glob=False) if self.terms.wines else pl.LazyFrame(schema={"wine_id": pl.String})
        cache = self.folder.cache / f"windows-{self.terms.bundle_version}-{self.terms.code}"
        return Answers.of(self._opened(), wines, Path(self.terms.facts), pairs, cache, name), rows_in

    def _opened(self) -> Model:
        if self._model is None:
            module, _, name = self.terms.model.partition(":")
            opening: Any = getattr(import_module(module), name)
            self._model = cast(Model, opening.open(Path(self.terms.bundle)))
        return self._model


def part_of(name: str, path: Path, digest: str, as_of: date) -> Part:
    """The part as the night of `as_of` sees it. A damaged file is seen as it is: the steps say what is wrong with it."""
    part = Part(name, str(path), digest)
    try:
        last = _last_consumed(path)
    except (OSError, ValueError, pa.ArrowException):
        return part
    return msgspec.structs.replace(part, as_it_stood=as_of) if last is not None and last >= as_of else part


def _last_consumed(path: Path) -> date | None:
    """The latest `consumed_at` of a part, by what its row groups say of themselves; None where they say nothing."""
    held = pq.read_metadata(path)
    column = held.schema.to_arrow_schema().get_field_index("consumed_at")
    groups = [held.row_group(group).column(column).statistics for group in range(held.num_row_groups)] if column >= 0 else []
    return max((group.max for group in groups if group is not None and group.has_min_max), default=None)


def slices(part: Part, columns: tuple[str, ...]) -> Iterator[tuple[int, pl.DataFrame]]:
    """The part's `columns` in slices of SLICE rows, the last one shorter, each with the number of its first row.

    BadInput when one is missing or of another type.
    """
    scan = pl.scan_parquet(part.path, glob=False)
    held = scan.collect_schema()
    if missing := [name for name in columns if name not in held]:
        raise BadInput(f"{part.name}: column {', '.join(missing)} is missing; it has {', '.join(held)}")
    wanted = dtypes_of("bottles")
    if wrong := [f"{name} {held[name]}, expected {wanted[name]}" for name in columns if held[name] not in (wanted[name], pl.Null)]:
        raise BadInput(f"{part.name}: column {'; '.join(wrong)}; import the data again")
    chosen = scan.select(pl.col(name).cast(wanted[name]) if held[name] == pl.Null else name for name in columns)
    at, step = 0, SLICE * SLICES_A_READ
    while True:
        some = chosen.slice(at, step).collect()
        for each in some.iter_slices(SLICE):
            yield at, each
            at += each.height
        if some.height < step:
            return


def _in_turn(scan: pl.LazyFrame, sizes: Sequence[int]) -> Iterator[pl.DataFrame]:
    """The rows of `scan` in frames of these sizes, one after the other; each row group is read once."""
    held = scan.slice(0, SLICE).collect()
    at = SLICE
    for size in sizes:
        while held.height < size:
            held = pl.concat([held, scan.slice(at, SLICE).collect()])
            at += SLICE
        yield held.head(size)
        held = held.slice(size)


def digest_of(file: Path) -> str:
    """SHA-256 of a file, as data.json has it of each part."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _require_digest(part: Part) -> None:
    if digest_of(Path(part.path)) != part.digest:
        raise BadInput(f"{part.name} is damaged: its digest differs from the manifest's; import the data again")
