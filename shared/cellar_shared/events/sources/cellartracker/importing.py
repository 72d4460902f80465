"""A member's export becomes a data folder: finds the files, reads them, has them put together, and hands the rows to the intake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from cellar_shared.errors import BadInput
from cellar_shared.events.sources.cellartracker.assembling import Export, FileReport
from cellar_shared.events.sources.cellartracker.files import TABLES, read_table
from cellar_shared.events.sources.cellartracker.kinds import READ
from cellar_shared.events.sources.cellartracker.tastings import SCALE, SOURCE
from cellar_shared.events.sources.intake import TableReport, Terms, take_in
from cellar_shared.events.sources.refusals import Refusal, Refusals
from cellar_shared.events.tables import DataFolder

NAMESPACE: Final = "cellartracker"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did: its tables, its files, files of the folder that were not looked into, and what the member should know."""

    tables: dict[str, TableReport]
    files: list[FileReport]
    left_aside: list[str]
    warnings: list[str]


def import_cellartracker(
    sources: Sequence[Path], out: Path, terms: Terms, *, member: str, progress: Callable[[str, int], None]
) -> ImportReport:
    """Read the files and folders of an export into the data folder `out`, as rows of `member`; see `take_in`.

    Tables are told by their headers. BadInput names the file, the line and what to do.
    """
    return write_export(read_export(sources, terms, member=member, progress=progress), out, terms, progress=progress)


@dataclass(frozen=True, slots=True)
class ReadExport:
    """An export that was read and not written yet: what was refused of it, and files of the folder that were not looked into."""

    export: Export
    refused: list[Refusal]
    left_aside: list[str]


def read_export(sources: Sequence[Path], terms: Terms, *, member: str, progress: Callable[[str, int], None]) -> ReadExport:
    """The files and folders of an export, put together as what `member` has; BadInput names the file, the line and what to do."""
    if not member.strip():
        raise BadInput("--member is empty; say whose export it is")
    paths, left_aside = _paths(sources)
    refused: list[Refusal] = []
    with Refusals(skip_bad=False) as strict:
        refuse = refused.append if terms.skip_bad else strict.add
        export = Export(member, terms.now, refuse)
        files = []
        for path in paths:
            files.append(read_table(path, refuse))
            progress("files", len(files))
    export.take(files)
    return ReadExport(export, refused, left_aside)


def write_export(read: ReadExport, out: Path, terms: Terms, *, progress: Callable[[str, int], None]) -> ImportReport:
    """Write what was read into the data folder `out`; see `take_in`."""
    export = read.export
    if terms.since is not None:
        _require_barcodes(export, out)
    readings = export.readings(read.refused)
    tables = take_in(readings, out, terms, namespace=NAMESPACE, scale=SCALE.name, source=SOURCE, progress=progress)
    return ImportReport(tables, export.reports(), read.left_aside, export.warnings())


def _paths(sources: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The files to read, and the names of those in a named folder that hold no table by their names' ends."""
    found: list[Path] = []
    aside: list[str] = []
    for source in sources:
        if not source.exists():
            raise BadInput(f"{source} does not exist; name the export's files, or the folder that holds them")
        inside = sorted(file for file in source.iterdir() if file.is_file() and not file.name.startswith(".")) if source.is_dir() else []
        found += [file for file in inside if file.suffix.lower() in TABLES] if source.is_dir() else [source]
        aside += [file.name for file in inside if file.suffix.lower() not in TABLES]
    if not found:
        raise BadInput(
            f"{', '.join(map(str, sources))} holds no table of an export ({READ}), tab-separated or CSV; export one from the site"
        )
    return list(dict.fromkeys(found)), aside


def _require_barcodes(export: Export, out: Path) -> None:
    """BadInput where the member's bottles in the folder cannot be known again: one that was consumed since would stand there twice."""
    nameless = sum(not bottle.barcode for bottle, *_ in export.bottles)
    if nameless and _has_bottles_of(export.member, DataFolder.open(out)):
        raise BadInput(
            f"--since: {nameless:,} of the export's bottles have no barcode, so those of {export.member} that stand in {out} cannot "
            "be told from new ones. Import the whole export with --replace, or add only Notes with --since"
        )


def _has_bottles_of(member: str, folder: DataFolder) -> bool:
    if "bottles" not in folder.manifest.tables:
        return False
    return folder.scan("bottles").filter(pl.col("member_id") == member).head(1).collect().height > 0
