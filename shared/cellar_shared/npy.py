"""NumPy's files, read by one thread at a time and never as a pickle.

NumPy parses a file's header with `ast.literal_eval`. Python 3.11 counts the depth of such a parse in one number for all
threads, so where a collection of garbage lets a second thread parse in the midst of it, the first one fails with "SystemError:
AST constructor recursion depth mismatch": say, a service that takes up a new generation on one thread while another opens
its catalogue. Hence one lock.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

_one_header_at_a_time = threading.Lock()


def read_npy(file: Path | BinaryIO) -> npt.NDArray[Any]:
    """The array in an .npy file. OSError or ValueError where it cannot be read."""
    with _one_header_at_a_time:
        array: npt.NDArray[Any] = np.load(file, allow_pickle=False)
    return array


def map_npy(file: Path) -> npt.NDArray[Any]:
    """The array in an .npy file, mapped and not read. OSError or ValueError where it cannot be.

    Without numpy.memmap's own class, whose every slice costs microseconds.
    """
    with _one_header_at_a_time:
        array: npt.NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    return array


def read_npz(file: Path | BinaryIO) -> dict[str, npt.NDArray[Any]]:
    """Every array of an .npz archive by its name. OSError, ValueError, EOFError or zipfile.BadZipFile where it cannot be read."""
    with _one_header_at_a_time, np.load(file, allow_pickle=False) as arrays:
        return dict(arrays.items())
