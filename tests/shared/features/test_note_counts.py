"""Note counts are a plain recount of the days before, in whatever order and slices they were made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.features import note_counts
from cellar_shared.features.note_counts import COLUMNS, NOTES, NoteCounts, count_notes, write_note_counts
from cellar_shared.features.terms import TERMS

WINES = (-7, 3, 5, 2**62)
notes = st.lists(
    st.tuples(st.sampled_from(WINES), st.integers(-2, 6), st.sampled_from([0, 1, 2**63, 2**64 - 1, 0b1010])), min_size=1, max_size=25
)
asked = st.sampled_from([*WINES, 0, 4])


def arrays(table):
    wines, days, bags = zip(*table, strict=True)
    return np.array(wines, dtype=np.int64), np.array(days, dtype=np.int64), np.array(bags, dtype=np.uint64)


def recounted(table, wine: int, day: int) -> list[int]:
    seen = [bag for of, noted, bag in table if of == wine and max(noted, 0) < day]
    return [sum(bag >> term & 1 for bag in seen) for term in range(TERMS)] + [len(seen)]


@given(notes, asked, st.integers(-3, 8))
def test_counts_are_a_recount_of_the_days_before(table, wine, day):
    counted = count_notes(*arrays(table)).before(np.array([wine, wine]), day)
    assert counted.shape == (2, COLUMNS)
    assert counted.tolist() == [recounted(table, wine, day)] * 2


@given(notes, notes, st.integers(0, 8))
def test_a_later_note_changes_no_earlier_question(table, later, day):
    after = [(wine, max(noted, 0) + day, bag) for wine, noted, bag in later]
    wines = np.array([*WINES, 4])
    known, both = count_notes(*arrays(table)), count_notes(*arrays(table + after))
    np.testing.assert_array_equal(known.before(wines, day), both.before(wines, day))


@settings(max_examples=30)
@given(notes, st.randoms(use_true_random=False), st.sampled_from([1, 2, 5]))
def test_neither_order_nor_slices_change_a_count(tmp_path_factory, table, random, at_once):
    whole = count_notes(*arrays(table))
    shuffled = random.sample(table, len(table))
    folder = tmp_path_factory.mktemp("counts") / "notes"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(note_counts, "NOTES_AT_ONCE", at_once)
        write_note_counts(folder, *arrays(shuffled))
    mapped = NoteCounts.mapped(folder)
    for name in NoteCounts.__slots__:
        np.testing.assert_array_equal(getattr(mapped, name), getattr(whole, name))
        assert not getattr(mapped, name).flags.writeable
    assert sorted(file.name for file in folder.iterdir()) == ["steps.npy", "totals.npy", "wines.npy"]


@given(notes, st.sets(asked), st.integers(0, 8))
def test_some_wines_keep_their_counts_and_others_have_none(table, kept, day):
    counts = count_notes(*arrays(table))
    some = counts.only(np.array(sorted(kept), dtype=np.int64))
    for wine in (*WINES, 0):
        expected = counts.before(np.array([wine]), day) * (wine in kept)
        np.testing.assert_array_equal(some.before(np.array([wine]), day), expected)
    assert set(some.wines.tolist()) == kept & {wine for wine, *_ in table}


def test_nothing_is_known_of_wines_where_nothing_was_noted():
    nothing = count_notes(*(np.zeros(0, dtype=dtype) for dtype in (np.int64, np.int64, np.uint64)))
    assert nothing.before(np.array([3, 0]), 9)[:, NOTES].tolist() == [0, 0]
