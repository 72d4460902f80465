"""A precomputed list comes back to the bit, takes few bytes, and is nobody else's."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.store.list_packing import MOST_WINES, MemberList, pack, unpack
from cellar_shared.store.packing import Garbled, summed

KEY = b"twelve bytes"
floats = st.floats(width=32)
items = st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), floats, st.integers(0, 255)), max_size=MOST_WINES)


def list_of(wines, scores, sources, precomputed_at=1_700_000_000_000_000, made_of=b"m" * 16):
    return MemberList(np.array(wines, np.int64), np.array(scores, np.float32), np.array(sources, np.uint8), precomputed_at, made_of)


def assert_same(found, made):
    assert (found.precomputed_at, found.made_of) == (made.precomputed_at, made.made_of)
    for name in ("wines", "scores", "sources"):
        one, other = getattr(found, name), getattr(made, name)
        assert (one.dtype, one.tobytes()) == (other.dtype, other.tobytes())


@given(items, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.binary(min_size=16, max_size=16))
def test_a_list_comes_back_to_the_bit(rows, is_sorted, precomputed_at, made_of):
    if is_sorted:
        rows.sort(key=lambda row: (row[1] == row[1], -row[1]))
    made = list_of(*([row[at] for row in rows] for at in range(3)), precomputed_at, made_of)
    assert_same(unpack(pack(made, KEY), KEY), made)


@pytest.mark.parametrize("scores", [np.linspace(3.0, 0.2, 50), np.linspace(1, -1, 50), np.linspace(-1, -9, 50), np.zeros(50)])
def test_fifty_wines_take_at_most_650_bytes(scores):
    rng = np.random.default_rng(5)
    packed = pack(list_of(rng.integers(-(2**63), 2**63 - 1, 50), scores, rng.integers(0, 6, 50)), KEY)
    assert len(packed) <= 650


def test_what_is_no_list_of_the_member_is_garbled():
    packed = pack(list_of([1, 2], [2.0, 1.0], [0, 1]), KEY)
    for value, key in ((packed, b"another key!"), (packed[:-1], KEY), (packed + b"\0", KEY), (b"", KEY), (b"\0" * 40, KEY)):
        with pytest.raises(Garbled):
            unpack(value, key)


@given(st.binary(max_size=80))
def test_bytes_that_were_never_packed_are_garbled(value):
    with pytest.raises(Garbled):
        unpack(value, KEY)


@given(st.binary(max_size=200))
@settings(max_examples=500)
def test_any_bytes_with_the_right_checksum_are_a_list_or_garbled(body):
    with suppress(Garbled):
        found = unpack(summed(body, KEY), KEY)
        assert len(found.wines) == len(found.scores) == len(found.sources)


def test_what_does_not_go_together_is_refused():
    wrong = (
        list_of([1, 2], [1.0], [0]),
        list_of([1], [1.0], []),
        list_of([1], [1.0], [0], made_of=b"short"),
        list_of(np.arange(256), np.zeros(256), np.zeros(256)),
    )
    for made in wrong:
        with pytest.raises(ValueError, match="made of"):
            pack(made, KEY)
