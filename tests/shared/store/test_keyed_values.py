"""Values by member are what was written under the member's key, whatever the order and the bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.store.keyed_values import KeyedValues, KeyedWriter
from cellar_shared.store.port import KEY_BYTES

# Few different bytes, so that keys differ in one place, and end in NUL: numpy takes those for padding.
keys = st.lists(st.sampled_from([0, 1, 255]), min_size=KEY_BYTES, max_size=KEY_BYTES).map(bytes)


@given(st.lists(st.tuples(keys, st.binary(max_size=5)), max_size=20), keys)
@settings(max_examples=60, deadline=None)
def test_values_are_found_by_their_key_in_the_order_of_writing(tmp_path_factory, written, other):
    folder = tmp_path_factory.mktemp("values") / "kept"
    with KeyedWriter(folder) as writer:
        for key, value in written:
            writer.add(key, value)
    values = KeyedValues.mapped(folder)
    expected: dict[bytes, list[bytes]] = {}
    for key, value in written:
        expected.setdefault(key, []).append(value)
    for key in {*expected, other}:
        assert values.of(key) == expected.get(key, [])
        assert values.holds(key) == (key in expected)
    assert len(values.keys) == len(written)
    assert sorted(file.name for file in folder.iterdir()) == ["keys.npy", "spans.npy", "values.npy"]


def test_an_error_while_writing_leaves_no_file_open(tmp_path):
    with pytest.raises(KeyError), KeyedWriter(tmp_path / "kept") as writer:
        writer.add(bytes(KEY_BYTES), b"value")
        raise KeyError
    assert not (tmp_path / "kept" / "spans.npy").exists()
