"""Arrays on disk that are written from front to back and mapped afterwards: nobody has to know beforehand how long they become."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt

_HEADER_BYTES: Final = 128  # of a one-dimensional array of any length: numpy leaves room for the length to grow


class GrowingArray:
    """A one-dimensional .npy file of `dtype` at `path`; whole once it is closed, and not to be read before."""

    def __init__(self, path: Path, dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._stream = path.open("wb")
        self._write_header(0)

    def append(self, content: bytes) -> None:
        """Write the bytes of some more elements."""
        self._stream.write(content)

    def close(self) -> None:
        """Note how long the array became; ValueError for half an element."""
        with self._stream:
            length, rest = divmod(self._stream.tell() - _HEADER_BYTES, self._dtype.itemsize)
            if rest:
                raise ValueError(f"{rest} bytes are no whole element of {self._dtype}")
            self._stream.seek(0)
            self._write_header(length)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.close()
        self._stream.close()

    def _write_header(self, length: int) -> None:
        described = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (length,)}
        np.lib.format.write_array_header_1_0(self._stream, described)
        if self._stream.tell() != _HEADER_BYTES:
            raise AssertionError(f"numpy {np.__version__} writes a header of {self._stream.tell()} bytes")
