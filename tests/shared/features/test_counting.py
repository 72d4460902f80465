"""What counting takes off a like before it is booked: time and rater, by the definition written out, and summed exactly."""

from __future__ import annotations

import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.features.counting import FINEST, LENIENCY_BELIEF, count_ratings
from cellar_shared.features.counts import (
    ABOVE,
    GROUPS,
    LIKE_PRIOR,
    LIKES_ABOVE,
    PRIOR_RATINGS,
    RATED,
    STRENGTH_ABOVE,
    STRENGTH_PRIOR,
    TOTALS,
    YEAR_DAYS,
    RunningCounts,
    group_keys,
)
from cellar_shared.features.expectation import expect
from cellar_shared.features.histories import EVENT, wines_of
from cellar_shared.features.identity import UNKNOWN, identity
from cellar_shared.features.wines import WINE, WineFacts, wine_record


def trailing(earlier, last_year, prior):
    long_run = (sum(earlier) + PRIOR_RATINGS * prior) / (len(earlier) + PRIOR_RATINGS)
    return (sum(last_year) + PRIOR_RATINGS * long_run) / (len(last_year) + PRIOR_RATINGS)


def above_time(ratings, rating):
    """How far like and strength lie above everyone's trailing means of the days before the rating's own."""

    def values(most_days):
        days = [(other, rating.moment // MICROSECONDS_PER_DAY - other.moment // MICROSECONDS_PER_DAY) for other in ratings]
        return [(float(other.stars >= 4), other.stars - 4) for other, ago in days if 0 < ago <= most_days]

    ever, year = values(10**6), values(YEAR_DAYS)
    own = (float(rating.stars >= 4), rating.stars - 4)
    priors = (LIKE_PRIOR, STRENGTH_PRIOR)
    return [own[k] - trailing([value[k] for value in ever], [value[k] for value in year], priors[k]) for k in (0, 1)]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_rating_is_booked_above_time_and_above_what_its_rater_left_over_earlier(worlds, data):
    world = data.draw(worlds.worlds(fewest=1, most=12))
    ratings = sorted(world.ratings, key=lambda rating: (rating.moment, rating.member))
    days = np.array([rating.moment // MICROSECONDS_PER_DAY for rating in ratings])
    vintages = np.array([rating.vintage for rating in ratings], dtype=np.int16)
    records = wines_of(world.wines, np.array([rating.wine for rating in ratings], dtype=np.int32))
    above = np.array([above_time(ratings, rating) for rating in ratings])

    values = np.zeros((len(ratings), len(TOTALS)))
    values[:, RATED], values[:, ABOVE] = 1.0, above
    keys = group_keys(records, vintages)
    groups = len(GROUPS)
    rough = RunningCounts.of_values(keys.ravel(), np.repeat(days, groups), np.repeat(values, groups, axis=0), days, values)
    surprise = above - expect(rough, records, vintages, days).above("wine_vintage")
    earlier = [[k for k in range(place) if ratings[k].member == rating.member] for place, rating in enumerate(ratings)]
    leniency = np.array([surprise[own].sum(axis=0) / (len(own) + LENIENCY_BELIEF) for own in earlier])

    counts = world.counts()
    tomorrow = np.array([days[-1] + 1])
    for key in np.unique(keys[keys != UNKNOWN]):
        booked = (above - leniency)[(keys == key).any(axis=1)].sum(axis=0)
        np.testing.assert_allclose(counts.before(np.array([key]), tomorrow)[0, ABOVE], booked, atol=1e-5)
    np.testing.assert_allclose(counts.everyone[-1, LIKES_ABOVE], (surprise - leniency)[:, 0].sum(), atol=1e-5)


def test_ratings_that_cancel_leave_exactly_nothing_whatever_else_is_summed(worlds):
    """Sums are exact, so that no count hangs, not even in its last bit, on how others were added up before it."""
    pairs = [worlds.Rating(2 * wine + side, wine, -1, stars, 0, 0) for wine in range(20) for side, stars in enumerate((3.7, 4.3))]
    stars = np.random.default_rng(1).uniform(1, 5, 200).tolist()
    others = [worlds.Rating(100 + place, 20 + place % 5, -1, given, place % 7, 0) for place, given in enumerate(stars)]
    counts = worlds.World((WineFacts(),) * 25, (*pairs, *others)).counts()
    keys = np.array([identity("wine", f"w{wine}") for wine in range(20)])
    day = np.full(20, worlds.START // MICROSECONDS_PER_DAY + 9)
    assert not counts.before(keys, day)[:, STRENGTH_ABOVE].any()
    assert not (counts.everyone[:, ABOVE] / FINEST % 1).any()


def test_a_like_says_less_for_the_wine_when_its_rater_likes_everything(worlds):
    lenient = [worlds.Rating(0, 1, -1, 5.0, day, 0) for day in range(10)]
    strict = [worlds.Rating(1, 1, -1, 1.0, day, 1) for day in range(10)]
    wine = np.array([identity("wine", "w0")])

    def likes_above(member):
        ratings = (*lenient, *strict, worlds.Rating(member, 0, -1, 5.0, 20, 0))
        world = worlds.World((WineFacts(), WineFacts()), ratings)
        return world.counts().before(wine, np.array([17_030]))[0, LIKES_ABOVE]

    assert likes_above(0) < likes_above(2) < likes_above(1)


def test_a_like_says_less_for_the_wine_in_a_year_in_which_everything_is_liked(worlds):
    wine = np.array([identity("wine", "w0")])

    def likes_above(stars):
        ratings = (*(worlds.Rating(1, -1, -1, stars, day, day) for day in range(200)), worlds.Rating(0, 0, -1, 5.0, 300, 0))
        return worlds.World((WineFacts(),), ratings).counts().before(wine, np.array([17_400]))[0, LIKES_ABOVE]

    assert likes_above(5.0) < likes_above(1.0)


# What a rating takes while it is counted, the result's own steps included: 151 measured; 920 when all were counted at once.
BYTES_A_RATING = 250


def test_millions_of_ratings_are_counted_some_at_a_time():
    shelf = [WineFacts(producer=f"p{n % 20}", type="Red", country="Italy", region=f"r{n % 8}") for n in range(200)]
    wines = np.array([wine_record(f"w{n}", facts) for n, facts in enumerate(shelf)], dtype=WINE)

    def peak(ratings):
        rng = np.random.default_rng(ratings)
        events = np.zeros(ratings, dtype=EVENT)
        events["moment"] = rng.integers(0, 3000 * MICROSECONDS_PER_DAY, ratings)
        events["row"], events["vintage"] = rng.integers(0, len(wines), ratings), rng.integers(2000, 2010, ratings)
        events["strength"] = rng.integers(-6, 3, ratings) / 2
        events["liked"] = events["strength"] >= 0
        tracemalloc.start()
        try:
            count_ratings(wines, events, rng.integers(0, ratings // 13, ratings).astype(np.int32))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = 100_000, 400_000
    assert peak(many) - peak(few) < BYTES_A_RATING * (many - few)
