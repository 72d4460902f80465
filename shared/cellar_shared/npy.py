"""NumPy's files, read by one thread at a time (`literals` says why) and never as a pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from cellar_shared.literals import PARSING


def read_npy(file: Path | BinaryIO) -> npt.NDArray[Any]:
    """The array in an .npy file. OSError or ValueError where it cannot be read."""
    with PARSING:
        array: npt.NDArray[Any] = np.load(file, allow_pickle=False)
    return array


def map_npy(file: Path) -> npt.NDArray[Any]:
    """The array in an .npy file, mapped and not read. OSError or ValueError where it cannot be.

    Without numpy.memmap's own class, whose every slice costs microseconds.
    """
    with PARSING:
        array: npt.NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    return array


def read_npz(file: Path | BinaryIO) -> dict[str, npt.NDArray[Any]]:
    """Every array of an .npz archive by its name. OSError, ValueError, EOFError or zipfile.BadZipFile where it cannot be read."""
    with PARSING, np.load(file, allow_pickle=False) as arrays:
        return dict(arrays.items())
