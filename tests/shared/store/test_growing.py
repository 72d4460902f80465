"""An array that is written from front to back is the array that numpy reads, however long it became."""

from __future__ import annotations

import numpy as np
import pytest

from cellar_shared.npy import map_npy
from cellar_shared.store.growing import GrowingArray


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, "S12", np.float32])
@pytest.mark.parametrize("parts", [[], [0], [1], [3, 0, 1000], [70_000, 1]])
def test_what_was_written_is_what_is_read(tmp_path, dtype, parts):
    arrays = [np.random.default_rng(length).integers(0, 9, length).astype(dtype) for length in parts]
    with GrowingArray(tmp_path / "a.npy", dtype) as growing:
        for array in arrays:
            growing.append(array.tobytes())
    expected = np.concatenate([np.zeros(0, dtype), *arrays])
    for found in (np.load(tmp_path / "a.npy"), map_npy(tmp_path / "a.npy")):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    np.save(tmp_path / "b.npy", expected)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_half_an_element_is_refused(tmp_path):
    growing = GrowingArray(tmp_path / "a.npy", np.int64)
    growing.append(b"123")
    with pytest.raises(ValueError, match="no whole element"):
        growing.close()
