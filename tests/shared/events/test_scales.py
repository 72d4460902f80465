"""Scales: which ratings they hold and what counts as a like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.errors import BadInput
from cellar_shared.events.scales import SCALES, Scale, scale_named
from cellar_shared.events.tables import schema_of

scales = st.sampled_from(list(SCALES.values()))


def test_a_scale_is_found_by_its_name() -> None:
    assert scale_named("1-5").liked_from == 4.0
    assert scale_named("0-100").liked_from == 90.0


def test_an_unknown_scale_is_answered_with_those_there_are() -> None:
    with pytest.raises(BadInput, match="scale '1-20' is not known; use one of 1-5, 0-100"):
        scale_named("1-20")


def test_the_schema_of_ratings_lists_exactly_the_scales_there_are() -> None:
    assert schema_of("ratings")["properties"]["scale"]["enum"] == list(SCALES)


@pytest.mark.parametrize(("rating", "held"), [(1.0, True), (5.0, True), (0.99, False), (5.01, False), (float("nan"), False)])
def test_a_scale_holds_its_ends_and_nothing_beyond(rating: float, held: bool) -> None:
    assert scale_named("1-5").holds(rating) is held


@given(scales, st.floats(0, 1))
def test_a_strength_is_not_negative_exactly_where_the_rating_is_a_like(scale: Scale, share: float) -> None:
    rating = scale.lowest + share * (scale.highest - scale.lowest)
    (strength,) = scale.strengths(np.array([rating]))
    assert strength.dtype == np.float32
    assert -4 <= strength <= 4
    if abs(rating - scale.liked_from) > 1e-30:  # nearer than that, float32 holds no sign
        assert (strength >= 0) == (rating >= scale.liked_from)


def test_strengths_count_units_from_the_line_and_end_at_four() -> None:
    assert scale_named("0-100").strengths(np.array([0.0, 85.0, 90.0, 100.0, 1e6])).tolist() == [-4.0, -1.0, 0.0, 2.0, 4.0]
    assert scale_named("1-5").strengths(np.array([1.0, 3.5, 4.0, 5.0])).tolist() == [-3.0, -0.5, 0.0, 1.0]


@given(scales, st.lists(st.floats(-1e6, 1e6), min_size=2))
def test_strengths_keep_the_order_of_ratings_and_stay_bounded(scale: Scale, ratings: list[float]) -> None:
    strengths = scale.strengths(np.sort(np.array(ratings)))
    assert np.all(np.diff(strengths) >= 0)
    assert np.all(np.abs(strengths) <= 4)
