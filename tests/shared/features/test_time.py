"""Laws of time: a question asked at T sees nothing that happened at T or later, to the last bit."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cellar_shared.events.moments import MICROSECONDS_PER_DAY, NEVER, day_of
from cellar_shared.features.candidates import WINE_FEATURES
from cellar_shared.features.counts import LIKES_ABOVE, RATED, STRENGTH_ABOVE
from cellar_shared.features.histories import UNDATED_AGE
from cellar_shared.features.identity import identity

LAW = settings(max_examples=60, deadline=None, derandomize=True)


def is_later(rating, member, as_of):
    """Is `rating` one that a question about `member` as of `as_of` must not see?"""
    midnight = as_of - as_of % MICROSECONDS_PER_DAY
    return rating.moment >= (as_of if rating.member == member else midnight)


@LAW
@given(data=st.data())
def test_no_event_at_or_after_the_moment_changes_any_feature(worlds, data):
    world = data.draw(worlds.worlds())
    as_of, member = data.draw(worlds.moments), data.draw(st.integers(0, worlds.MEMBERS - 1))
    wines, vintages = data.draw(worlds.asked(world))
    earlier = [rating for rating in world.ratings if not is_later(rating, member, as_of)]
    drawn = data.draw(st.lists(worlds.ratings(len(world.catalogue)), max_size=12))
    other_later = [rating for rating in drawn if is_later(rating, member, as_of)]

    def encoded(ratings):
        seen = world.having(ratings)
        return world.encoder.encode(seen.asks(member, as_of, wines, vintages), seen.counts())

    expected = encoded(earlier)
    worlds.require_same(encoded(world.ratings), expected)
    worlds.require_same(encoded(earlier + other_later), expected)


@LAW
@given(data=st.data())
def test_no_count_before_a_midnight_knows_of_a_rating_at_or_after_it(worlds, data):
    world = data.draw(worlds.worlds(fewest=1))
    day = data.draw(worlds.moments) // MICROSECONDS_PER_DAY
    all_counts = world.counts()
    earlier = world.having(rating for rating in world.ratings if rating.moment < day * MICROSECONDS_PER_DAY).counts()
    days = np.full(len(all_counts.keys), day)
    np.testing.assert_array_equal(all_counts.before(all_counts.keys, days), earlier.before(all_counts.keys, days))
    one, other = (asdict(counts.everyone_before(days[:1])) for counts in (all_counts, earlier))
    assert {name: values.tolist() for name, values in one.items()} == {name: values.tolist() for name, values in other.items()}


@pytest.mark.parametrize("time", [0, 1, MICROSECONDS_PER_DAY - 1])
def test_a_rating_enters_its_members_history_the_moment_after_it(worlds, time):
    rating = worlds.Rating(0, 0, 2015, 4.5, 3, time)
    world = worlds.World((worlds.WineFacts(),), (rating,))
    assert world.asks(0, rating.moment, [0], [-1]).histories.lengths.tolist() == [0]
    assert world.asks(0, rating.moment + 1, [0], [-1]).histories.lengths.tolist() == [1]


def test_a_rating_known_by_its_day_enters_history_and_counts_at_the_following_midnight(worlds):
    rating = worlds.Rating(0, 0, 2015, 4.5, 3, None)
    world = worlds.World((worlds.WineFacts(),), (rating,))
    midnight = worlds.START + 4 * MICROSECONDS_PER_DAY
    keys = np.array([identity("wine", "w0")])
    for moment, seen in ((midnight - 1, 0), (midnight, 1)):
        assert world.asks(0, moment, [0], [-1]).histories.lengths.tolist() == [seen]
        assert world.counts().before(keys, day_of(np.array([moment])))[0, RATED] == seen


def test_a_rating_just_before_midnight_counts_on_the_next_day_and_not_on_its_own(worlds):
    world = worlds.World((worlds.WineFacts(),), (worlds.Rating(1, 0, 2015, 4.5, 3, MICROSECONDS_PER_DAY - 1),))
    name = list(WINE_FEATURES).index("is_rated")

    def is_rated(as_of):
        return world.encoder.encode(world.asks(0, as_of, [0], [-1]), world.counts()).wine[0, name]

    midnight = worlds.START + 4 * MICROSECONDS_PER_DAY
    assert (is_rated(midnight - 1), is_rated(midnight)) == (0.0, 1.0)


@LAW
@given(data=st.data())
def test_a_history_is_the_latest_ratings_before_the_moment_oldest_first(worlds, data):
    world = data.draw(worlds.worlds())
    as_of, limit = data.draw(worlds.moments), data.draw(st.integers(0, 5))
    own = sorted(rating.moment for rating in world.ratings if rating.member == 0 and rating.moment < as_of)
    assume(limit < 5 or len(own) > 5)
    log = world.log()
    histories, is_cut = worlds.history_of(log.events[log.members == 0], log.wines, as_of, limit)
    assert histories.moments.tolist() == own[max(0, len(own) - limit) :]
    assert is_cut == (len(own) > limit)


@LAW
@given(data=st.data())
def test_what_a_rating_adds_to_the_counts_depends_on_earlier_ratings_only_whatever_the_rater_does_later(worlds, data):
    """The second pass, which takes a member's leniency off, is the one that could look ahead."""
    world = data.draw(worlds.worlds(fewest=2))
    later_stars = data.draw(st.lists(st.sampled_from([1.0, 4.0, 5.0]), min_size=len(world.ratings), max_size=len(world.ratings)))
    pivot = data.draw(st.sampled_from(world.ratings))
    changed = world.having(
        rating._replace(stars=stars) if rating.moment > pivot.moment else rating
        for rating, stars in zip(world.ratings, later_stars, strict=True)
    )
    keys = world.counts().keys
    day = np.full(len(keys), pivot.moment // MICROSECONDS_PER_DAY)
    one, other = (seen.counts().before(keys, day)[:, LIKES_ABOVE : STRENGTH_ABOVE + 1] for seen in (world, changed))
    np.testing.assert_array_equal(one, other)


@LAW
@given(data=st.data())
def test_undated_ratings_are_left_out_or_taken_to_be_a_year_old(worlds, data):
    world = data.draw(worlds.worlds())
    as_of = data.draw(worlds.moments)
    log = world.log()
    own = log.events[log.members == 0]
    undated = data.draw(st.integers(0, len(own)))
    own["moment"][len(own) - undated :] = NEVER
    dated = [moment for moment in own["moment"].tolist() if moment < as_of]
    left_out, _ = worlds.history_of(own, log.wines, as_of, 100)
    known, _ = worlds.history_of(own, log.wines, as_of, 100, is_undated_known=True)
    assert left_out.moments.tolist() == dated
    assert known.moments.tolist() == sorted([*dated, *[as_of - UNDATED_AGE] * undated])
    assert (own["moment"][len(own) - undated :] == NEVER).all()  # the store's own are left as they were
