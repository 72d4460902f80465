"""NumPy's files, read by several threads at once."""

from __future__ import annotations

import ast
import gc
import io
import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from cellar_shared.npy import map_npy, read_npy, read_npz

ARRAY = np.arange(6.0).reshape(2, 3)


def content(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


@pytest.fixture
def frequent_collections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Garbage is collected at every second allocation or so, also in the midst of a parse, which nothing of the tests guards."""
    monkeypatch.setattr(ast, "parse", ast.parse.__wrapped__)
    thresholds = gc.get_threshold()
    gc.set_threshold(1)
    yield
    gc.set_threshold(*thresholds)


def read_in_the_midst_of_a_read(read: Callable[[io.BytesIO], np.ndarray], patience: float) -> np.ndarray:
    """Read an array; at a collection in the midst of parsing its header let another thread read one too, for `patience` seconds."""
    reader = threading.get_ident()
    asked, answered = threading.Event(), threading.Event()
    other = threading.Thread(target=lambda: (asked.wait(60), read(io.BytesIO(content(ARRAY))), answered.set()))
    other.start()

    def at_a_collection(phase: str, _: dict[str, int]) -> None:
        parsing = sys._getframe(1).f_code.co_name == "parse"
        if threading.get_ident() == reader and phase == "start" and parsing and not asked.is_set():
            asked.set()
            answered.wait(patience)

    def deeply(calls: int) -> np.ndarray:
        return deeply(calls - 1) if calls else read(io.BytesIO(content(ARRAY)))

    gc.callbacks.append(at_a_collection)
    try:
        found = deeply(30)
        assert asked.is_set(), "no garbage was collected in the midst of the parse"
        return found
    finally:
        gc.callbacks.remove(at_a_collection)
        asked.set()
        other.join(60)
        assert answered.is_set()


@pytest.mark.usefixtures("frequent_collections")
def test_two_threads_read_at_once():
    np.testing.assert_array_equal(read_in_the_midst_of_a_read(read_npy, patience=0.2), ARRAY)


@pytest.mark.usefixtures("frequent_collections")
def test_numpy_alone_would_fail():
    with pytest.raises(SystemError, match="recursion depth mismatch"):
        read_in_the_midst_of_a_read(lambda file: np.load(file, allow_pickle=False), patience=60)


def test_arrays_are_read_and_mapped_as_they_were_written(tmp_path):
    np.save(tmp_path / "a.npy", ARRAY)
    np.savez_compressed(tmp_path / "two.npz", a=ARRAY, b=np.arange(3))
    mapped = map_npy(tmp_path / "a.npy")
    assert type(mapped) is np.ndarray
    assert not mapped.flags.writeable
    np.testing.assert_array_equal(mapped, read_npy(tmp_path / "a.npy"))
    both = read_npz(tmp_path / "two.npz")
    assert both.keys() == {"a", "b"}
    np.testing.assert_array_equal(both["a"], ARRAY)


@pytest.mark.parametrize("read", [read_npy, map_npy, read_npz])
def test_what_is_no_array_is_refused_and_costs_nobody_the_lock(read, tmp_path):
    (tmp_path / "x").write_bytes(b"no array")
    with pytest.raises(ValueError):
        read(tmp_path / "x")
    np.testing.assert_array_equal(read_npy(io.BytesIO(content(ARRAY))), ARRAY)


def test_a_pickle_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        read_npy(tmp_path / "x.npy")
