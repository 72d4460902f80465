"""NumPy's files and Python's literals, read by several threads at once."""

from __future__ import annotations

import ast
import gc
import io
import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from cellar_shared.literals import literal_of
from cellar_shared.npy import map_npy, read_npy, read_npz

ARRAY = np.arange(6.0).reshape(2, 3)
LITERAL = "['Merlot', 'Syrah/Shiraz']"


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


def parse_in_the_midst_of_a_parse(parse: Callable[[], object], patience: float) -> object:
    """Parse; at a collection in the midst of it let another thread parse too, for `patience` seconds."""
    parser = threading.get_ident()
    asked, answered = threading.Event(), threading.Event()
    other = threading.Thread(target=lambda: (asked.wait(60), parse(), answered.set()))
    other.start()

    def at_a_collection(phase: str, _: dict[str, int]) -> None:
        parsing = sys._getframe(1).f_code.co_name == "parse"
        if threading.get_ident() == parser and phase == "start" and parsing and not asked.is_set():
            asked.set()
            answered.wait(patience)

    def deeply(calls: int) -> object:
        return deeply(calls - 1) if calls else parse()

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
def test_two_threads_read_arrays_at_once():
    np.testing.assert_array_equal(parse_in_the_midst_of_a_parse(lambda: read_npy(io.BytesIO(content(ARRAY))), patience=0.2), ARRAY)


@pytest.mark.usefixtures("frequent_collections")
def test_two_threads_read_literals_at_once():
    assert parse_in_the_midst_of_a_parse(lambda: literal_of(LITERAL), patience=0.2) == ["Merlot", "Syrah/Shiraz"]


@pytest.mark.parametrize("parse", [lambda: ast.literal_eval(LITERAL), lambda: np.load(io.BytesIO(content(ARRAY)))], ids=["python", "numpy"])
@pytest.mark.usefixtures("frequent_collections")
def test_python_and_numpy_alone_would_fail(parse):
    with pytest.raises(SystemError, match="recursion depth mismatch"):
        parse_in_the_midst_of_a_parse(parse, patience=60)


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
