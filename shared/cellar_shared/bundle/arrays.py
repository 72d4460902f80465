"""Arrays as files of a bundle: NumPy's own format, never a pickle."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from cellar_shared.npy import read_npy


def npy_of(array: npt.NDArray[Any]) -> bytes:
    """The array as the content of an .npy file."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def array_of(content: bytes) -> npt.NDArray[Any]:
    """The array that `npy_of` wrote; ValueError where it is none."""
    return read_npy(io.BytesIO(content))
