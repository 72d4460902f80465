"""Running counts against counting by hand, cut down, written and read back; and what they let expect of a wine."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.features.counts import (
    ARRAYS,
    GREAT,
    GREAT_FROM,
    GROUPS,
    LIKE_PRIOR,
    LIKED,
    LIKES_ABOVE,
    POOR,
    POOR_AT_MOST,
    PRIOR_RATINGS,
    RATED,
    SEASON_DAYS,
    TOTALS,
    YEAR_DAYS,
    RunningCounts,
    group_keys,
)
from cellar_shared.features.expectation import LEVELS, expect
from cellar_shared.features.identity import UNKNOWN, mixed
from cellar_shared.features.wines import WINE, WineFacts, no_wines, wine_record

LAW = settings(max_examples=60, deadline=None, derandomize=True)
EXACT_IN_FLOAT32 = 8.0  # values are multiples of 1/8, small enough that no sum is rounded

days = st.sampled_from([0, 1, 2, 90, 91, 364, 365, 366, 700])
keys = st.sampled_from([UNKNOWN, 1, 2, -5, 2**62])
values = st.lists(st.integers(-40, 40), min_size=len(TOTALS), max_size=len(TOTALS))
tables = st.lists(st.tuples(keys, days, values), max_size=20)


def counted(table):
    key, day = (np.array([row[place] for row in table], dtype=np.int64) for place in (0, 1))
    value = np.array([row[2] for row in table], dtype=float).reshape(-1, len(TOTALS)) / EXACT_IN_FLOAT32
    return RunningCounts.of_values(key, day, value, day, value), key, day, value


@LAW
@given(tables, st.lists(st.tuples(keys | st.just(77), days), min_size=1, max_size=6))
def test_what_a_key_had_gathered_before_a_day_is_the_sum_of_its_earlier_rows(table, asked):
    counts, key, day, value = counted(table)
    expected = [value[(key == k) & (day < d)].sum(axis=0) if k != UNKNOWN else np.zeros(len(TOTALS)) for k, d in asked]
    asked_keys, asked_days = np.array(asked, dtype=np.int64).T
    np.testing.assert_array_equal(counts.before(asked_keys, asked_days), expected)
    np.testing.assert_array_equal(counts.before(asked_keys[None], asked_days)[0], expected)
    each = np.arange(len(asked))
    np.testing.assert_array_equal(counts.before(asked_keys[None], asked_days[:, None])[each, each], expected)


@LAW
@given(tables, days)
def test_everyone_is_the_trailing_year_shrunk_to_the_long_run(table, asked):
    _, _, day, value = counted(table)
    rated = np.abs(value[:, RATED])
    value[:, RATED] = rated
    counts = RunningCounts.of_values(np.zeros(len(day), dtype=np.int64), day, value, day, value)
    ever, year, season = (value[(day < asked) & (day >= asked - span)].sum(axis=0) for span in (10**6, YEAR_DAYS, SEASON_DAYS))
    long_run = (ever[LIKED] + PRIOR_RATINGS * LIKE_PRIOR) / (ever[RATED] + PRIOR_RATINGS)
    everyone = counts.everyone_before(np.array([asked]))
    assert everyone.like_rate[0] == pytest.approx((year[LIKED] + PRIOR_RATINGS * long_run) / (year[RATED] + PRIOR_RATINGS))
    assert everyone.unexplained[0] == pytest.approx(season[LIKES_ABOVE] / (season[RATED] + PRIOR_RATINGS))


@LAW
@given(tables, st.sets(keys), days)
def test_counts_cut_down_to_some_keys_say_the_same_of_them_and_nothing_of_others(table, kept, day):
    counts, key, _, _ = counted(table)
    some = counts.only(np.array(sorted(kept), dtype=np.int64))
    assert set(some.keys.tolist()) == (set(key.tolist()) & kept) - {UNKNOWN}
    asked = np.array(sorted(kept), dtype=np.int64)
    at = np.full(len(asked), day)
    np.testing.assert_array_equal(some.before(asked, at), counts.before(asked, at))
    assert some.everyone_before(np.array([day])) == pytest.approx(counts.everyone_before(np.array([day])))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(table=tables)
def test_counts_come_back_from_a_folder_as_they_were_written(tmp_path_factory, table):
    counts, *_ = counted(table)
    folder = tmp_path_factory.mktemp("counts")
    counts.write(folder)
    mapped = RunningCounts.mapped(folder)
    assert {field.name for field in fields(RunningCounts)} == {*ARRAYS, "notes"}
    for name in ARRAYS:
        one, other = getattr(counts, name), getattr(mapped, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
        assert not other.flags.writeable


def test_days_before_1970_count_as_the_first_day_of_it():
    row = np.ones((1, len(TOTALS)))
    counts = RunningCounts.of_values(np.array([7]), np.array([-400]), row, np.array([-400]), row)
    assert counts.before(np.array([7, 7]), np.array([0, 1]))[:, RATED].tolist() == [0.0, 1.0]


@LAW
@given(data=st.data())
def test_every_wine_has_the_ratings_likes_and_ends_of_the_scale_that_were_given_before_the_day(worlds, data):
    world = data.draw(worlds.worlds())
    day = data.draw(worlds.moments) // MICROSECONDS_PER_DAY
    counts = world.counts()
    groups = group_keys(world.wines, np.full(len(world.catalogue), 2015, dtype=np.int16))
    tally = counts.before(groups, np.array([[day]]))

    def by_hand(belongs):
        stars = [rating.stars for rating in world.ratings if rating.moment < day * MICROSECONDS_PER_DAY and belongs(rating)]
        strengths = np.array(stars) - 4
        return [len(stars), (strengths >= 0).sum(), (strengths <= POOR_AT_MOST).sum(), (strengths >= GREAT_FROM).sum()]

    for wine, facts in enumerate(world.catalogue):
        alike = [place for place, other in enumerate(world.catalogue) if facts.producer and other.producer == facts.producer]
        expected = {
            "wine": by_hand(lambda rating, wine=wine: rating.wine == wine),
            "wine_vintage": by_hand(lambda rating, wine=wine: rating.wine == wine and rating.vintage == 2015),
            "producer": by_hand(lambda rating, alike=alike: rating.wine in alike),
        }
        for group, plain in expected.items():
            assert tally[wine, GROUPS.index(group), [RATED, LIKED, POOR, GREAT]].tolist() == plain


@LAW
@given(data=st.data())
def test_the_order_in_which_ratings_of_different_moments_are_handed_in_does_not_matter(worlds, data):
    world = data.draw(worlds.worlds())
    ratings = list({rating.moment: rating for rating in world.ratings}.values())
    shuffled = data.draw(st.permutations(ratings))
    members = [np.array([rating.member for rating in some], dtype=np.int32) for some in (ratings, shuffled)]
    one = worlds.count_ratings(world.wines, worlds.events_of(ratings), members[0])
    other = worlds.count_ratings(world.wines, worlds.events_of(shuffled), members[1])
    for field in fields(RunningCounts):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


# Expectation


def wine(name, **facts):
    return wine_record(name, WineFacts(**facts))


shelf = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([-1, 0, 2015]), days, values), max_size=16)
optional = st.sampled_from([None, "One", "Two"])
catalogues = st.lists(st.builds(WineFacts, producer=optional, type=optional, country=optional, region=optional), min_size=3, max_size=3)


def shelf_counts(records, rows, everyone):
    """Counts of the rows under all their groups; everyone's are given, as a hidden wine's raters are still among them."""
    value = np.abs(np.array([row[3] for row in rows], dtype=float).reshape(-1, len(TOTALS))) / EXACT_IN_FLOAT32
    day = np.array([row[2] for row in rows], dtype=np.int64)
    vintages = np.array([row[1] for row in rows], dtype=np.int16)
    at = np.array(["abc".index(row[0]) for row in rows], dtype=np.int64)
    groups = group_keys(records[at], vintages)
    return RunningCounts.of_values(groups.ravel(), np.repeat(day, len(GROUPS)), np.repeat(value, len(GROUPS), axis=0), *everyone)


@LAW
@given(catalogues, shelf, days, st.sampled_from([-1, 0, 2015]))
def test_a_hidden_wine_is_expected_what_it_would_be_had_its_ratings_never_been_booked(catalogue, rows, day, vintage):
    """Exactly so for what groups and wine gathered, whatever facts are missing.

    It does not hold for what the hidden ratings did elsewhere: everyone's means and their raters' leniency keep them.
    """
    records = np.array([wine_record(name, facts) for name, facts in zip("abc", catalogue, strict=True)], dtype=WINE)
    everyone = (np.array([0, 300]), np.tile(np.array([10.0, 5, 2, 2, 1, 0]), (2, 1)))
    shown = shelf_counts(records, rows, everyone)
    without = shelf_counts(records, [row for row in rows if row[0] != "a"], everyone)
    asked, vintages, at = records[:1], np.array([vintage], dtype=np.int16), np.array([day])
    hidden = expect(shown, asked, vintages, at, np.array([True]))
    never = expect(without, asked, vintages, at)
    for name in ("levels", "ratings", "poor", "great"):
        np.testing.assert_array_equal(getattr(hidden, name), getattr(never, name), err_msg=name)
    seen = expect(shown, asked, vintages, at)
    wider = LEVELS.index("wine")
    np.testing.assert_array_equal(seen.levels[:wider], never.levels[:wider])  # the wider levels leave the wine out anyway


@LAW
@given(catalogues, shelf, days)
def test_no_level_stands_on_fewer_ratings_than_none(catalogue, rows, day):
    records = np.array([wine_record(name, facts) for name, facts in zip("abc", catalogue, strict=True)], dtype=WINE)
    nobody = (np.zeros(0, dtype=np.int64), np.zeros((0, len(TOTALS))))
    found = expect(shelf_counts(records, rows, nobody), records, np.full(3, 2015, dtype=np.int16), np.full(3, day))
    assert (found.ratings >= 0).all()
    assert np.isfinite(found.levels).all()


def test_a_wine_of_which_nothing_is_known_is_expected_what_everyone_is():
    counts, *_ = counted([(5, 0, [8] * len(TOTALS))])
    found = expect(counts, no_wines(1), np.array([-1], dtype=np.int16), np.array([3]))
    assert not found.levels.any()
    assert not found.ratings.any()
    assert found.like_chance("wine_vintage") == found.everyone.like_rate


def test_only_an_unknown_vintage_has_no_key_of_its_own():
    records = np.array([wine("a")] * 4, dtype=WINE)
    of_vintage = group_keys(records, np.array([-1, 0, 2015, 2016], dtype=np.int16))[:, GROUPS.index("wine_vintage")]
    assert of_vintage[0] == UNKNOWN
    assert len(set(of_vintage.tolist())) == 4
    assert of_vintage[2] == mixed(records["wine"][:1], np.array([2016]))[0]
