"""Which events a bundle was fitted on: hashes of their ids, kept so that nobody is judged on them and nobody is kept in them unsaid."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.bundle.arrays import array_of
from cellar_shared.bundle.manifest import find_bundle
from cellar_shared.errors import BadInput

ROWS_FILE: Final = "rows.npy"


def learnt_from(bundle: Path) -> npt.NDArray[np.uint64]:
    """Hashes (`event_hashes`) of the events that the bundle at `bundle` was fitted, tuned or calibrated on, ascending.

    BadInput when there is no such bundle or its list cannot be read.
    """
    file = find_bundle(bundle) / ROWS_FILE
    try:
        return array_of(file.read_bytes())
    except (OSError, ValueError) as error:
        raise BadInput(f"{file} cannot be read ({error}); take the bundle from where it was written") from error
