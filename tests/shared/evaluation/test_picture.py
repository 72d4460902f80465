"""A picture keeps every mark on its axis, in order, and says where 0 is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.evaluation.estimate import Estimate
from cellar_shared.evaluation.picture import ROW, WIDTH, picture_of


@given(st.lists(st.tuples(*[st.floats(-3, 3)] * 3), min_size=1, max_size=6))
def test_marks_lie_on_the_axis_in_their_order(triples):
    found = {str(place): Estimate(*(sorted(each)[at] for at in (1, 0, 2))) for place, each in enumerate(triples)}
    picture = picture_of(found)
    assert [mark.name for mark in picture.marks] == list(found)
    for mark in picture.marks:
        assert 0 <= mark.low <= mark.x <= mark.high <= WIDTH
    assert [mark.y for mark in picture.marks] == [16 + ROW * place for place in range(len(found))]
    assert picture.marks[-1].y < picture.height
    assert all(0 <= place <= WIDTH for place, _ in picture.ticks)
    low, high = min(min(each) for each in triples), max(max(each) for each in triples)
    assert (picture.zero is not None) or not low <= 0 <= high


def test_what_is_undefined_has_no_place():
    picture = picture_of({"a": Estimate(0.5, None, None), "b": Estimate(None, None, None)})
    assert picture.marks[0].x is not None
    assert picture.marks[0].low is picture.marks[1].x is None
    assert picture_of({}).marks == ()
