"""The entry script of Azure's parallel step: `init` once a process, `run` for each mini-batch of files; scores parts of table bottles.

Every file of a mini-batch gets one row with its status, also one that cannot be read: what is broken is set aside, as in a night on
one machine, and `close` lists it. A mini-batch that is tried again, and two processes at once, write the same bytes.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cellar_drinkability.scoring.environment import ENVIRONMENT

if TYPE_CHECKING:
    from cellar_drinkability.scoring.part import PartWork

# Where Azure wants a step's own files, and where it mounts a deployment's model.
OUTPUT: str = "AZUREML_BI_OUTPUT_PATH"
MODEL: str = "AZUREML_MODEL_DIR"

_work: list[PartWork] = []  # of this process, once `init` has run
_digests: dict[str, str] = {}  # of the parts that the data folder lists


class Row(msgspec.Struct, frozen=True):
    """What became of one file: `status` is scored or failed; `rows` are bottles read."""

    file: str
    status: str
    rows: int
    error: str | None


def init(arguments: Sequence[str] | None = None) -> None:
    """Read the step's arguments and what all parts need. BadInput or Incompatible when data or bundle cannot be taken.

    `--data` is a data folder with tables wines and storage, `--as-of` the day, `--out` the folder of nights unless Azure names one,
    `--bundle` the bundle unless Azure mounts one. Azure's own arguments are let pass.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from cellar_drinkability.scoring.inputs import terms_of  # noqa: PLC0415
    from cellar_drinkability.scoring.part import MODEL as MODEL_CLASS  # noqa: PLC0415
    from cellar_drinkability.scoring.part import PartWork  # noqa: PLC0415
    from cellar_shared.events.tables import DataFolder  # noqa: PLC0415

    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--as-of", type=date.fromisoformat, required=True)
    parser.add_argument("--bundle", type=Path, default=os.environ.get(MODEL))
    parser.add_argument("--model", help=argparse.SUPPRESS)  # another class that opens the bundle
    parser.add_argument("--out", type=Path, default=None)
    known, _ = parser.parse_known_args(arguments)
    out = os.environ.get(OUTPUT) or known.out
    if out is None or known.bundle is None:
        parser.error(f"--out or {OUTPUT}, and --bundle or {MODEL}, are needed")
    folder = DataFolder.open(known.data)
    _work[:] = [PartWork(terms_of(folder, Path(known.bundle), Path(out), known.as_of, model=known.model or MODEL_CLASS))]
    _digests.clear()
    if bottles := folder.manifest.tables.get("bottles"):
        _digests.update(bottles.parts)


def run(mini_batch: Sequence[str]) -> list[str]:
    """One row (Row, as JSON) for each file of `mini_batch`, in its order."""
    return [msgspec.json.encode(_scored(Path(str(file)))).decode() for file in mini_batch]


def _scored(file: Path) -> Row:
    from cellar_drinkability.scoring.layout import Broken  # noqa: PLC0415
    from cellar_drinkability.scoring.part import digest_of, part_of  # noqa: PLC0415
    from cellar_drinkability.scoring.pool import done, said  # noqa: PLC0415

    work = _work[0]
    try:
        part = part_of(file.name, file, _digests.get(file.name) or digest_of(file), work.terms.as_of)
    except OSError as error:
        return Row(str(file), "failed", 0, said(error))
    name = work.terms.bottles_name(part)
    outcome = done(work, "curves", part)
    if outcome.error is None:
        outcome = done(work, "score", part)
    if outcome.error is not None:
        work.folder.write_receipt("broken", name, Broken(part.name, part.digest, outcome.error))
        return Row(str(file), "failed", 0, outcome.error)
    work.folder.mend(name)
    return Row(str(file), "scored", outcome.rows, None)
